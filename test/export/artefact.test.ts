import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type ArtefactOptions, buildArtefact, inferenceGraph, writeArtefact } from '../../src/export/artefact.js';
import { Artefact } from '../../src/export/artefact-file.js';
import { decodeModel } from '../../src/export/onnx/schema.js';
import { interpret } from '../../src/graph/index.js';
import { nativeAvailable, runtimeInfo } from '../../src/native/index.js';
import { loadPredictor } from '../../src/predict/load.js';
import type { Predictor } from '../../src/predict/predictor.js';
import { artefactOptions, rawWindows, SMALL } from './price-predictor-artefact.js';

/** The float64 logits of raw windows, (n, horizons·classes). */
function oracle(options: ArtefactOptions, windows: Float32Array): Float64Array {
  const { steps, features } = options.model.options;
  const { graph, state } = inferenceGraph(options, windows.length / steps / features);
  return interpret(graph, { inputs: { features: windows }, state: Object.fromEntries(state) }).outputs.logits.data;
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

const BACKENDS = nativeAvailable() ? (['native', 'onnx'] as const) : (['onnx'] as const);

const STATIC = { activations: 'static', calibration: rawWindows(64, 12, 5, 21) } as const;

describe.each([
  { precision: 'f32' },
  { precision: 'bf16' },
  { precision: 'int8' },
  { precision: 'int8', quantise: STATIC },
] as const)('a small model in $precision $quantise.activations', (form) => {
  const { precision } = form;
  const options = artefactOptions(SMALL, { ...form, golden: rawWindows(2, 12, 5, 9) });
  const windows = rawWindows(50, 12, 5, 4);
  let bytes: Uint8Array;
  beforeAll(async () => {
    bytes = await buildArtefact(options);
  });

  test('says what it holds', async () => {
    const artefact = new Artefact(bytes, 'small.fbk');
    expect(artefact.manifest).toMatchObject({
      precision,
      model: { kind: 'PricePredictor', options: { steps: 12, features: 5, dModel: 32 } },
      input: { name: 'features', steps: 12, features: ['feature0', 'feature1', 'feature2', 'feature3', 'feature4'] },
      output: { name: 'logits', horizons: [10, 50], classes: ['down', 'flat', 'up'] },
      featureSet: [{ name: 'mid', params: {} }],
      label: { base: 'mid' },
      scaler: { clip: 10 },
      batches: [1, 8, 32],
      card: { name: 'test model', seed: 3, metrics: { accuracy: 0.5 } },
    });
    const activations = 'quantise' in form ? 'static' : precision === 'int8' ? 'dynamic' : undefined;
    expect(artefact.manifest.activations).toBe(activations);
    expect(artefact.manifest.producer).toMatch(/^flashbook \d+\.\d+\.\d+/);
    expect(artefact.manifest.model.parameters).toBe(
      options.model.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    );
    const weights = artefact.weights();
    const int8 = [...weights].filter(([, { dtype }]) => dtype === 'I8').map(([name]) => name);
    expect(int8.includes('encoder.0.attention.qkv.weight.int8')).toBe(precision === 'int8');
    expect(int8.length > 8).toBe(precision === 'int8');
    expect(weights.get('scaler.mean')!.data).toEqual(options.scaler.mean);
  });

  test('is the same to the byte when built again', async () => {
    expect(await buildArtefact(options)).toEqual(bytes);
  });

  test.each(BACKENDS)('%s meets the float64 oracle, with any number of windows', async (backend) => {
    const predictor = await loadPredictor(bytes, { backend });
    const expected = oracle(options, windows);
    const tolerance = precision === 'f32' ? 1e-5 : 5e-2;
    for (const n of [1, 3, 7, 8, 50]) {
      const { logits } = await predictor.predict(windows.subarray(0, n * 60));
      expect(largestDifference(logits, expected.subarray(0, n * 6)), `${n} windows`).toBeLessThan(tolerance);
    }
    await predictor.dispose();
  });

  test.runIf(nativeAvailable())('native agrees on every instruction set, and for each window alone', async () => {
    const expected = oracle(options, windows.subarray(0, 180));
    for (const isa of runtimeInfo().available) {
      const predictor = await loadPredictor(bytes, { backend: 'native', isa });
      const together = predictor.predictSync(windows.subarray(0, 180)).logits;
      const tolerance = precision === 'f32' ? 1e-5 : 5e-2;
      expect(largestDifference(together, expected), isa).toBeLessThan(tolerance);
      for (let n = 0; n < 3; n++) {
        const alone = predictor.predictSync(windows.subarray(n * 60, (n + 1) * 60)).logits;
        expect(alone, isa).toEqual(together.slice(n * 6, (n + 1) * 6));
      }
      await predictor.dispose();
    }
  });

  test('the ONNX file is standard: opset 17, no other domain, a free batch, documented', () => {
    const model = decodeModel(new Artefact(bytes, 'small.fbk').onnx);
    expect(model.opsetImport).toEqual([{ domain: '', version: 17 }]);
    expect(model.irVersion).toBe(8);
    const types = new Set(model.graph.node.map(({ opType }) => opType));
    expect(types.has('MatMulInteger')).toBe(precision === 'int8');
    expect(model.graph.input[0].type.tensorType.shape.dim).toMatchObject([
      { dimParam: 'batch' },
      { dimValue: 12 },
      { dimValue: 5 },
    ]);
    expect(model.graph.output[0].type.tensorType.shape.dim).toMatchObject([{ dimParam: 'batch' }, { dimValue: 6 }]);
    expect(model.graph.input[0].docString).toMatch(/feature0, feature1/);
    expect(model.graph.output[0].docString).toMatch(/horizons 10, 50 the logits of down, flat, up/);
    const properties = Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value]));
    expect(JSON.parse(properties.card).dataSource).toBe('synthetic, seed 1');
    expect(properties.precision).toBe(precision);
  });

  test('a flipped byte is found, wherever it is', () => {
    for (let i = 0; i < bytes.length; i += i < 4096 ? 1 : 997) {
      const broken = bytes.slice();
      broken[i] ^= 1 << (i % 8);
      expect(() => new Artefact(broken, 'small.fbk'), `byte ${i}`).toThrow(
        expect.objectContaining({ code: 'ARTEFACT' }),
      );
    }
  });
});

