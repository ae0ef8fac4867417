/**
 * What the CUDA kernels cost, read off the machine code: every .cu file is compiled to PTX once, and that PTX is assembled for each
 * architecture with spills and local memory as errors.
 *
 *   node scripts/cuda-static.mjs            compares with docs/cuda-kernels.json and prints what differs
 *   node scripts/cuda-static.mjs --write    writes that file
 *   node scripts/cuda-static.mjs --print    prints the table
 *
 * Needs nvcc, and the folder cuda-static of FLASHBOOK_TOOLS, else ../shared/tools. Results are kept in build/cuda-static by the content of the
 * sources, so a second run takes a moment.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const TOOLS = join(process.env.FLASHBOOK_TOOLS ?? join(ROOT, '..', 'shared', 'tools'), 'cuda-static');
const TABLE = join(ROOT, 'docs', 'cuda-kernels.json');
const CACHE = join(ROOT, 'build', 'cuda-static');
export const ARCHITECTURES = ['sm_80', 'sm_86', 'sm_89', 'sm_90', 'sm_100', 'sm_120'];
/** Opcodes that tell which units a kernel uses: tensor cores, matrix loads, asynchronous copies, local memory. */
const OPCODES = ['HMMA', 'IMMA', 'LDSM', 'LDGSTS', 'LDL', 'STL'];

