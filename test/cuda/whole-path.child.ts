/** Trains the same small price predictor on the processor and on CUDA, in float32 or bf16, packs it, and predicts with both: float32, bf16 and INT8. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StandardScaler } from '../../src/data/index.js';
import { writeArtefact } from '../../src/export/index.js';
import { defaultFeatures } from '../../src/features/index.js';
import { cuda } from '../../src/native/index.js';
import { loadPredictor } from '../../src/predict/index.js';
import { train } from '../../src/train/index.js';
import { COLUMNS, HORIZONS, learnableWindows, STEPS, shortRun, smallModel } from '../train/fixture.js';
import { answer, argument } from './child.js';

export interface WholePathAnswer {
  device: string;
  losses: { cpu: number[]; cuda: number[] };
  /** Largest |difference| of any weight, and the largest |weight|. */
  weights: { difference: number; largest: number };
  /** Largest |difference| of any logit from the processor's, by precision of the artefact. */
  logits: Record<string, { difference: number; largest: number }>;
  /** Whether a second run on CUDA gave the same bits. */
  repeats: boolean;
}

const { steps, precision } = argument<{ steps: number; precision: 'f32' | 'bf16' }>();
const options = { heads: 2, dModel: 16, feedForward: 24 };
const run = (device: 'cpu' | 'cuda') =>
  train(smallModel(options), shortRun({ steps, evaluateEvery: steps, device, precision }));

const onCpu = await run('cpu');
const onCuda = await run('cuda');
const again = await run('cuda');

const weights = { difference: 0, largest: 0 };
let repeats = true;
for (const [name, values] of onCpu.parameters) {
  const others = onCuda.parameters.get(name) as Float32Array;
  const thirds = again.parameters.get(name) as Float32Array;
  for (let i = 0; i < values.length; i++) {
    weights.difference = Math.max(weights.difference, Math.abs(values[i] - others[i]));
    weights.largest = Math.max(weights.largest, Math.abs(values[i]));
    repeats &&= Object.is(others[i], thirds[i]);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'flashbook-path-'));
const logits: WholePathAnswer['logits'] = {};
try {
  const { x } = learnableWindows(40, 9);
  const scaler = StandardScaler.fit(x, COLUMNS, { start: 0, end: x.length / COLUMNS });
  for (const packed of precision === 'f32' ? (['f32', 'int8'] as const) : (['bf16'] as const)) {
    const path = join(folder, `${packed}.fbk`);
    await writeArtefact(path, {
      model: smallModel(options),
      parameters: onCuda.parameters,
      scaler,
      featureSet: defaultFeatures(),
      featureNames: Array.from({ length: COLUMNS }, (_, i) => `f${i}`),
      label: { base: 'mid' },
      horizons: Array.from({ length: HORIZONS }, (_, i) => 10 * (i + 1)),
      classes: ['down', 'flat', 'up'],
      golden: x.slice(0, 2 * STEPS * COLUMNS),
      card: { name: 'cuda', createdAt: '2026-01-01T00:00:00Z', dataSource: 'drawn', seed: 1, metrics: {} },
      precision: packed,
      ...(packed === 'int8' && { quantise: { minimumInputs: 8 } }),
    });
    const windows = x.slice(0, 11 * STEPS * COLUMNS);
    const here = await loadPredictor(path, { backend: 'native', device: 'cpu' });
    const there = await loadPredictor(path, { backend: 'native', device: 'cuda' });
    const expected = here.predictSync(windows);
    const actual = await there.predict(windows);
    const found = { difference: 0, largest: 0 };
    for (let i = 0; i < expected.logits.length; i++) {
      found.difference = Math.max(found.difference, Math.abs(expected.logits[i] - actual.logits[i]));
      found.largest = Math.max(found.largest, Math.abs(expected.logits[i]));
    }
    logits[packed] = found;
    await here.dispose();
    await there.dispose();
  }
} finally {
  rmSync(folder, { recursive: true });
}
const result: WholePathAnswer = {
  device: cuda().name,
  losses: { cpu: onCpu.history.steps.map(({ loss }) => loss), cuda: onCuda.history.steps.map(({ loss }) => loss) },
  weights,
  logits,
  repeats,
};
answer(result);
