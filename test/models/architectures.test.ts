/** What every architecture must do: one table of models, one list of checks. */
import { describe, expect, test } from 'vitest';
import { foldState, quantiseLinear } from '../../src/compress/index.js';
import { buildArtefact } from '../../src/export/index.js';
import { autocast, differentiate, Graph, interpret, softmaxCrossEntropy, type Tensor } from '../../src/graph/index.js';
import { nativeAvailable, runtimeInfo, setThreads } from '../../src/native/index.js';
import { initialise } from '../../src/nn/index.js';
import { loadPredictor } from '../../src/predict/index.js';
import { train } from '../../src/train/index.js';
import { runNative } from '../graph/run-native.js';
import { ARCHITECTURES, type ArchitectureCase, normalValues } from './table.js';

const BATCH = 3;
const RNG = [5, 6, 7, 0];
type Model = ReturnType<ArchitectureCase['build']>;

function inputShape(model: Model, batch = BATCH): [number, number, number] {
  return [batch, model.options.steps, model.options.features];
}

function windowsOf(model: Model, batch: number, seed: number): Float32Array {
  return normalValues(
    inputShape(model, batch).reduce((a, b) => a * b, 1),
    seed,
  );
}

/** Parameters moved off their start, so that no norm is 1 and no bias 0. */
function weightsOf(model: Model): Map<string, Float32Array> {
  const values = initialise(model, 11);
  for (const [name, array] of values) {
    const moved = normalValues(array.length, name.length);
    if (!name.endsWith('Variance')) for (let i = 0; i < array.length; i++) array[i] += 0.05 * moved[i];
  }
  return values;
}

function predictionGraph(model: Model): Graph {
  const graph = new Graph();
  const logits = model.forward(graph.input('x', inputShape(model)));
  for (const [h, tensor] of logits.entries()) graph.output(`logits.${h}`, tensor);
  return graph;
}

/** Loss over both horizons, and with `gradients` an update of `grad/…` a parameter. */
function lossGraph(model: Model, { gradients }: { gradients: boolean }): Graph {
  const graph = new Graph();
  const rng = graph.input('rng', [4], 'u32');
  const losses = model.forward(graph.input('x', inputShape(model)), { rng }).map((logits, h): Tensor => {
    return softmaxCrossEntropy(logits, graph.input(`target.${h}`, [BATCH], 'i32'), { smoothing: 0.1 }).loss;
  });
  const loss = losses.reduce((a, b) => a.add(b));
  graph.output('loss', loss);
  if (!gradients) return graph;
  for (const [name, gradient] of differentiate(graph, loss)) {
    graph.state(`grad/${name}`, gradient.shape);
    graph.update(`grad/${name}`, gradient);
  }
  return graph;
}

const targets = { 'target.0': [0, 2, 1], 'target.1': [1, -1, 0] };

