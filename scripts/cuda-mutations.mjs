/**
 * Plants typical faults into the CUDA kernels, one at a time, and shows that the tests catch each, and for the right reason: a dropped
 * barrier as a race, a missing bounds check as an access out of bounds, a stale sum as a wrong number. Works on copies of the tree in
 * build/cuda-mutants; what has been seen is kept there by the content of the sources, so that a run that was stopped goes on.
 *
 *   node scripts/cuda-mutations.mjs            all of them, as a table; exit 1 when one lives
 *   node scripts/cuda-mutations.mjs barrier    those whose name or file contains the word
 *   --jobs 2                                   so many at once      --again   those too that have been seen
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const WORK = join(ROOT, 'build', 'cuda-mutants');
const SEEN = join(WORK, 'seen.json');
const TOOLS = process.env.FLASHBOOK_TOOLS ?? join(ROOT, '..', 'shared', 'tools');

/** What a test says: a race, an access out of bounds, another number than expected, a count of the simulator beyond its bound. */
const RACE = /race_|warp_hazard|inflight/;
const BOUNDS = /oob_/;
const WRONG = /expected .* (but )?received|expected .*: |to be (true|false)|toBe\(true\)|deeply equal|to equal/s;
const COST = /wavefronts|sectors/;
/** What the tests of attention say of an error beyond the bound. */
const INEXACT = /error .*, allowed /;