function run(file, args) {
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} failed:\n${stderr}${stdout}`);
  return stderr + stdout;
}

/** A file and all files of the project that it includes. */
function contents(path, seen = new Set()) {
  if (seen.has(path) || !existsSync(path)) return '';
  seen.add(path);
  const text = readFileSync(path, 'utf8');
  const includes = [...text.matchAll(/#include "([^"]+)"/g)].map(([, name]) => name);
  return (
    text +
    includes
      .map((name) =>
        [join(ROOT, name), join(ROOT, 'native', name), join(dirname(path), name)]
          .map((p) => contents(p, seen))
          .join(''),
      )
      .join('')
  );
}

export function sources() {
  return readdirSync(join(ROOT, 'cuda'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'tests')
    .flatMap(({ name }) =>
      readdirSync(join(ROOT, 'cuda', name))
        .filter((file) => file.endsWith('.cu'))
        .map((file) => join('cuda', name, file)),
    )
    .sort();
}

/** Names as people read them: no parameters, no hash of an unnamed namespace, no namespace of the project. */
function readable(mangled) {
  const { stdout } = spawnSync('c++filt', [], { input: mangled.join('\n'), encoding: 'utf8' });
  return stdout
    .trimEnd()
    .split('\n')
    .map((name) =>
      name
        .replace(/_GLOBAL__N__\w+?::|\(anonymous namespace\)::/g, '')
        .replace(/_GLOBAL__N__[0-9a-f]+_\d+_\w+?_cu_[0-9a-f]+(_\d+)?::/g, '')
        .replace(/^void /, '')
        .replace(/flashbook::cuda::/g, '')
        .replace(/\((?!anonymous).*$/s, ''),
    );
}

function inspect(source) {
  const flags = ['-O3', '-std=c++20', '-DNDEBUG', '-arch=compute_80', '-I', 'native', '-I', '.'];
  const key = createHash('sha256')
    .update(
      contents(join(ROOT, source)) +
        flags.join(' ') +
        run('nvcc', ['--version']) +
        readFileSync(fileURLToPath(import.meta.url), 'utf8'),
    )
    .digest('hex')
    .slice(0, 24);
  const cached = join(CACHE, `${key}.json`);
  if (existsSync(cached)) return JSON.parse(readFileSync(cached, 'utf8'));
  const ptx = join(CACHE, `${key}.ptx`);
  run('nvcc', [...flags, '-ptx', source, '-o', ptx]);
  const threads = Object.fromEntries(
    [...readFileSync(ptx, 'utf8').matchAll(/\.entry (\w+)\([^{]*?\.maxntid (\d+)(?:, (\d+), (\d+))?/gs)].map(
      ([, name, x, y = 1, z = 1]) => [name, x * y * z],
    ),
  );
  const kernels = {};
  for (const architecture of ARCHITECTURES) {
    const cubin = join(CACHE, `${key}.${architecture}.cubin`);
    const log = run('ptxas', [
      '-O3',
      `-arch=${architecture}`,
      '-v',
      '-warn-spills',
      '-warn-lmem-usage',
      '-Werror',
      ptx,
      '-o',
      cubin,
    ]);
    for (const [, name, rest] of log.matchAll(
      /Compiling entry function '(\w+)'[^\n]*\n((?:(?!Compiling entry)[\s\S])*)/g,
    )) {
      const number = (pattern) => Number(pattern.exec(rest)?.[1] ?? 0);
      kernels[name] ??= { threads: threads[name] ?? 0 };
      const kernel = kernels[name];
      kernel[architecture] = {
        registers: number(/Used (\d+) registers/),
        shared: number(/(\d+) bytes smem/),
        stack: number(/(\d+) bytes stack frame/),
        spills: number(/(\d+) bytes spill stores/),
      };
    }
    for (const line of run('python3', [join(TOOLS, 'sassmix.py'), cubin]).split('\n')) {
      const found = /^\S+ (\w+) (\d+) (\{.*\})$/.exec(line);
      if (found === null || kernels[found[1]] === undefined) continue;
      const counts = JSON.parse(found[3].replaceAll("'", '"'));
      kernels[found[1]][architecture].instructions = Number(found[2]);
      kernels[found[1]][architecture].opcodes = Object.fromEntries(
        OPCODES.filter((o) => counts[o]).map((o) => [o, counts[o]]),
      );
    }
  }
  const names = Object.keys(kernels);
  const result = {};
  readable(names).forEach((name, i) => {
    result[name] = kernels[names[i]];
  });
  writeFileSync(cached, JSON.stringify(result));
  return result;
}

/** Bytes of shared memory that a launch asks for, as the launchers work them out from the kernel's template arguments. */
const DYNAMIC = [
  [/gemm_tensor<.*TensorTile<(\d+), (\d+), \d+, \d+, (\d+)/, (rows, columns, stages) => stages * (rows + columns) * 64],
  [/qgemm_fused/, () => 64 * 512 + 3 * 64 * 64 + 4 * 16 * 40 * 4], // for K = 512
  [/attention_forward<\w+, (\d+)/, (dim) => (64 + 4 * 64) * dim * 2],
  [
    /attention_backward<\w+, (\d+), (\w+)/,
    (dim, keys) => ((c) => (2 * 64 + 4 * c) * dim * 2 + 16 * c)(dim === 128 && keys ? 16 : 32),
  ],
  [/attention_forward_f32<(\d+)/, (dim) => (32 + 4 * 32) * dim * 4 + 32 * 36 * 4],
  [
    /attention_backward_f32<(\d+)/,
    (dim) => ((c) => (2 * 32 + 4 * c) * dim * 4 + (2 * 32 * (c + 4) + 4 * c) * 4)(dim === 128 ? 16 : 32),
  ],
];

function dynamicShared(name) {
  const [pattern, bytes] = DYNAMIC.find(([p]) => p.test(name)) ?? [];
  if (pattern === undefined) return 0;
  return bytes(
    ...pattern
      .exec(name)
      .slice(1)
      .map((text) => (/\d/.test(text) ? Number(text) : text === 'true')),
  );
}

/** Share of a multiprocessor's threads that can be there at once, by NVIDIA's own calculator. */
function occupancy(kernels) {
  const program = join(CACHE, 'occ');
  if (!existsSync(program)) {
    run('nvcc', ['-O1', join(TOOLS, 'occ.cpp'), '-o', program]);
  }
  for (const [name, kernel] of Object.entries(kernels)) {
    kernel.dynamicShared = dynamicShared(name);
    if (kernel.threads === 0) continue;
    const seen = new Map();
    for (const architecture of ARCHITECTURES) {
      const { registers, shared } = kernel[architecture];
      const key = `${registers} ${shared}`;
      if (!seen.has(key))
        seen.set(key, run(program, [registers, kernel.threads, shared, kernel.dynamicShared].map(String)));
      const found = new RegExp(`${architecture}: rc=0 blocks/SM=(\\d+) occupancy=(\\d+)%`).exec(seen.get(key));
      if (found !== null) kernel[architecture].occupancy = Number(found[2]);
    }
  }
}

/** The version of nvcc: another one may hand out registers otherwise. */
export const compiler = () => /V([\d.]+)/.exec(run('nvcc', ['--version']))?.[1] ?? 'unknown';

/** The table that is kept. */
export const kept = () => (existsSync(TABLE) ? JSON.parse(readFileSync(TABLE, 'utf8')) : { nvcc: '', kernels: {} });

/** All kernels by source file and readable name. */
export function inspectAll() {
  mkdirSync(CACHE, { recursive: true });
  const table = {};
  for (const source of sources()) {
    table[source] = inspect(source);
    occupancy(table[source]);
  }
  return table;
}

/** What differs between two tables, one line each. */
export function differences(before, found) {
  const lines = [];
  for (const source of new Set([...Object.keys(before), ...Object.keys(found)])) {
    const [a, b] = [before[source] ?? {}, found[source] ?? {}];
    for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
      if (JSON.stringify(a[name]) !== JSON.stringify(b[name]))
        lines.push(`${source} ${name}: ${a[name] ? (b[name] ? 'changed' : 'gone') : 'new'}`);
    }
  }
  return lines;
}

/** One line a kernel: registers by architecture and so on. */
export function printed(table) {
  const rows = [
    ['kernel', 'threads', 'shared', ...ARCHITECTURES.map((a) => a.slice(3)), 'occupancy 80 / 90', 'opcodes on sm_80'],
  ];
  for (const [source, kernels] of Object.entries(table)) {
    for (const [name, kernel] of Object.entries(kernels)) {
      const of = kernel.sm_80;
      const opcodes = Object.entries(of.opcodes ?? {})
        .map(([o, n]) => `${o} ${n}`)
        .join(', ');
      rows.push([
        `${basename(dirname(source))} ${name}`,
        kernel.threads,
        of.shared + kernel.dynamicShared,
        ...ARCHITECTURES.map((a) => kernel[a].registers),
        `${of.occupancy ?? '–'} / ${kernel.sm_90.occupancy ?? '–'} %`,
        opcodes,
      ]);
    }
  }
  const widths = rows[0].map((_, c) => Math.min(70, Math.max(...rows.map((row) => String(row[c]).length))));
  return rows
    .map((row) =>
      row
        .map((cell, c) => (c === 0 ? String(cell).slice(0, 70).padEnd(widths[c]) : String(cell).padStart(widths[c])))
        .join('  '),
    )
    .join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const table = inspectAll();
  if (process.argv.includes('--print')) console.log(printed(table));
  if (process.argv.includes('--write')) {
    mkdirSync(dirname(TABLE), { recursive: true });
    writeFileSync(TABLE, `${JSON.stringify({ nvcc: compiler(), kernels: table }, null, 1)}\n`);
    console.log(`${TABLE}: ${Object.values(table).reduce((n, kernels) => n + Object.keys(kernels).length, 0)} kernels`);
  } else if (!process.argv.includes('--print')) {
    const lines = differences(kept().kernels, table);
    for (const line of lines) console.log(line);
    console.log(
      lines.length === 0
        ? 'docs/cuda-kernels.json is up to date'
        : 'node scripts/cuda-static.mjs --write  takes it over',
    );
    process.exitCode = lines.length === 0 ? 0 : 1;
  }
}