describe.each(ARCHITECTURES.map((row) => [row.name, row] as const))(
  '%s',
  (_, { build, quantised, ownLoss = 0, rounded }) => {
    const model = build();
    const weights = weightsOf(model);
    const state = Object.fromEntries(weights);
    const x = windowsOf(model, BATCH, 1);
    const inputs = { x, rng: RNG, ...targets };

    test('lists the parameters and buffers that its graphs declare, and no others', () => {
      for (const graph of [predictionGraph(model), lossGraph(model, { gradients: false })]) {
        const declared = [...graph.states].filter(([, { value }]) => value === undefined);
        expect(new Map(declared.map(([name, { tensor }]) => [name, tensor.shape]))).toEqual(
          new Map(model.parameters().map(({ name, shape }) => [name, shape])),
        );
        const trainable = declared.filter(([, entry]) => entry.trainable).map(([name]) => name);
        expect(trainable.sort()).toEqual(
          model
            .parameters()
            .filter((parameter) => parameter.trainable)
            .map(({ name }) => name)
            .sort(),
        );
      }
    });

    test('gradients agree with central differences in float64', () => {
      const graph = lossGraph(model, { gradients: true });
      const { updates } = interpret(graph, { inputs, state });
      const plain = lossGraph(model, { gradients: false });
      const wide = Object.fromEntries([...weights].map(([name, array]) => [name, Float64Array.from(array)]));
      const lossWith = (name: string, index: number, delta: number) => {
        const array = Float64Array.from(wide[name]);
        array[index] += delta;
        return interpret(plain, { inputs, state: { ...wide, [name]: array } }).outputs.loss.data[0];
      };
      const learnt = model.parameters().filter(({ trainable }) => trainable);
      expect(Object.keys(updates).filter((name) => name.startsWith('grad/'))).toHaveLength(learnt.length);
      for (const [k, { name }] of learnt.entries()) {
        const index = (k * 7919) % weights.get(name)!.length;
        const numeric = (lossWith(name, index, 1e-5) - lossWith(name, index, -1e-5)) / 2e-5;
        const analytic = updates[`grad/${name}`].data[index];
        expect(Math.abs(analytic - numeric), `${name}[${index}]: ${analytic}, ${numeric}`).toBeLessThan(
          1e-6 * (1 + Math.abs(numeric)),
        );
      }
    }, 60_000);

    test.skipIf(!nativeAvailable())('the native engine gives loss, gradients and logits of the interpreter', () => {
      const graph = lossGraph(model, { gradients: true });
      const expected = interpret(graph, { inputs, state });
      const { outputs, updates } = runNative(graph, { inputs, state });
      expect(outputs.loss[0]).toBeCloseTo(expected.outputs.loss.data[0], 5);
      for (const [name, { data }] of Object.entries(expected.updates)) {
        expect(relativeError(updates[name], data), name).toBeLessThan(1e-4);
      }
      const prediction = predictionGraph(model);
      const wanted = interpret(prediction, { inputs: { x }, state }).outputs;
      const given = runNative(prediction, { inputs: { x }, state }).outputs;
      for (const name of Object.keys(wanted)) expect(relativeError(given[name], wanted[name].data)).toBeLessThan(1e-5);
    });

    test.skipIf(!nativeAvailable())(
      'in bf16 the native engine is at most twice as far from float32 as the reference that rounds',
      () => {
        const plain = predictionGraph(model);
        const cast = autocast(plain);
        const products = cast.nodes
          .filter(({ attrs }) => attrs.precision === 'bf16')
          .map(({ operation }) => operation.name);
        expect(new Set(products)).toEqual(new Set(rounded));
        if (rounded.length === 0) return;
        const all = (outputs: Record<string, ArrayLike<number> | { data: ArrayLike<number> }>) =>
          Object.values(outputs).flatMap((output) => Array.from('data' in output ? output.data : output));
        const [exact, wanted] = [plain, cast].map((graph) => all(interpret(graph, { inputs: { x }, state }).outputs));
        const given = all(runNative(cast, { inputs: { x }, state }).outputs);
        const apart = relativeError(wanted, exact);
        expect(apart).toBeGreaterThan(0);
        expect(apart).toBeLessThan(0.1);
        expect(given).not.toEqual(exact);
        expect(relativeError(given, exact)).toBeLessThan(2 * apart);
      },
    );

    test.skipIf(!nativeAvailable())('gives the same bits with one thread and with four', () => {
      const { threads } = runtimeInfo();
      const run = (count: number) => {
        setThreads(count);
        return runNative(lossGraph(model, { gradients: true }), { inputs, state });
      };
      try {
        expect(run(4)).toEqual(run(1));
      } finally {
        setThreads(threads);
      }
    });

    test.skipIf(!nativeAvailable())(
      'learns one batch by heart',
      async () => {
        const count = 6;
        const labels = [Int32Array.of(0, 1, 2, 2, 1, 0), Int32Array.of(2, 0, 1, 0, 1, 2)];
        const size = model.options.steps * model.options.features;
        const values = windowsOf(model, count, 3);
        const windows = {
          steps: model.options.steps,
          columns: model.options.features,
          horizons: 2,
          length: count,
          batch(indices: Int32Array, outX: Float32Array, outY: Int32Array[]) {
            for (const [i, index] of indices.entries()) {
              outX.set(values.subarray(index * size, (index + 1) * size), i * size);
              for (const [h, label] of labels.entries()) outY[h][i] = label[index];
            }
          },
          order: () => Int32Array.from({ length: count }, (_, i) => i),
          labels: (horizon: number) => labels[horizon],
          sources: () => [values, ...labels],
        };
        const { history } = await train(build(), {
          train: windows,
          validation: windows,
          seed: 2,
          batch: count,
          steps: 400,
          learningRate: 1e-2,
          minLearningRate: 1e-4,
          warmupSteps: 5,
          weightDecay: 0,
          labelSmoothing: 0,
          evaluateEvery: 400,
        });
        expect(history.steps[0].loss).toBeGreaterThan(1.5);
        expect(history.steps.at(-1)!.loss).toBeLessThan(0.02 + ownLoss);
        expect(history.steps.at(-1)!.accuracy).toEqual([1, 1]);
      },
      60_000,
    );

    const forms = nativeAvailable() ? (['f32', 'int8', 'int8 static'] as const) : (['f32', 'int8'] as const);
    test.each(forms)('an artefact in %s is predicted natively and by ONNX Runtime', async (form) => {
      const precision = form === 'int8 static' ? 'int8' : form;
      const { features, steps } = model.options;
      const golden = windowsOf(model, 2, 9);
      const bytes = await buildArtefact({
        model,
        parameters: weights,
        scaler: { mean: new Float32Array(features).fill(0.1), inverseStd: new Float32Array(features).fill(0.9) },
        featureSet: [],
        featureNames: Array.from({ length: features }, (_, i) => `feature${i}`),
        label: { base: 'mid', thresholds: [0.1, 0.2] },
        horizons: [10, 50],
        classes: ['down', 'flat', 'up'],
        card: { name: 'test', createdAt: '2026-01-02T03:04:05Z', dataSource: 'random', seed: 1, metrics: {} },
        precision,
        ...(form === 'int8 static' && {
          quantise: { activations: 'static', calibration: windowsOf(model, 16, 33) },
        }),
        golden,
        batches: [1, 4],
      });
      const windows = windowsOf(model, 5, 21);
      const logits: Float32Array[] = [];
      const backends = nativeAvailable() ? (['native', 'onnx'] as const) : (['onnx'] as const);
      for (const backend of backends) {
        const predictor = await loadPredictor(bytes, { backend });
        const prediction = predictor.predictSync(windows);
        expect(prediction.windows).toBe(5);
        expect(predictor.manifest.model).toMatchObject({
          kind: model.constructor.name,
          parameters: model.parameterCount(),
        });
        expect(predictor.manifest.input.steps).toBe(steps);
        logits.push(prediction.logits.slice());
        predictor.dispose();
      }
      const [a, b] = logits;
      if (b === undefined) return;
      const largest = Math.max(...a.map(Math.abs));
      const apart = Math.max(...a.map((value, i) => Math.abs(value - b[i])));
      expect(apart).toBeLessThan(precision === 'f32' ? 1e-4 : 0.05 * Math.max(1, largest));
    });

    test('int8 takes over its weights', () => {
      const graph = predictionGraph(model);
      const { graph: folded, state: contents } = foldState(graph, new Map([...constantsOf(graph), ...weights]));
      expect(quantiseLinear(folded, contents).layers).toHaveLength(quantised);
    });
  },
);

function constantsOf(graph: Graph) {
  return [...graph.states].flatMap(([name, { value }]) => (value === undefined ? [] : [[name, value] as const]));
}

/** √ of the mean squared difference, relative to that of the expected values. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let size = 1e-20;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  return Math.sqrt(difference / size);
}
