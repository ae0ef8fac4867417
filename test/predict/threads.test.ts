import { afterAll, describe, expect, it } from 'vitest';
import { buildArtefact } from '../../src/export/artefact.js';
import { runtimeInfo, setThreads } from '../../src/native/index.js';
import { loadPredictor } from '../../src/predict/index.js';
import { artefactOptions, rawWindows } from '../export/price-predictor-artefact.js';

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
