/**
 * Plants typical faults into the CUDA kernels, one at a time, and shows that the tests catch each: a dropped barrier, a missing wait,
 * a wrong mask, a stale sum. Works on a copy of the tree in build/cuda-mutants.
 *
 *   node scripts/cuda-mutations.mjs            all of them; exit 1 when one lives
 *   node scripts/cuda-mutations.mjs barrier    those whose name contains the word
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const TREE = join(ROOT, 'build', 'cuda-mutants');
const TOOLS = process.env.FLASHBOOK_TOOLS ?? join(ROOT, '..', 'shared', 'tools');

/** name, file, what stands there, what is put there, the test files that must notice. */
const FAULTS = [
  [
    'a dropped barrier in the product',
    'gemm/tensor_tile.cuh',
    '__syncthreads();   // the stage has arrived',
    '// the stage has arrived',
    'gemm',
  ],
  ['no wait for the asynchronous copy', 'gemm/tensor_tile.cuh', 'wait_copies<kStages - 2>();', '', 'gemm'],
  ['no bounds check of rows', 'gemm/tensor_tile.cuh', 'row0 + row < rows && ', '', 'gemm'],
  [
    'a wrong fragment index',
    'gemm/tensor_tile.cuh',
    'fragment_b[j / 2][j % 2 * 2 + 1]',
    'fragment_b[j / 2][j % 2 * 2]',
    'gemm',
  ],
  [
    'a buffer that is filled too early',
    'gemm/tensor_tile.cuh',
    'copy(stage + kStages - 1);',
    'copy(stage + kStages);',
    'gemm',
  ],
  ['a mask that hides the diagonal', 'attention/forward.cuh', 'key > high[e / 2]', 'key >= high[e / 2]', 'attention'],
  ['no rescaling of the softmax sum', 'attention/forward.cuh', 'total[half] *= shrink;', '', 'attention'],
  ['no rescaling of the output', 'attention/forward.cuh', 'sum[n][half * 2] *= shrink;', '', 'attention'],
  [
    'the last tile of keys left out',
    'attention/forward.cuh',
    'key_tile <= tile_last',
    'key_tile < tile_last',
    'attention',
  ],
  [
    'a dropped barrier in attention',
    'attention/forward.cuh',
    '__syncthreads();   // the tile is there',
    '// the tile is there',
    'attention',
  ],
  [
    'one buffer instead of two',
    'attention/forward.cuh',
    'shared_kv + (key_tile & 1) * 2 * kBuffer',
    'shared_kv',
    'attention',
  ],
  ['a missing swizzle', 'gemm/tensor_tile.cuh', 'to + swizzled<64>(row, chunk)', 'to + row * 64 + chunk * 16', 'gemm'],
  ['a scan that forgets what came before', 'features/features.cu', '  carry = total;\n', '', 'kernels'],
  [
    'a window one event short',
    'features/features.cu',
    'const int64_t then = row - events;',
    'const int64_t then = row - events + 1;',
    'kernels',
  ],
  ['one round less of the generator', 'device/philox.cuh', 'round < 10', 'round < 9', 'cases'],
  ['bits of the wrong half', 'dropout/dropout.cu', 'lane % 2 == 0 ? w0 : w2', 'lane % 2 == 0 ? w2 : w0', 'cases'],
  [
    'shared memory used again without a barrier',
    'device/warp.cuh',
    '  __syncthreads();\n  return sum;',
    '  return sum;',
    'cases',
  ],
  [
    'no bounds check at the tail',
    'device/map.cuh',
    'i < n; i += stride) y[i] = f(i, a[i]);',
    'i < n + 1; i += stride) y[i] = f(i, a[i]);',
    'cases',
  ],
  [
    'a variance without its epsilon',
    'norm/norm.cu',
    'static_cast<float>(columns) + eps)',
    'static_cast<float>(columns))',
    'cases',
  ],
  [
    'a row of the chunk left out',
    'reduce/reduce.cu',
    'row < last; row += kRows) sum +=',
    'row < last - 1; row += kRows) sum +=',
    'cases',
  ],
  ['a moment that is not stored', 'optim/optim.cu', 's.at[3][i] = v;', '', 'kernels'],
  [
    'a tile of the transposition read before it is written',
    'layout/layout.cu',
    '  __syncthreads();\n  for (int i = threadIdx.y;',
    '  for (int i = threadIdx.y;',
    'cases',
  ],
];

function prepare() {
  rmSync(join(TREE, 'cuda'), { recursive: true, force: true });
  rmSync(join(TREE, 'test'), { recursive: true, force: true });
  mkdirSync(join(TREE, 'build'), { recursive: true });
  for (const entry of readdirSync(ROOT)) {
    if (['cuda', 'test', 'build', '.git'].includes(entry) || existsSync(join(TREE, entry))) continue;
    symlinkSync(join(ROOT, entry), join(TREE, entry));
  }
  // The script that builds works on the tree in which it lies.
  rmSync(join(TREE, 'scripts'), { recursive: true, force: true });
  for (const folder of ['cuda', 'test', 'scripts']) cpSync(join(ROOT, folder), join(TREE, folder), { recursive: true });
  if (!existsSync(join(TREE, 'build', 'Release')))
    symlinkSync(join(ROOT, 'build', 'Release'), join(TREE, 'build', 'Release'));
  if (existsSync(join(ROOT, 'build', 'ptxsim')) && !existsSync(join(TREE, 'build', 'ptxsim'))) {
    cpSync(join(ROOT, 'build', 'ptxsim'), join(TREE, 'build', 'ptxsim'), { recursive: true, preserveTimestamps: true });
  }
}

/** Whether the test files pass, and what they say. */
function tests(files) {
  const { status, stdout, stderr } = spawnSync(
    'npx',
    ['vitest', 'run', '--bail', '1', ...files.map((file) => `test/cuda/${file}.test.ts`)],
    {
      cwd: TREE,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      env: { ...process.env, FLASHBOOK_TOOLS: TOOLS, FLASHBOOK_CUDA_MODULES: 'many' },
    },
  );
  const text = stdout + stderr;
  return { passed: status === 0, ran: /Tests\s.*(passed|failed)/.test(text), text };
}

prepare();
const wanted = FAULTS.filter(([name]) => process.argv[2] === undefined || name.includes(process.argv[2]));
const clean = tests([...new Set(wanted.map(([, , , , file]) => file))]);
if (!clean.passed) {
  console.error(`the tests fail without any fault:\n${clean.text.slice(-3000)}`);
  process.exit(1);
}
let alive = 0;
for (const [name, file, from, to, test] of wanted) {
  const path = join(TREE, 'cuda', file);
  const before = readFileSync(path, 'utf8');
  if (!before.includes(from)) {
    console.log(`✗ ${name}: ${file} has no «${from}» any more`);
    alive++;
    continue;
  }
  const start = Date.now();
  writeFileSync(path, before.replaceAll(from, to));
  const { passed, text } = tests([test]);
  writeFileSync(path, before);
  const seconds = ((Date.now() - start) / 1000).toFixed(0);
  const noticed =
    /(?:Error: |AssertionError: |\+ +")([^\n]{0,140})/.exec(text.slice(text.indexOf('Failed Tests')))?.[1] ?? '';
  console.log(
    `${passed ? '✗ LIVES ' : '✓ caught'}  ${name} (${file}, ${seconds} s)${passed ? '' : `: ${noticed.trim()}`}`,
  );
  if (passed) alive++;
}
console.log(`${wanted.length - alive} of ${wanted.length} faults caught`);
process.exitCode = alive === 0 ? 0 : 1;
