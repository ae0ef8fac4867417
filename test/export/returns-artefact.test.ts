/** Artefacts that keep what heads tell of returns: units, backends, batches, golden outputs, and those that keep none. */
import { describe, expect, test, vi } from 'vitest';
import { type ArtefactOptions, buildArtefact, inferenceGraph } from '../../src/export/artefact.js';
import { Artefact, encodeArtefact } from '../../src/export/artefact-file.js';
import { constants, Graph, interpret } from '../../src/graph/index.js';
import { Ensemble, ensembleParameters, PricePredictor } from '../../src/models/index.js';
import * as native from '../../src/native/index.js';
import { initialise, RETURN_QUANTILES, type ReturnForecast } from '../../src/nn/index.js';
import { loadPredictor } from '../../src/predict/load.js';
import { artefactOptions, rawWindows, SMALL } from './price-predictor-artefact.js';

vi.mock('../../src/native/index.js', async (original) => {
  const module = await original<typeof native>();
  return { ...module, nativeAvailable: vi.fn(module.nativeAvailable), nativeProblem: vi.fn(module.nativeProblem) };
});

const BACKENDS = native.nativeAvailable() ? (['native', 'onnx'] as const) : (['onnx'] as const);
const SCALES = [1.5e-4, 4e-4];
const Q = RETURN_QUANTILES.length;
const WINDOWS = 45;
const windows = rawWindows(WINDOWS, 12, 5, 4);

function single(regression: 'location' | 'quantiles'): ArtefactOptions {
  return artefactOptions({ ...SMALL, regression }, { returnScales: SCALES, golden: rawWindows(2, 12, 5, 9) });
}

function ensemble(): ArtefactOptions {
  const sizes = [SMALL, { ...SMALL, layers: 1, dModel: 16 }].map((size) => ({
    ...size,
    regression: 'quantiles' as const,
  }));
  const model = new Ensemble(
    sizes.map((size) => new PricePredictor(size)),
    [
      [0.4, 0.6],
      [0.9, 0.1],
    ],
  );
  const parameters = ensembleParameters(sizes.map((size, m) => initialise(new PricePredictor(size), m)));
  return artefactOptions(SMALL, { model, parameters, returnScales: SCALES });
}

/** The oracle: the model itself over scaled windows in float64, times the unit of each horizon. */
function returnsOf({ model, parameters, scaler }: ArtefactOptions): { location: number[]; quantiles: number[] } {
  const graph = new Graph();
  const told: ReturnForecast[] = [];
  model.forward(graph.input('x', [WINDOWS, 12, 5]), { returns: told });
  for (const [h, { location, quantiles }] of told.entries()) {
    graph.output(`location.${h}`, location);
    if (quantiles) graph.output(`quantiles.${h}`, quantiles);
  }
  const x = Float64Array.from(windows, (value, i) => (value - scaler.mean[i % 5]) * scaler.inverseStd[i % 5]);
  const state = Object.fromEntries([...constants(graph), ...parameters]);
  const { outputs } = interpret(graph, { inputs: { x }, state });
  const rows = (name: string, each: number) =>
    Array.from({ length: WINDOWS }, (_, w) =>
      SCALES.flatMap((scale, h) =>
        Array.from(outputs[`${name}.${h}`]?.data.slice(w * each, (w + 1) * each) ?? [], (value) => value * scale),
      ),
    ).flat();
  return { location: rows('location', 1), quantiles: rows('quantiles', Q) };
}

