/** Rows of the losses of regression heads. */
import { huber, pinball, type Shape } from '../../src/graph/index.js';
import { type OperationCase, raw } from './case.js';
import type { Fill } from './values.js';

const TARGETS: [string, Fill][] = [
  ['', 'normal'],
  [' with missing targets', [0.5, Number.NaN, -2]],
  [' all missing', [Number.NaN]],
];

function hubers(): OperationCase[] {
  const shapes: Shape[] = [[1], [7], [5, 3], [2, 65]];
  return shapes.flatMap((shape) =>
    [0.5, 1].flatMap((delta) =>
      TARGETS.flatMap(([label, values]): OperationCase[] => {
        const name = `(${shape.join(', ')}) delta ${delta}${label}`;
        return [
          {
            operation: 'huber',
            name,
            inputs: [{ shape }, { shape, values }],
            apply: ([y, target]) => [huber(y, target, { delta })],
            wrt: [0],
          },
          {
            operation: 'huber_grad',
            name,
            inputs: [{ shape: [1] }, { shape }, { shape, values }],
            apply: raw('huber_grad', { delta }),
            differentiable: false,
          },
        ];
      }),
    ),
  );
}

function pinballs(): OperationCase[] {
  const sizes: [number, number[]][] = [
    [1, [0.5]],
    [6, [0.1, 0.5, 0.9]],
    [33, [0.05, 0.95]],
  ];
  return sizes.flatMap(([rows, quantiles]) =>
    TARGETS.flatMap(([label, values]): OperationCase[] => {
      const name = `(${rows}, ${quantiles.length})${label}`;
      const y = { shape: [rows, quantiles.length] };
      const target = { shape: [rows], values };
      return [
        {
          operation: 'pinball',
          name,
          inputs: [y, target],
          apply: ([x, t]) => [pinball(x, t, quantiles)],
          wrt: [0],
        },
        {
          operation: 'pinball_grad',
          name,
          inputs: [{ shape: [1] }, y, target, { shape: [quantiles.length], values: quantiles }],
          apply: raw('pinball_grad'),
          differentiable: false,
        },
      ];
    }),
  );
}

export const REGRESSION_CASES: readonly OperationCase[] = [...hubers(), ...pinballs()];
