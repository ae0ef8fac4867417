/** Rows of the operations that know steps, positions and channels. */
import { lstm, rotary, type Shape, transpose } from '../../src/graph/index.js';
import { type CaseInput, type OperationCase, raw, size } from './case.js';

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

function lstms(): OperationCase[] {
  const sizes = [
    [1, 1, 1, 1],
    [2, 3, 2, 3],
    [3, 5, 4, 2],
    [2, 9, 7, 17],
    [19, 6, 5, 33],
    [33, 4, 40, 64],
    [1, 100, 12, 32],
  ];
  return sizes.flatMap(([batch, steps, columns, hidden]): OperationCase[] => {
    const name = `B ${batch}, T ${steps}, ${columns} → ${hidden}`;
    // Weights of the size that they start with: 1/√H.
    const weights = (rows: number, n: number): CaseInput => ({ shape: [rows, n], values: small(rows * n, hidden) });
    const x = { shape: [batch, steps, columns] };
    const h = { shape: [batch, steps, hidden] };
    const wHidden = weights(4 * hidden, hidden);
    return [
      {
        operation: 'lstm',
        name,
        inputs: [x, wHidden, weights(4 * hidden, columns), { shape: [4 * hidden] }],
        apply: ([input, w, wInput, bias]) => [lstm(input, { wHidden: w, wInput, bias })],
        differentiable: size([batch, steps, hidden]) <= 40,
        ulps: 64 * Math.sqrt(steps),
      },
      {
        operation: 'lstm',
        name: `${name} of projected input`,
        inputs: [{ shape: [batch, steps, 4 * hidden] }, wHidden, { shape: [4 * hidden] }],
        apply: ([z, w, bias]) => [lstm(z, { wHidden: w, bias }), lstm(z, { wHidden: w })],
        differentiable: size([batch, steps, hidden]) <= 40,
        ulps: 64 * Math.sqrt(steps),
      },
      {
        operation: 'lstm_grad',
        name,
        inputs: [h, wHidden, { shape: [batch, steps, 4 * hidden] }],
        apply: ([dh, w, z]) => {
          const [states, gates, c] = raw('lstm')([z, w]);
          return [gates, c, ...raw('lstm_grad')([dh, w, states, gates, c])];
        },
        differentiable: false,
        ulps: 64 * Math.sqrt(steps),
      },
    ];
  });
}

function small(count: number, hidden: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.fround(Math.sin(i * 12.9898 + 1) / Math.sqrt(hidden)));
}

export const SEQUENCE_CASES: readonly OperationCase[] = [...rotaries(), ...transposes(), ...lstms()];