/** File, what stands there, what is put there, the test file that must notice, which of its tests are enough, and what they must say. */
const FAULTS = {
  'a dropped barrier in the product': {
    file: 'gemm/tensor_tile.cuh',
    from: '__syncthreads();   // the stage has arrived',
    to: '// the stage has arrived',
    test: 'gemm',
    only: 'bf16',
    because: RACE,
  },
  'no wait for the asynchronous copy': {
    file: 'gemm/tensor_tile.cuh',
    from: 'wait_copies<kStages - 2>();',
    to: '',
    test: 'gemm',
    only: 'bf16',
    because: RACE,
  },
  'no bounds check of rows': {
    file: 'gemm/tensor_tile.cuh',
    from: 'min(row0 + threadIdx.x / 4 + i * kStep, rows - 1)',
    to: 'row0 + threadIdx.x / 4 + i * kStep',
    test: 'gemm',
    only: 'bf16',
    because: BOUNDS,
  },
  'a wrong fragment index': {
    file: 'gemm/tensor_tile.cuh',
    from: 'fragment_b[j / 2][j % 2 * 2 + 1]',
    to: 'fragment_b[j / 2][j % 2 * 2]',
    test: 'gemm',
    only: 'bf16',
    because: WRONG,
  },
  'a buffer that is filled too early': {
    file: 'gemm/tensor_tile.cuh',
    from: '    copy(left);\n    multiply_stage<T, Tile>(sum, places, from, from + kA);',
    to: '    copy(from);\n    multiply_stage<T, Tile>(sum, places, from, from + kA);',
    test: 'gemm',
    only: 'bf16',
    because: RACE,
  },
  'results over a stage that others still read': {
    file: 'gemm/gemm.cu',
    from: '  __syncthreads();   // nobody reads the last stage any more\n',
    to: '',
    test: 'gemm',
    only: 'bf16',
    because: RACE,
  },
  'a missing swizzle': {
    file: 'device/mma.cuh',
    from: 'return row * kRowBytes + ((chunk ^ ((row / (8 / kChunks)) & (kChunks - 1))) << 4);',
    to: 'return row * kRowBytes + (chunk << 4);',
    test: 'gemm',
    only: 'bf16',
    because: COST,
  },
  'a part of a split sum left out': {
    file: 'gemm/gemm.cu',
    from: 'for (int part = 1; part < parts; part++) sum',
    to: 'for (int part = 2; part < parts; part++) sum',
    test: 'gemm',
    only: 'bf16',
    because: WRONG,
  },
  'a stale accumulator': {
    file: 'qgemm/qgemm.cu',
    from: '  for (int tile = 0; tile < mine; tile++) {\n    int32_t sum[Tile::kRowTiles][Tile::kColumnTiles][4] = {};',
    to: '  int32_t sum[Tile::kRowTiles][Tile::kColumnTiles][4] = {};\n  for (int tile = 0; tile < mine; tile++) {',
    test: 'qgemm',
    because: WRONG,
  },
  'the column of the next scale': {
    file: 'qgemm/qgemm.cu',
    from: '__fmul_rn(scale, w.y)',
    to: '__fmul_rn(scale, w.x)',
    test: 'qgemm',
    because: WRONG,
  },
  'a mask that hides the diagonal': {
    file: 'attention/forward.cuh',
    from: 'key > high[e / 2]',
    to: 'key >= high[e / 2]',
    test: 'attention',
    only: 'in bf16',
    because: INEXACT,
  },
  'no rescaling of the softmax sum': {
    file: 'attention/forward.cuh',
    from: 'total[half] *= shrink;',
    to: '',
    test: 'attention',
    only: 'in bf16',
    because: INEXACT,
  },
  'no rescaling of the output': {
    file: 'attention/forward.cuh',
    from: 'sum[n][half * 2] *= shrink;',
    to: '',
    test: 'attention',
    only: 'in bf16',
    because: INEXACT,
  },
  'the last tile of keys left out': {
    file: 'attention/forward.cuh',
    from: 'key_tile <= tile_last',
    to: 'key_tile < tile_last',
    test: 'attention',
    only: 'in bf16',
    because: INEXACT,
  },
  'a dropped barrier in attention': {
    file: 'attention/forward.cuh',
    from: '__syncthreads();   // the tile is there',
    to: '// the tile is there',
    test: 'attention',
    only: 'in bf16',
    because: RACE,
  },
  'one buffer instead of two': {
    file: 'attention/forward.cuh',
    from: '(key_tile & 1) * 2 * kBuffer',
    to: '0',
    test: 'attention',
    only: 'in bf16',
    because: RACE,
  },
  'a gradient without its delta': {
    file: 'attention/backward.cuh',
    from: 'p * (d_score[j][e] - of_delta)',
    to: 'p * d_score[j][e]',
    test: 'attention',
    only: 'in bf16',
    because: INEXACT,
  },
  'a scan that forgets what came before': {
    file: 'features/features.cu',
    from: '  carry = total;\n',
    to: '',
    test: 'kernels',
    only: 'extract features',
    because: WRONG,
  },
  'a window one event short': {
    file: 'features/features.cu',
    from: 'const int64_t then = row - events;',
    to: 'const int64_t then = row - events + 1;',
    test: 'kernels',
    only: 'extract features',
    because: WRONG,
  },
  'one round less of the generator': {
    file: 'device/philox.cuh',
    from: 'round < 10',
    to: 'round < 9',
    test: 'cases',
    because: WRONG,
  },
  'bits of the wrong half': {
    file: 'dropout/dropout.cu',
    from: 'lane % 2 == 0 ? w0 : w2',
    to: 'lane % 2 == 0 ? w2 : w0',
    test: 'cases',
    because: WRONG,
  },
  'shared memory used again without a barrier': {
    file: 'device/warp.cuh',
    from: '  __syncthreads();\n  return sum;',
    to: '  return sum;',
    test: 'cases',
    because: RACE,
  },
  'no bounds check at the tail': {
    file: 'device/map.cuh',
    from: 'i < n; i += stride) y[i] = f(i, a[i]);',
    to: 'i < n + 1; i += stride) y[i] = f(i, a[i]);',
    test: 'cases',
    because: /oob_|illegal memory access/,
  },
  'a variance without its epsilon': {
    file: 'norm/norm.cu',
    from: 'static_cast<float>(columns) + eps)',
    to: 'static_cast<float>(columns))',
    test: 'cases',
    because: WRONG,
  },
  'a row of the chunk left out': {
    file: 'reduce/reduce.cu',
    from: 'row < last; row += kRows) sum +=',
    to: 'row < last - 1; row += kRows) sum +=',
    test: 'cases',
    because: WRONG,
  },
  'a moment that is not stored': {
    file: 'optim/optim.cu',
    from: 's.at[3][i] = v;',
    to: '',
    test: 'kernels',
    only: 'update lists',
    because: WRONG,
  },
  'a tile of the transposition read before it is written': {
    file: 'layout/layout.cu',
    from: '  __syncthreads();\n  for (int i = threadIdx.y;',
    to: '  for (int i = threadIdx.y;',
    test: 'cases',
    because: /race_|to deeply equal/,
  },
};

