// The machine's peak in fused multiply-adds alone, what kernels are measured against: compiles fma-peak.cc and runs it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * GFLOP/s of float32 on `threads` threads.
 * @param {number} threads
 */
export function measurePeak(threads) {
  const folder = mkdtempSync(join(tmpdir(), 'fma-peak-'));
  try {
    const program = join(folder, 'fma-peak');
    const source = fileURLToPath(new URL('./fma-peak.cc', import.meta.url));
    execFileSync('c++', ['-O3', '-march=native', '-std=c++20', '-pthread', source, '-o', program]);
    return Number(execFileSync(program, [String(threads)], { encoding: 'utf8' }).split(' ')[1]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