describe.each([
  ['one model with locations', single('location')],
  ['one model with quantiles', single('quantiles')],
  ['an ensemble with quantiles', ensemble()],
] as const)('%s', (_, options) => {
  test.each([
    ['f32', 1e-4],
    ['bf16', 0.1],
    ['int8', 0.2],
  ] as const)('tells returns in units of the return, in %s by every backend', async (precision, tolerance) => {
    const bytes = await buildArtefact({ ...options, precision });
    const { location, quantiles } = returnsOf(options);
    const known = quantiles.length > 0;
    const { manifest } = new Artefact(bytes, 'returns.fbk');
    expect(manifest.output.returns).toEqual({ scales: SCALES, ...(known && { quantiles: RETURN_QUANTILES }) });
    for (const backend of BACKENDS) {
      const predictor = await loadPredictor(bytes, { backend });
      for (const n of [1, 3, 8, 32, WINDOWS]) {
        const given = windows.slice(0, n * 60);
        const prediction = predictor.predictSync(given);
        const { returns } = prediction;
        expect(returns!.location).toHaveLength(2 * n);
        returns!.location.forEach((value, i) => {
          const error = Math.abs(value - location[i]) / SCALES[i % 2];
          expect(error, `${backend}, ${n} windows, location ${i}`).toBeLessThan(tolerance);
        });
        expect(returns!.quantiles?.length).toBe(known ? 2 * n * Q : undefined);
        returns!.quantiles?.forEach((value, i) => {
          const error = Math.abs(value - quantiles[i]) / SCALES[Math.floor(i / Q) % 2];
          expect(error, `${backend}, ${n} windows, quantile ${i}`).toBeLessThan(tolerance);
        });
        const again = await predictor.predict(given);
        expect(again.returns).toEqual(returns);
        expect(await predictor.predict(given, { out: again })).toBe(again);
        expect({ ...again, runNs: 0 }).toEqual({ ...prediction, runNs: 0 });
      }
      await predictor.dispose();
    }
  });

  test('logits are those of an artefact without returns, which tells none', async () => {
    const [kept, plain] = [options, { ...options, returnScales: undefined }].map(async (own) => {
      const predictor = await loadPredictor(await buildArtefact(own));
      const prediction = predictor.predictSync(windows);
      expect(() =>
        predictor.predictSync(windows, {
          out: { ...prediction, returns: own === options ? undefined : { location: new Float32Array(1) } },
        }),
      ).toThrow(/expected a prediction of 45 windows/);
      await predictor.dispose();
      return prediction;
    });
    expect((await plain).returns).toBeUndefined();
    expect((await plain).logits).toEqual((await kept).logits);
  });
});

test('the ONNX form has a named output for each, in its own words', async () => {
  const { graph } = inferenceGraph(single('quantiles'), 1);
  expect([...graph.outputs].map(([name, { shape }]) => [name, shape])).toEqual([
    ['logits', [1, 6]],
    ['location', [1, 2]],
    ['quantiles', [1, 10]],
  ]);
});

test('golden returns are checked when loading, in their unit', async () => {
  const bytes = await buildArtefact(single('quantiles'));
  const artefact = new Artefact(bytes, 'returns.fbk');
  const golden = artefact.golden();
  const wrong = golden.outputs.get('quantiles')!.slice();
  wrong[2 * Q + 1] += 3e-4 * SCALES[0]; // of window 1; far below the tolerance of a logit
  const parts = {
    manifest: artefact.manifest,
    plans: artefact.plans(),
    weights: artefact.weights(),
    onnx: artefact.onnx,
  };
  const changed = encodeArtefact({
    ...parts,
    golden: { ...golden, outputs: new Map([...golden.outputs, ['quantiles', wrong]]) },
  });
  for (const backend of BACKENDS) {
    await expect(loadPredictor(changed, { backend })).rejects.toMatchObject({
      code: 'ARTEFACT',
      message: expect.stringMatching(/golden window 1, horizon 0, quantile 1: expected quantile of the return/),
    });
  }
});

test('without the native core ONNX Runtime tells the same', async () => {
  const bytes = await buildArtefact(single('quantiles'));
  const first = await loadPredictor(bytes);
  const wanted = first.predictSync(windows).returns!;
  await first.dispose();
  vi.mocked(native.nativeAvailable).mockReturnValue(false);
  vi.mocked(native.nativeProblem).mockReturnValue('no binary for plan9-mips');
  const predictor = await loadPredictor(bytes);
  vi.mocked(native.nativeAvailable).mockReset();
  expect(predictor.backend).toBe('onnx');
  const { location, quantiles } = predictor.predictSync(windows).returns!;
  location.forEach((value, i) => void expect(Math.abs(value - wanted.location[i])).toBeLessThan(1e-4 * SCALES[i % 2]));
  expect(quantiles).toHaveLength(wanted.quantiles!.length);
  await predictor.dispose();
});

test('what does not fit is said', async () => {
  const plain = artefactOptions(SMALL);
  await expect(buildArtefact({ ...plain, returnScales: SCALES })).rejects.toThrow(
    /regression 'location' or 'quantiles'/,
  );
  const told = single('location');
  await expect(buildArtefact({ ...told, returnScales: [1] })).rejects.toThrow(/2 numbers, one a horizon/);
  await expect(buildArtefact({ ...told, returnScales: [1, 0] })).rejects.toThrow(/returnScales/);
  await expect(buildArtefact({ ...told, returnScale: SCALES } as never)).rejects.toThrow(/did you mean 'returnScales'/);
});
