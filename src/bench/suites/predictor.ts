/** Predictions of the price predictor, against ONNX Runtime with the same graph. */
import { type ArtefactOptions, buildArtefact, inferenceGraph } from '../../export/artefact.js';
import { perTensorActivations } from '../../export/onnx/per-tensor-quantisation.js';
import { staticQdq } from '../../export/onnx/static-qdq.js';
import { graphStatistics, interpret, readRowsOnly } from '../../graph/index.js';
import { PricePredictor } from '../../models/index.js';
import { initialise } from '../../nn/index.js';
import { loadPredictor } from '../../predict/index.js';
import { type BenchCase, type Contender, timed } from '../case.js';
import { type GraphCase, nativeContender, onnxContender } from '../graph-contenders.js';
import { normals } from '../random-values.js';
import { once, type SuiteOptions } from '../suite.js';

const FEATURES = 80;
/** Windows of noise that static scales are found from. */
const CALIBRATION_WINDOWS = 32;
/** Float64 by the interpreter takes a second a window; windows do not know of each other. */
const CHECKED_WINDOWS = 1;

export function predictorCases({ threads }: SuiteOptions): BenchCase[] {
  const cases: BenchCase[] = [];
  for (const precision of ['f32', 'bf16', 'int8', 'int8 static'] as const) {
    for (const batch of [1, 8, 32]) {
      cases.push(predictorCase(precision, batch, 'whole last layer', threads));
      cases.push(predictorCase(precision, batch, 'read rows only', threads));
    }
  }
  cases.push(overheadCase(threads));
  return cases;
}

type Form = 'f32' | 'bf16' | 'int8' | 'int8 static';

/** The price predictor with random weights: what a benchmark or a profile runs where no artefact is given. */
export function randomPredictor(
  form: Form,
  size: {
    features?: number;
    steps?: number;
    dModel?: number;
    heads?: number;
    layers?: number;
    feedForward?: number;
  } = {},
): ArtefactOptions {
  const model = new PricePredictor({ features: FEATURES, ...size });
  const { features, steps } = model.options;
  const precision = form === 'int8 static' ? 'int8' : form;
  return {
    model,
    parameters: initialise(model, 1),
    scaler: { mean: new Float32Array(features), inverseStd: new Float32Array(features).fill(1) },
    featureSet: [],
    featureNames: Array.from({ length: features }, (_, i) => `feature${i}`),
    label: {},
    horizons: [10, 50, 100],
    classes: ['down', 'flat', 'up'],
    card: { name: 'benchmark', createdAt: '2026-01-01T00:00:00Z', dataSource: 'noise', seed: 1, metrics: {} },
    precision,
    ...(form === 'int8 static' && {
      quantise: { activations: 'static', calibration: normals(CALIBRATION_WINDOWS * steps * features, 8) },
    }),
    golden: normals(steps * features, 7),
  };
}

/** Bytes of the artefact of the price predictor. */
export async function artefactBytes(precision: 'f32' | 'int8'): Promise<number> {
  return (await buildArtefact(randomPredictor(precision))).length;
}

type LastLayer = 'whole last layer' | 'read rows only';

function predictorCase(precision: Form, batch: number, lastLayer: LastLayer, threads: number): BenchCase {
  const options = once(() => randomPredictor(precision));
  const passes = lastLayer === 'whole last layer' ? [] : [readRowsOnly];
  const features = once(() => normals(batch * 100 * FEATURES, 5));
  const graphCase = once((): GraphCase => {
    const { graph, state } = inferenceGraph(options(), batch, passes);
    return { graph, inputs: { features: features() }, state, frozen: true };
  });
  const tolerance = precision === 'f32' ? 1e-4 : 0.05;
  const contenders: Contender[] = [
    { ...nativeContender(graphCase, { role: 'fast', name: 'flashbook', tolerance, threads }) },
  ];
  if (batch === 1)
    contenders.push(
      nativeContender(graphCase, { role: 'plain', name: 'plain C++', tolerance, threads, isa: 'scalar' }),
    );
  const float32 = precision === 'bf16' ? 'ONNX Runtime, float32' : 'ONNX Runtime'; // its CPU kernels have no bf16
  if (precision === 'f32' || precision === 'bf16') {
    contenders.push(onnxContender(graphCase, { name: float32, tolerance, threads }));
  } else if (precision === 'int8 static') {
    contenders.push(
      onnxContender(graphCase, { name: 'ONNX Runtime, MatMulInteger', tolerance, threads }),
      onnxContender(graphCase, { name: 'ONNX Runtime, QDQ', tolerance, threads, rules: { qlinear_static: staticQdq } }),
    );
  } else {
    contenders.push(
      onnxContender(graphCase, { name: 'ONNX Runtime, row by row', tolerance, threads }),
      onnxContender(graphCase, {
        name: 'ONNX Runtime, one scale for all rows',
        tolerance: 0.5,
        threads,
        rules: { qlinear: perTensorActivations },
      }),
    );
  }
  return {
    suite: 'predictor',
    name: `${precision}, batch ${batch}, ${lastLayer}`,
    threads,
    bound: precision === 'int8 static' ? 'int8' : precision,
    get operations() {
      return graphStatistics(graphCase().graph).flops;
    },
    bytes: 0,
    items: { unit: 'windows', count: batch },
    single: true,
    contenders,
    expected: () => {
      const { graph, state } = inferenceGraph(options(), CHECKED_WINDOWS, passes);
      const inputs = { features: features().subarray(0, CHECKED_WINDOWS * 100 * FEATURES) };
      const { logits } = interpret(graph, { inputs, state: Object.fromEntries(state) }).outputs;
      return { values: logits.data };
    },
  };
}

/** What predictSync does around its plan, on a model that is next to nothing but has a window of the usual size. */
function overheadCase(threads: number): BenchCase {
  const options = once(() => randomPredictor('f32', { dModel: 8, heads: 1, layers: 1, feedForward: 8 }));
  const window = once(() => normals(100 * FEATURES, 5));
  const plan = (): GraphCase => {
    const { graph, state } = inferenceGraph(options(), 1);
    return { graph, inputs: { features: window() }, state, frozen: true };
  };
  return {
    suite: 'predictor',
    name: 'predictSync of a tiny model',
    threads,
    bound: 'none',
    operations: 0,
    bytes: 0,
    contenders: [
      {
        role: 'fast',
        name: 'predictSync',
        tolerance: 1e-4,
        open: async () => {
          const bytes = await buildArtefact({ ...options(), batches: [1] });
          const predictor = await loadPredictor(bytes, { backend: 'native', threads, verify: false });
          const values = window();
          const out = predictor.predictSync(values);
          return {
            run: () => timed(() => predictor.predictSync(values, { out })),
            output: () => out.logits,
            close: () => predictor.dispose(),
          };
        },
      },
      nativeContender(plan, { role: 'plain', name: 'its plan alone', tolerance: 1e-4, threads }),
    ],
    expected: () => {
      const { graph, inputs, state } = plan();
      return { values: interpret(graph, { inputs, state: Object.fromEntries(state) }).outputs.logits.data };
    },
  };
}
