/** Builds the CUDA part as it is shipped and puts it into packages/cuda, from which `npm pack` makes flashbook-cuda. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MOST_BYTES = 100e6;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));

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
const folder = join(root, 'packages', 'cuda', 'linux-x64');
mkdirSync(folder, { recursive: true });
copyFileSync(built, join(folder, 'flashbook_cuda.node'));
console.log(`${join(folder, 'flashbook_cuda.node')}: ${(size / 1e6).toFixed(1)} MB`);