describe('the price predictor of 1,022,601 parameters', () => {
  const bytes = {} as Record<'f32' | 'int8', Uint8Array>;
  const windows = rawWindows(24, 100, 6, 12);
  beforeAll(async () => {
    for (const precision of ['f32', 'int8'] as const)
      bytes[precision] = await buildArtefact(artefactOptions({}, { precision }));
  });

  test('has that many, and INT8 takes at most 30 % of the bytes', () => {
    expect(new Artefact(bytes.f32, 'full.fbk').manifest.model.parameters).toBe(1_022_601);
    expect(bytes.int8.length / bytes.f32.length).toBeLessThan(0.3);
  });

  test.runIf(nativeAvailable()).each([
    ['f32', 1e-5, 1e-5],
    ['int8', 1e-5, 5e-2], // a float32 sum next to a rounding boundary changes a window, but few windows have one
  ] as const)('native and ONNX Runtime agree: %s to %d in most windows, to %d in all', async (precision, most, all) => {
    const predictors: Predictor[] = [];
    for (const backend of BACKENDS) predictors.push(await loadPredictor(bytes[precision], { backend }));
    const [native, onnx] = predictors.map((predictor) => predictor.predictSync(windows).logits);
    const differences = Array.from({ length: 24 }, (_, n) =>
      largestDifference(native.subarray(n * 9, (n + 1) * 9), onnx.subarray(n * 9, (n + 1) * 9)),
    ).sort((a, b) => a - b);
    expect(differences[12]).toBeLessThan(most);
    expect(differences[23]).toBeLessThan(all);
    for (const predictor of predictors) await predictor.dispose();
  });

  test('INT8 stays near float32', async () => {
    const predict = async (precision: 'f32' | 'int8') => {
      const predictor = await loadPredictor(bytes[precision]);
      const { logits } = predictor.predictSync(windows);
      await predictor.dispose();
      return logits;
    };
    expect(largestDifference(await predict('int8'), await predict('f32'))).toBeLessThan(0.05);
  });
});

