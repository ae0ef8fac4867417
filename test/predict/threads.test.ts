import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildArtefact } from '../../src/export/artefact.js';
import { runtimeInfo, setThreads } from '../../src/native/index.js';
import { loadPredictor } from '../../src/predict/index.js';
import { artefactOptions, rawWindows } from '../export/price-predictor-artefact.js';
import type { TwoWorkersAnswer } from './two-workers.js';

const { threads } = runtimeInfo();
afterAll(() => setThreads(threads));

/** Large enough that its plan calls idle threads to help. */
const artefact = await buildArtefact(artefactOptions({ layers: 2 }, { batches: [1] }));
const window = rawWindows(1, 100, 6, 3);

describe('threads of a prediction', () => {
  it('change no bit, and neither does another prediction that runs at the same time', async () => {
    const alone = (await loadPredictor(artefact, { backend: 'native', threads: 1 })).predictSync(window).logits;
    await using first = wrap(await loadPredictor(artefact, { backend: 'native', threads: 2 }));
    await using second = wrap(await loadPredictor(artefact, { backend: 'native', threads: 2 }));
    for (let round = 0; round < 20; round++) {
      const running = first.predictor.predict(window); // on a thread of its own
      const { logits } = second.predictor.predictSync(window);
      expect(logits).toEqual(alone);
      expect((await running).logits).toEqual(alone);
    }
  });

  it('do not fight where two worker threads predict at the same time', () => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--import', join(import.meta.dirname, '../typescript-hooks.mjs'), join(import.meta.dirname, 'two-workers.ts')],
      { encoding: 'utf8', timeout: 200_000 }, // seconds on a free machine; where six others run, most of a minute
    );
    expect([status, stderr]).toEqual([0, '']);
    const { one, two, same } = JSON.parse(stdout) as TwoWorkersAnswer;
    expect(same).toBe(true);
    // Both have a core each then, with a pool of one thread and of two: helpers that spin beside them would take as much processor time
    // again. Processor time, and the least of rounds, so that a busy machine changes little.
    expect(Math.min(...two)).toBeLessThan(1.6 * Math.min(...one));
  }, 220_000);

  it.each(['f32', 'bf16', 'int8'] as const)(
    'change no bit where each takes rows through several steps, %s',
    async (precision) => {
      const batches = await buildArtefact(artefactOptions({ layers: 2 }, { batches: [1, 3], precision }));
      for (const windows of [1, 3]) {
        const inputs = rawWindows(windows, 100, 6, 3);
        const logits: Float32Array[] = [];
        for (const count of [1, 2, 3, 5, 40]) {
          await using held = wrap(await loadPredictor(batches, { backend: 'native', threads: count }));
          for (let run = 0; run < 3; run++) logits.push(held.predictor.predictSync(inputs).logits);
        }
        for (const other of logits) expect(other, `${windows} windows`).toEqual(logits[0]);
      }
    },
  );

  it.each([
    { name: 'f32', precision: 'f32' },
    { name: 'int8', precision: 'int8' },
    {
      name: 'int8 static',
      precision: 'int8',
      quantise: { activations: 'static', calibration: rawWindows(4, 100, 6, 8) },
    },
  ] as const)(
    'change no bit where more rows than the cache holds go through several steps in blocks, $name',
    async ({ name, ...form }) => {
      const count = 40; // 4000 rows of some kilobytes
      const bytes = await buildArtefact(artefactOptions({ layers: 2 }, { batches: [1, count], ...form }));
      const inputs = rawWindows(count, 100, 6, 3);
      const length = inputs.length / count;
      for (const threads of [1, 2]) {
        await using held = wrap(await loadPredictor(bytes, { backend: 'native', threads }));
        const together = held.predictor.predictSync(inputs).logits.slice();
        for (const n of [0, 1, 13, 26, count - 1]) {
          const alone = held.predictor.predictSync(inputs.subarray(n * length, (n + 1) * length)).logits;
          expect(alone, `${name}, window ${n}, ${threads} threads`).toEqual(together.slice(9 * n, 9 * n + 9));
        }
      }
    },
    60_000,
  );

  it('sleep when there is nothing to predict', async () => {
    await using held = wrap(await loadPredictor(artefact, { backend: 'native', threads: 2 }));
    for (let i = 0; i < 20; i++) held.predictor.predictSync(window);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(100); // a thread that spins would take 300
  });
});

function wrap(predictor: Awaited<ReturnType<typeof loadPredictor>>) {
  return { predictor, [Symbol.asyncDispose]: () => predictor.dispose() };
}
