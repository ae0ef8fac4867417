/**
 * Builds the CUDA part as it is shipped, looks whether it is what was promised (every architecture, PTX, no runtime to be installed, its
 * size), and puts it into packages/cuda, from which `npm pack` makes flashbook-cuda.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MOST_BYTES = 100e6;
const MAGIC = Buffer.from([0x50, 0xed, 0x55, 0xba]); // of a fat binary
const PROMISED = ['sm_80', 'sm_86', 'sm_89', 'sm_90', 'sm_100', 'sm_120', 'PTX of compute_80'];
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));

/** Sections of a 64-bit ELF file, by name. */
function sectionsOf(file) {
  const [start, size, count, names] = [
    file.readBigUInt64LE(0x28),
    file.readUInt16LE(0x3a),
    file.readUInt16LE(0x3c),
    file.readUInt16LE(0x3e),
  ];
  const all = Array.from({ length: count }, (_, i) => {
    const at = Number(start) + i * size;
    const [offset, bytes] = [Number(file.readBigUInt64LE(at + 24)), Number(file.readBigUInt64LE(at + 32))];
    return { name: file.readUInt32LE(at), data: file.subarray(offset, offset + bytes) };
  });
  const text = all[names].data;
  return new Map(all.map(({ name, data }) => [text.toString('latin1', name, text.indexOf(0, name)), data]));
}

/** Device code of a fat binary and how often it is there: one entry a .cu file. What `cuobjdump --list-elf --list-ptx` would say. */
function deviceCode(fat) {
  const found = new Map();
  for (let at = fat.indexOf(MAGIC); at >= 0; at = fat.indexOf(MAGIC, at)) {
    let entry = at + fat.readUInt16LE(at + 6);
    const end = entry + Number(fat.readBigUInt64LE(at + 8));
    while (entry < end) {
      const [kind, architecture] = [fat.readUInt16LE(entry), fat.readUInt32LE(entry + 28)];
      const name = kind === 1 ? `PTX of compute_${architecture}` : `sm_${architecture}`;
      found.set(name, (found.get(name) ?? 0) + 1);
      entry += fat.readUInt32LE(entry + 4) + Number(fat.readBigUInt64LE(entry + 8));
    }
    at = end;
  }
  return found;
}

const { version } = read('package.json');
const own = read('packages/cuda/package.json');
if (own.version !== version || own.peerDependencies.flashbook !== version) {
  throw new Error(`packages/cuda/package.json: expected version and peer flashbook ${version}`);
}
const { status } = spawnSync(process.execPath, [join(root, 'scripts', 'build-cuda.mjs')], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);
const built = join(root, 'build', 'cuda', 'Release', 'flashbook_cuda.node');
if (!existsSync(built)) throw new Error('nothing was built: nvcc is not on the path');
const { size } = statSync(built);
if (size > MOST_BYTES) throw new Error(`${built} has ${size} bytes, more than ${MOST_BYTES}`);
const sections = sectionsOf(readFileSync(built));
const code = deviceCode(sections.get('.nv_fatbin'));
const sources = readdirSync(join(root, 'cuda'), { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.cu'));
for (const name of PROMISED) {
  if (code.get(name) !== sources.length)
    throw new Error(`${built}: expected ${name} of ${sources.length} files but found ${code.get(name) ?? 0}`);
}
if (sections.get('.dynstr').includes('cudart'))
  throw new Error(`${built} needs libcudart: expected it to be linked in`);
const folder = join(root, 'packages', 'cuda', 'linux-x64');
mkdirSync(folder, { recursive: true });
copyFileSync(built, join(folder, 'flashbook_cuda.node'));
console.log(
  `${join(folder, 'flashbook_cuda.node')}: ${(size / 1e6).toFixed(1)} MB, ${sources.length} files of kernels for ${[...code.keys()].join(', ')}`,
);