describe('buildArtefact refuses', () => {
  const options = artefactOptions(SMALL);
  const without = (name: string) => new Map([...options.parameters].filter(([key]) => key !== name));
  const cases: [string, Partial<ArtefactOptions> & Record<string, unknown>, string, RegExp][] = [
    ['a misspelt option', { precison: 'int8' }, 'OPTION', /did you mean 'precision'/],
    ['an unknown precision', { precision: 'int4' as 'int8' }, 'OPTION', /one of 'f32', 'bf16', 'int8' for precision/],
    ['a missing parameter', { parameters: without('norm.weight') }, 'SHAPE', /parameter 'norm.weight' is missing/],
    [
      'a foreign parameter',
      { parameters: new Map([...options.parameters, ['extra', new Float32Array(1)]]) },
      'SHAPE',
      /no parameter 'extra'/,
    ],
    [
      'a parameter of another size',
      { parameters: new Map([...options.parameters, ['norm.weight', new Float32Array(3)]]) },
      'SHAPE',
      /Float32Array\(32\) of shape \(32\) for parameter 'norm.weight'/,
    ],
    [
      'NaN in a parameter',
      { parameters: new Map([...options.parameters, ['norm.weight', new Float32Array(32).fill(Number.NaN)]]) },
      'NUMERIC',
      /parameter 'norm.weight': element 0 is NaN/,
    ],
    ['too few feature names', { featureNames: ['mid'] }, 'SHAPE', /5 names/],
    ['other horizons than the model has', { horizons: [10] }, 'SHAPE', /1 horizons × 3 classes but it gives/],
    ['other classes than the model has', { classes: ['down', 'up'] }, 'SHAPE', /2 classes but it gives/],
    ['a horizon twice without names', { horizons: [10, 10] }, 'OPTION', /outputNames/],
    ['two outputs of one name', { outputNames: ['A', 'A'] }, 'OPTION', /2 distinct names/],
    ['too few names of outputs', { outputNames: ['A'] }, 'OPTION', /2 distinct names/],
    ['a class twice', { classes: ['up', 'up', 'flat'] }, 'OPTION', /distinct names/],
    [
      'a scaler of another width',
      { scaler: { mean: new Float32Array(4), inverseStd: new Float32Array(5) } },
      'SHAPE',
      /scaler.mean/,
    ],
    ['half a golden window', { golden: new Float32Array(30) }, 'SHAPE', /windows of 60 values/],
    [
      'NaN in a golden window',
      { golden: new Float32Array(60).fill(Number.NaN) },
      'NUMERIC',
      /golden windows: element 0 is NaN/,
    ],
    ['a batch of 0', { batches: [0, 1] }, 'OPTION', /batches/],
    ['a card without a date', { card: { ...options.card, createdAt: 'yesterday' } }, 'OPTION', /card\.createdAt/],
    ['a label that is not JSON', { label: { threshold: 1n } }, 'OPTION', /label/],
  ];
  test.each(cases)('%s', async (_, change, code, message) => {
    await expect(buildArtefact({ ...options, ...change })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});

describe('writeArtefact', () => {
  test('writes the whole file, or nothing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'flashbook-artefact-'));
    const options = artefactOptions(SMALL);
    const path = join(folder, 'model.fbk');
    expect(await writeArtefact(path, options)).toBe((await readFile(path)).length);
    const predictor = await loadPredictor(path);
    await predictor.dispose();
    await expect(writeArtefact(join(folder, 'missing', 'model.fbk'), options)).rejects.toMatchObject({ code: 'FILE' });
    await expect(writeArtefact(join(folder, 'bad.fbk'), { ...options, classes: [] })).rejects.toMatchObject({
      code: 'OPTION',
    });
    expect(await readdir(folder)).toEqual(['model.fbk']);
    await rm(folder, { recursive: true });
  });
});
