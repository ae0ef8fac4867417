// node scripts/sanitize.mjs address|thread [vitest arguments]
//
// Builds the native core with a sanitizer into build/<name> and runs the native tests; with `address` (and undefined
// behaviour) the tests of the addon too, in a Node whose first library is the sanitizer's. Kernels with instruction-set
// flags stay as they are: guard pages watch them (native/engine/memory.h), in test/native/kernel-operands.test.ts.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const [kind, ...vitestArguments] = process.argv.slice(2);
const sanitizers = { address: 'address,undefined', thread: 'thread' };
if (!(kind in sanitizers)) {
  console.error('usage: node scripts/sanitize.mjs address|thread [vitest arguments]');
  process.exit(2);
}

const folder = join(root, 'build', kind);
mkdirSync(folder, { recursive: true });

/** Runs a command and passes its output and its failure on. */
function run(command, args, env = {}) {
  try {
    execFileSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  } catch (error) {
    process.exit(error.status ?? 1);
  }
}

/** Where the compiler keeps its sanitizer library. */
const library = (name) => execFileSync('c++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();

run('cmake', [
  ...['-S', root, '-B', folder, '-DCMAKE_BUILD_TYPE=Release', '-DFLASHBOOK_TESTS=ON'],
  `-DFLASHBOOK_SANITIZE=${sanitizers[kind]}`,
]);
run('cmake', ['--build', folder, '--parallel', '2', '--target', kind === 'address' ? 'all' : 'core_test']);
run(join(folder, 'core_test'), []);

if (kind === 'address') {
  // A sanitizer keeps freed memory back for a while, so the test of memory that comes back cannot hold.
  const usual = ['test/native', 'test/book', 'test/features', '--exclude', 'test/native/memory.test.ts'];
  run('npx', ['vitest', 'run', ...(vitestArguments.length > 0 ? vitestArguments : usual)], {
    FLASHBOOK_NATIVE: join(folder, 'Release', 'flashbook.node'),
    LD_PRELOAD: `${library('libasan.so')} ${library('libubsan.so')}`,
    // Node keeps memory until it ends; leaks of ours are looked for in test/native/memory.test.ts.
    ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1:abort_on_error=1',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  });
}
