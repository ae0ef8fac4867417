/** Rows of the operations that know steps, positions and channels. */
import { rotary, type Shape, transpose } from '../../src/graph/index.js';
import { type OperationCase, raw, size } from './case.js';

function rotaries(): OperationCase[] {
  const sizes = [
    [1, 1, 1, 2],
    [2, 5, 2, 4],
    [1, 3, 3, 6],
    [2, 17, 2, 34],
    [1, 100, 4, 32],
  ];
  return sizes.flatMap(([batch, steps, heads, headDim]) =>
    (['half', 'interleaved'] as const).map(
      (layout): OperationCase => ({
        operation: 'rotary',
        name: `B ${batch}, T ${steps}, ${heads} × ${headDim} ${layout}`,
        inputs: [{ shape: [batch, steps, 3 * heads * headDim] }],
        apply: (tensors) => [
          rotary(tensors[0], { heads, layout }),
          ...raw('rotary', { heads, layout, base: 500, inverse: true })(tensors),
        ],
        differentiable: batch * steps * heads * headDim <= 80,
      }),
    ),
  );
}

function transposes(): OperationCase[] {
  const shapes: Shape[] = [
    [1, 1],
    [3, 5],
    [2, 7, 17],
    [2, 3, 4, 33],
    [1, 100, 40],
  ];
  return shapes.map((shape) => ({
    operation: 'transpose',
    name: `(${shape.join(', ')})`,
    inputs: [{ shape }],
    apply: ([x]) => [transpose(x)],
    differentiable: size(shape) <= 300,
    ulps: 0,
  }));
}

export const SEQUENCE_CASES: readonly OperationCase[] = [...rotaries(), ...transposes()];
