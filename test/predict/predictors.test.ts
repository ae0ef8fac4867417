import { MessageChannel } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nativeAvailable } from '../../src/native/index.js';
import { loadPredictor } from '../../src/predict/load.js';
import type { Prediction, Predictor } from '../../src/predict/predictor.js';
import { tinyArtefact, windows } from './tiny-artefact.js';

/** Both predictors of the same model, held to the same behaviour. */
describe.each(['native', 'onnx'] as const)('the %s predictor', (backend) => {
  let predictor: Predictor;
  beforeAll(async () => {
    if (backend === 'native' && !nativeAvailable()) return;
    predictor = await loadPredictor(tinyArtefact(), { backend });
  });
  afterAll(() => predictor?.dispose());

  test('says what it is', () => {
    expect(predictor.backend).toBe(backend);
    expect(predictor.reason).toBe('asked for');
    expect(predictor.threads).toBeGreaterThan(0);
    expect(predictor.manifest.card.name).toBe('half');
  });

  test.each([1, 2, 3, 4, 7, 8, 9, 31, 32, 33, 100])('predicts %i windows, both ways', async (n) => {
    const features = windows(n);
    const expected = features.map((value) => value / 2);
    for (const prediction of [predictor.predictSync(features), await predictor.predict(features)]) {
      expect(prediction.logits).toEqual(expected);
      expect(prediction).toMatchObject({ windows: n, horizons: 2, classes: 3 });
      expect(prediction.runNs).toBeGreaterThan(0);
      checkProbabilities(prediction);
    }
  });

  test('many asynchronous predictions at once, with synchronous ones between', async () => {
    const sizes = [5, 1, 40, 3, 12, 8, 70];
    const running = sizes.map((n, i) => predictor.predict(windows(n + i)));
    const between = predictor.predictSync(windows(6));
    expect(between.logits).toEqual(windows(6).map((value) => value / 2));
    const predictions = await Promise.all(running);
    predictions.forEach((prediction, i) => {
      expect(prediction.logits).toEqual(windows(sizes[i] + i).map((value) => value / 2));
    });
  });

  test('the caller may overwrite its windows as soon as predict returns', async () => {
    for (const n of [1, 3, 40]) {
      const features = windows(n);
      const running = predictor.predict(features);
      features.fill(Number.NaN);
      expect((await running).logits).toEqual(windows(n).map((value) => value / 2));
    }
  });

  test('writes into a given prediction, and refuses one of another size', async () => {
    const out = predictor.predictSync(windows(3));
    const { logits } = out;
    const other = windows(3).reverse();
    expect(predictor.predictSync(other, { out })).toBe(out);
    expect(out.logits).toBe(logits);
    expect(logits).toEqual(other.map((value) => value / 2));
    expect(await predictor.predict(windows(3), { out })).toBe(out);
    expect(logits).toEqual(windows(3).map((value) => value / 2));
    expect(() => predictor.predictSync(windows(4), { out })).toThrow(
      /prediction of 4 windows .* received one of 3 windows/,
    );
  });

  describe('refuses', () => {
    const shared = new Float32Array(new SharedArrayBuffer(24));
    const ResizableBuffer = ArrayBuffer as new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
    const resizable = new Float32Array(new ResizableBuffer(24, { maxByteLength: 48 }));
    const detached = new Float32Array(6);
    new MessageChannel().port1.postMessage(null, [detached.buffer]);
    const cases: [string, unknown, string, RegExp][] = [
      [
        'no array',
        undefined,
        'SHAPE',
        /expected a Float32Array of n × 2 steps × 3 features for features but received undefined/,
      ],
      ['plain numbers', [1, 2, 3, 4, 5, 6], 'SHAPE', /received \[1, 2/],
      ['float64', new Float64Array(6), 'SHAPE', /received Float64Array\(6\)/],
      ['no windows', new Float32Array(0), 'SHAPE', /positive multiple of 6 values, but received Float32Array\(0\)/],
      ['half a window', new Float32Array(9), 'SHAPE', /positive multiple of 6 values, but received Float32Array\(9\)/],
      ['detached memory', detached, 'SHAPE', /is detached/],
      ['shared memory', shared, 'SHAPE', /shared memory/],
      ['resizable memory', resizable, 'SHAPE', /resizable/],
    ];
    test.each(cases)('%s', async (_, features, code, message) => {
      const array = features as Float32Array;
      expect(() => predictor.predictSync(array)).toThrow(expect.objectContaining({ code }));
      expect(() => predictor.predictSync(array)).toThrow(message);
      await expect(predictor.predict(array)).rejects.toMatchObject({ code });
    });

    test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
      '%d, naming its place',
      async (value) => {
        const features = windows(3);
        features[2 * 6 + 1 * 3 + 2] = value;
        const place = { code: 'NUMERIC', details: { window: 2, step: 1, feature: 'imbalance', value } };
        expect(() => predictor.predictSync(features)).toThrow(expect.objectContaining(place));
        await expect(predictor.predict(features)).rejects.toMatchObject(place);
        expect(() => predictor.predictSync(features)).toThrow(/window 2, step 1, feature 2 \('imbalance'\)/);
      },
    );
  });

  test('a misspelt option is refused, with the right name', async () => {
    const options = { sygnal: AbortSignal.abort() } as never;
    await expect(predictor.predict(windows(1), options)).rejects.toThrow(/no option 'sygnal'; did you mean 'signal'/);
    expect(() => predictor.predictSync(windows(1), { into: undefined } as never)).toThrow(/known options are out/);
  });

  test('an aborted signal refuses the prediction, before and during', async () => {
    await expect(predictor.predict(windows(1), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    const controller = new AbortController();
    const running = predictor.predict(windows(200), { signal: controller.signal });
    controller.abort();
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
    expect((await predictor.predict(windows(1))).windows).toBe(1);
  });

  test('after dispose everything is refused, and dispose may be repeated', async () => {
    const disposed = await loadPredictor(tinyArtefact(), { backend });
    const running = disposed.predict(windows(100));
    const ending = disposed.dispose();
    await expect(running).rejects.toMatchObject({ code: 'DISPOSED' });
    await ending;
    await disposed.dispose();
    disposed[Symbol.dispose]();
    expect(() => disposed.predictSync(windows(1))).toThrow(/disposed/);
    await expect(disposed.predict(windows(1))).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});

function checkProbabilities({ logits, probabilities, best, classes }: Prediction): void {
  for (let row = 0; row < best.length; row++) {
    const z = logits.subarray(row * classes, (row + 1) * classes);
    const p = probabilities.subarray(row * classes, (row + 1) * classes);
    const sum = z.reduce((total, value) => total + Math.exp(value), 0);
    p.forEach((value, c) => {
      expect(value).toBeCloseTo(Math.exp(z[c]) / sum, 6);
    });
    expect(best[row]).toBe(z.indexOf(Math.max(...z)));
  }
}