/** A copy of the tree: its own kernels, tests and scripts (a script works on the tree in which it lies), links to the rest. */
function prepare(tree) {
  mkdirSync(join(tree, 'build'), { recursive: true });
  for (const entry of readdirSync(ROOT)) {
    if (['cuda', 'test', 'scripts', 'build', '.git'].includes(entry) || existsSync(join(tree, entry))) continue;
    symlinkSync(join(ROOT, entry), join(tree, entry));
  }
  for (const folder of ['cuda', 'test', 'scripts']) copyNewer(join(ROOT, folder), join(tree, folder));
  if (!existsSync(join(tree, 'build', 'Release')))
    symlinkSync(join(ROOT, 'build', 'Release'), join(tree, 'build', 'Release'));
  const simulator = join('build', 'ptxsim');
  if (existsSync(join(ROOT, simulator)) && !existsSync(join(tree, simulator)))
    cpSync(join(ROOT, simulator), join(tree, simulator), { recursive: true, preserveTimestamps: true });
}

/** Files that are the same stay untouched, so that what was built from them need not be built again. */
function copyNewer(from, to) {
  mkdirSync(to, { recursive: true });
  const names = readdirSync(from);
  for (const name of readdirSync(to)) if (!names.includes(name)) rmSync(join(to, name), { recursive: true });
  for (const name of names) {
    const [source, target] = [join(from, name), join(to, name)];
    if (statSync(source).isDirectory()) copyNewer(source, target);
    else if (!existsSync(target) || !readFileSync(source).equals(readFileSync(target))) cpSync(source, target);
  }
}

/** What decides over a fault's fate: itself, its kernels and what they share, and the tests. */
function keyOf(name) {
  const hash = createHash('sha256').update(JSON.stringify([name, FAULTS[name], String(FAULTS[name].because)]));
  const family = dirname(FAULTS[name].file);
  const folders = family === 'device' ? ['.'] : [family, 'gemm', 'device', 'runtime', 'engine'];
  for (const folder of [...folders.map((f) => join('cuda', f)), join('test', 'cuda')]) {
    const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).sort();
    for (const file of files.map((f) => join(ROOT, folder, f))) {
      if (statSync(file).isFile()) hash.update(file.slice(ROOT.length)).update(readFileSync(file));
    }
  }
  return hash.digest('hex').slice(0, 24);
}

/** Runs a test file of a tree: whether it passed, which test failed first and what it said. */
async function runTests(tree, file, only) {
  const output = join(tree, 'build', 'report.json');
  rmSync(output, { force: true });
  const names = only === undefined ? [] : ['-t', only];
  const child = spawn(
    'npx',
    [
      'vitest',
      'run',
      '--bail',
      '1',
      '--reporter',
      'json',
      '--outputFile',
      output,
      ...names,
      `test/cuda/${file}.test.ts`,
    ],
    { cwd: tree, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, FLASHBOOK_TOOLS: TOOLS, NO_COLOR: '1' } },
  );
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data));
  await new Promise((resolve) => child.on('close', resolve));
  if (!existsSync(output)) throw new Error(`vitest wrote no report:\n${text.slice(-3000)}`);
  const report = JSON.parse(readFileSync(output, 'utf8'));
  const results = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = results.find(({ status }) => status === 'failed');
  const message = [...(failed?.failureMessages ?? []), ...report.testResults.map((r) => r.message ?? '')].join('\n');
  if (/flock .*failed/.test(message)) throw new Error(`what was planted does not compile:\n${message.slice(0, 3000)}`);
  return { passed: report.success && report.numPassedTests > 0, test: failed?.title ?? '', message };
}

