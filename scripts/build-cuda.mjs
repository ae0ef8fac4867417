/**
 * Builds the CUDA part with CMake: build/cuda/Release/flashbook_cuda.node, or with --flavour ptx the one for the tests,
 * build/cuda-ptx/Release/flashbook_cuda.node. Without nvcc it says so and is done.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const flavour = process.argv.includes('--flavour') ? process.argv[process.argv.indexOf('--flavour') + 1] : 'shipped';
const folder = join(root, 'build', flavour === 'ptx' ? 'cuda-ptx' : 'cuda');

function cmake(...args) {
  const { status, error } = spawnSync('cmake', args, { stdio: 'inherit', cwd: root });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

cmake('-S', 'cuda', '-B', folder, `-DFLASHBOOK_CUDA_FLAVOUR=${flavour}`);
cmake('--build', folder, '--parallel', '2');
