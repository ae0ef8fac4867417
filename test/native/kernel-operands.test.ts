import fc from 'fast-check';
import { it } from 'vitest';
import { DTYPE_BYTES, type DType, type PlanSpec, runtimeInfo } from '../../src/native/index.js';
import { acceptsOrRefuses } from './plans.js';

// Kernels check their own operands: random shapes, dtypes, attributes and sharing for each of them.
const dimension = fc.constantFrom<number>(1, 2, 3, 4, 6, 8, 12, 16, 17, 64);
const shape = fc.array(dimension, { maxLength: 3 });
const dtype = fc.constantFrom<DType>('f32', 'f32', 'f32', 'f32', 'i32', 'u32', 'i8');
const number = fc.constantFrom(0, 1, 2, 3, 4, 8, -1, -2, 0.1, 1e-5, 1e9, -1e300, 2 ** 31, 2 ** 53, Number.NaN);
const attributes = fc.record(
  {
    activation: fc.constantFrom('none', 'relu', 'gelu', 'tanh'),
    transA: fc.boolean(),
    transB: fc.boolean(),
    factor: number,
    clip: number,
    eps: number,
    heads: number,
    causal: fc.boolean(),
    queries: fc.constantFrom('all', 'last', 'none'),
    p: fc.oneof(number, fc.constantFrom(0.5, 1)),
    stream: number,
    index: number,
    steps: number,
    start: number,
    length: number,
    smoothing: number,
    maxNorm: number,
    weightDecay: number,
  },
  { requiredKeys: ['heads', 'eps', 'index', 'p', 'factor'] },
);

it.each(runtimeInfo().steps)('operands of %s that do not fit are refused, and never crash', (kernel) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(shape, dtype, fc.boolean()), { minLength: 2, maxLength: 10 }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
      attributes,
      fc.boolean(),
      (tensors, inputs, outputs, attrs, frozen) => {
        let arenaBytes = 0;
        const spec: PlanSpec = {
          version: 1,
          arenaBytes,
          tensors: tensors.map(([dims, type, same], i) => {
            const shape = same && i > 0 ? tensors[0][0] : dims;
            const bytes = shape.reduce((a, b) => a * b, 1) * DTYPE_BYTES[type];
            const offset = arenaBytes;
            arenaBytes += Math.ceil(bytes / 64) * 64;
            return { name: `t${i}`, dtype: type, shape, space: 'arena', offset };
          }),
          steps: [
            {
              kernel,
              inputs: inputs.map((i) => (i % (tensors.length + 1)) - 1),
              outputs: outputs.map((i) => (i % (tensors.length + 1)) - 1),
              attrs: attrs as PlanSpec['steps'][0]['attrs'],
            },
          ],
          inputs: tensors.map((_, i) => i),
          outputs: [],
        };
        spec.arenaBytes = arenaBytes;
        acceptsOrRefuses(spec, frozen);
      },
    ),
    { numRuns: 2000, seed: 2 },
  );
});
