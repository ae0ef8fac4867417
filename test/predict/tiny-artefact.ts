import { type ArtefactParts, encodeArtefact } from '../../src/export/artefact-file.js';
import { OnnxModelBuilder } from '../../src/export/onnx/model-builder.js';
import type { PlanSpec } from '../../src/native/plan-spec.js';

/** The smallest model with plans and ONNX: 2 steps × 3 features → 2 horizons × 3 classes, logit i = value i / 2. */
export const STEPS = 2;
export const FEATURES = ['mid', 'spread', 'imbalance'];

function plan(batch: number): PlanSpec {
  return {
    version: 1,
    arenaBytes: 2 * Math.ceil((batch * 24) / 64) * 64,
    tensors: [
      { name: 'features', dtype: 'f32', shape: [batch, STEPS, 3], space: 'arena', offset: 0 },
      {
        name: 'logits',
        dtype: 'f32',
        shape: [batch, STEPS, 3],
        space: 'arena',
        offset: Math.ceil((batch * 24) / 64) * 64,
      },
    ],
    steps: [{ kernel: 'scale', inputs: [0], outputs: [1], attrs: { factor: 0.5 } }],
    inputs: [0],
    outputs: [1],
  };
}

function onnx(): Uint8Array {
  const builder = new OnnxModelBuilder();
  const features = builder.input('features', 'f32', ['batch', STEPS, 3]);
  const [halved] = builder.emit('Mul', [features, builder.constant('half', 'f32', [], [0.5])]);
  const [flat] = builder.emit('Reshape', [halved, builder.constant('shape', 'i64', [2], [0, 6])]);
  builder.output('logits', flat, 'f32', ['batch', 6]);
  return builder.finish({ name: 'half', docString: 'logits = features / 2', producerVersion: '0' });
}

export function tinyParts(): ArtefactParts {
  const features = Float32Array.of(1, 2, 3, -4, 5, 0.25);
  return {
    manifest: {
      producer: 'flashbook test',
      precision: 'f32',
      model: { kind: 'half', options: {}, parameters: 1 },
      input: { name: 'features', steps: STEPS, features: FEATURES },
      output: { name: 'logits', horizons: [10, 50], classes: ['down', 'flat', 'up'] },
      featureSet: [],
      label: { kind: 'none' },
      scaler: { clip: 10 },
      batches: [1, 8, 32],
      golden: { windows: 1, tolerance: { native: 1e-4, onnx: 1e-4 } },
      card: { name: 'half', createdAt: '2026-01-01T00:00:00Z', dataSource: 'none', seed: 1, metrics: {} },
    },
    plans: new Map([1, 8, 32].map((batch) => [batch, plan(batch)])),
    weights: new Map([['unused', { shape: [1], data: new Float32Array(1) }]]),
    onnx: onnx(),
    golden: { features, outputs: new Map([['logits', features.map((value) => value / 2)]]) },
  };
}

export function tinyArtefact(change: (parts: ArtefactParts) => void = () => {}): Uint8Array {
  const parts = tinyParts();
  change(parts);
  return encodeArtefact(parts);
}

/** n windows with distinct values. */
export function windows(n: number): Float32Array {
  return Float32Array.from({ length: n * 6 }, (_, i) => ((i * 7919) % 1013) / 64 - 8);
}
