import { afterEach, describe, expect, it, vi } from 'vitest';
import { measureLatency } from '../../src/monitor/latency.js';
import type { Predictor } from '../../src/predict/index.js';

afterEach(() => vi.restoreAllMocks());

const SIZE = 6;

/** A predictor that takes `wholeMs` on the clock, of which `runMs` inside its engine, and notes the windows that it saw. */
function fake(backend: 'native' | 'onnx', wholeMs: number, runMs: number, clock: { ms: number }) {
  const seen: number[] = [];
  const predictor = {
    backend,
    manifest: { input: { steps: 2, features: ['a', 'b', 'c'] } },
    predictSync(window: Float32Array) {
      expect(window).toHaveLength(SIZE);
      seen.push(window[0]);
      clock.ms += wholeMs;
      return { runNs: runMs * 1e6 };
    },
  } as unknown as Predictor;
  return { predictor, seen };
}

const windows = (n: number) => Float32Array.from({ length: n * SIZE }, (_, i) => Math.floor(i / SIZE));

describe('measureLatency', () => {
  it('times native predictions whole and ONNX Runtime inside its session, in turns, round robin', async () => {
    const clock = { ms: 0 };
    vi.spyOn(performance, 'now').mockImplementation(() => clock.ms);
    const [native, onnx] = [fake('native', 2, 1, clock), fake('onnx', 5, 3, clock)];
    const progress: [number, number][] = [];
    const [a, b] = await measureLatency([native.predictor, onnx.predictor], windows(3), {
      samples: 120,
      onProgress: (done, total) => progress.push([done, total]),
    });
    expect(a).toMatchObject({ count: 120, p50Ms: 2, p99Ms: 2, maxMs: 2 });
    expect(b).toMatchObject({ count: 120, p50Ms: 3, p99Ms: 3, maxMs: 3 });
    expect(progress.map(([done]) => done)).toEqual([100, 120]);
    expect(native.seen).toEqual(onnx.seen);
    for (const window of [0, 1, 2]) expect(native.seen.filter((w) => w === window).length).toBeGreaterThan(40);
  });

  it('takes a single sample and a single window', async () => {
    const clock = { ms: 0 };
    vi.spyOn(performance, 'now').mockImplementation(() => clock.ms);
    const { predictor } = fake('native', 4, 1, clock);
    expect((await measureLatency([predictor], windows(1), { samples: 1 }))[0]).toMatchObject({ count: 1, p50Ms: 4 });
    expect(await measureLatency([], windows(1), { samples: 1 })).toEqual([]);
  });

  it('refuses what it cannot measure', async () => {
    const { predictor } = fake('native', 1, 1, { ms: 0 });
    await expect(measureLatency([predictor], new Float32Array(5), { samples: 3 })).rejects.toThrow(
      /at least one window of 6/,
    );
    await expect(measureLatency([predictor], windows(1), { samples: 0 })).rejects.toThrow(/samples/);
    await expect(measureLatency([predictor], windows(1), { sample: 3 } as never)).rejects.toThrow(
      /did you mean 'samples'/,
    );
    const signal = AbortSignal.abort();
    await expect(measureLatency([predictor], windows(1), { samples: 3, signal })).rejects.toThrow(
      expect.objectContaining({ code: 'ABORTED' }),
    );
  });
});