/** The sentence of a failure that fits, in one line. */
const gist = (message, because) =>
  (message.split('\n').find((line) => because.test(line)) ?? message.split('\n')[0] ?? '')
    .replace(/kernel _ZN\w+/, 'kernel …')
    .replace(/^[\s+-]*(AssertionError|Error): /, '')
    .replace(/\|/g, '¦')
    .trim()
    .slice(0, 100);

async function plant(tree, name) {
  const { file, from, to, test, only, because } = FAULTS[name];
  const path = join(tree, 'cuda', file);
  const before = readFileSync(path, 'utf8');
  if (!before.includes(from)) return { caught: false, says: `${file} has no «${from}» any more` };
  const start = Date.now();
  writeFileSync(path, before.replaceAll(from, to));
  try {
    const { passed, test: by, message } = await runTests(tree, test, only);
    const seconds = Math.round((Date.now() - start) / 1000);
    const fits = because.test(message);
    return {
      caught: !passed && fits,
      seconds,
      test: `${test}: ${by}`,
      says: passed ? '' : gist(message, because),
      fits,
    };
  } catch (error) {
    return { caught: false, says: String(error.message) };
  } finally {
    writeFileSync(path, before);
  }
}

const value = (flag) => (process.argv.includes(flag) ? process.argv[process.argv.indexOf(flag) + 1] : undefined);
const jobs = Number(value('--jobs') ?? 1);
const word = process.argv.slice(2).find((a, i, all) => !a.startsWith('--') && all[i - 1] !== '--jobs') ?? '';
const wanted = Object.keys(FAULTS).filter((name) => name.includes(word) || FAULTS[name].file.includes(word));
mkdirSync(WORK, { recursive: true });
const seen = existsSync(SEEN) ? JSON.parse(readFileSync(SEEN, 'utf8')) : {};
const keys = new Map(wanted.map((name) => [name, keyOf(name)])); // of what is copied now, not of what stands there later
const found = new Map();
for (const name of wanted) {
  const known = seen[keys.get(name)];
  if (known !== undefined && !process.argv.includes('--again')) found.set(name, known);
}
const queue = wanted.filter((name) => !found.has(name));
console.log(`${wanted.length} faults, ${found.size} of them seen before`);
const clean = new Set(); // tests that pass without a fault, by what is run of them
const workers = Array.from({ length: Math.min(jobs, queue.length) }, async (_, i) => {
  const tree = join(WORK, String(i));
  prepare(tree);
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const { test, only } = FAULTS[name];
    if (!clean.has(`${test} ${only}`)) {
      const { passed, message } = await runTests(tree, test, only);
      if (!passed) throw new Error(`the tests of ${test} fail without any fault:\n${message.slice(0, 3000)}`);
      clean.add(`${test} ${only}`);
    }
    const result = await plant(tree, name);
    found.set(name, result);
    if (result.caught) {
      seen[keys.get(name)] = result;
      writeFileSync(SEEN, JSON.stringify(seen, null, 1));
    }
    console.log(`${result.caught ? 'caught' : 'LIVES '}  ${name} (${result.seconds ?? '–'} s): ${result.says}`);
  }
});
await Promise.all(workers);

console.log('\n| fault | in | caught by the test | which says | s |\n| --- | --- | --- | --- | --- |');
for (const name of wanted) {
  const { caught, test = '', says, seconds = '' } = found.get(name);
  console.log(`| ${name} | ${FAULTS[name].file} | ${caught ? test : 'NOT CAUGHT'} | ${says} | ${seconds} |`);
}
const caught = wanted.filter((name) => found.get(name).caught).length;
console.log(`\n${caught} of ${wanted.length} faults caught`);
process.exitCode = caught === wanted.length ? 0 : 1;
