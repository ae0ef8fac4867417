import type { BenchResults, BenchRow } from '../../src/bench/index.js';

/** Results of one case, with the changes that a test is about. */
export function exampleResults(
  {
    medianMs = 1,
    minMs = medianMs,
    noise = 0.01,
    peak = 100,
  }: { medianMs?: number; minMs?: number; noise?: number; peak?: number } = {},
  change: Partial<BenchResults> = {},
): BenchResults {
  return {
    version: 1,
    flashbook: '0.0.0',
    cpu: 'a processor',
    isa: 'avx2',
    node: '20.0.0',
    onnxRuntime: null,
    quick: false,
    peaks: [
      { threads: 1, f32: peak, bf16: null, int8: 200, memoryRead: 10, memoryTriad: 10, cacheRead: 50, cacheTriad: 50 },
    ],
    rows: [exampleRow({ medianMs, minMs, noise })],
    headlines: [],
    ...change,
  };
}

export function exampleRow({ medianMs, minMs, noise }: { medianMs: number; minMs: number; noise: number }): BenchRow {
  const fast = {
    role: 'fast' as const,
    name: 'flashbook',
    samples: 100,
    minMs,
    medianMs,
    p99Ms: 1.2 * medianMs,
    noise,
    quiet: 1,
    rate: 50,
    ofPeak: 0.5,
    itemsPerSecond: null,
    ratio: 1,
  };
  return {
    id: 'gemm/f32 8 × 8 × 8, 1 thread',
    suite: 'gemm',
    name: 'f32 8 × 8 × 8',
    threads: 1,
    bound: 'f32',
    operations: 1024,
    bytes: 768,
    times: [fast, { ...fast, role: 'rival', name: 'ONNX Runtime', medianMs: 2.5 * medianMs, ratio: 2.5 }],
    failures: [],
  };
}
