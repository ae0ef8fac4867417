import { FlashbookError } from '../../core/errors.js';
import { checkOptions, integer } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows, type TensorType } from '../operation.js';
import { shapeError } from '../shape.js';
import { routeGrad } from './route-grad.js';
import { softmaxRow } from './softmax.js';

export type RouteAttributes = {
  /** Experts of a row. */
  k: number;
  /** Rows that an expert takes; 0: all that choose it. */
  capacity: number;
};

/**
 * The routing of a mixture of experts. p = softmax(logits) of each row; its k largest are chosen (of equal ones the first).
 *   gates[e] = p[e] of the chosen one where k = 1 (Fedus et al. 2022, Switch Transformer, arXiv:2101.03961, eq. 2), else p[e] over the sum of the
 *   chosen ones (Lepikhin et al. 2021, GShard, arXiv:2006.16668); 0 for the others.
 * With a capacity, first choices come before second ones and earlier rows before later ones; who finds its expert full gets gate 0 there.
 * logits (…, E) → gates (…, E), probs (…, E). Gradient: route_grad. ONNX: without capacity, as in prediction.
 */
export const routeOperation: Operation<RouteAttributes> = {
  name: 'route',
  operands: ['logits'],
  results: ['gates', 'probs'],
  infer([logits], attrs) {
    checkRoute('route', logits, attrs);
    return [f32(logits.shape), f32(logits.shape)];
  },
  reference([logits], { k, capacity }, [gates, probs]) {
    const experts = columns(logits.shape);
    const counts = new Int32Array(experts);
    const chosen: number[][] = [];
    gates.data.fill(0);
    for (let row = 0; row < rows(logits.shape); row++) {
      const p = probs.data.subarray(row * experts, (row + 1) * experts);
      softmaxRow(logits.data.subarray(row * experts, (row + 1) * experts), p);
      chosen.push(largest(p, k));
    }
    for (let rank = 0; rank < k; rank++) {
      for (const [row, list] of chosen.entries()) {
        const e = list[rank];
        if (capacity > 0 && counts[e] >= capacity) continue;
        counts[e]++;
        const p = probs.data.subarray(row * experts, (row + 1) * experts);
        const sum = list.reduce((total, j) => total + p[j], 0);
        gates.data[row * experts + e] = k === 1 ? p[e] : p[e] / sum;
      }
    }
  },
  gradient: ({ outputs: [gates, probs], attrs }, [dGates, dProbs]) => [
    dGates || dProbs ? routeGrad(dGates, dProbs, gates, probs, attrs) : undefined,
  ],
  onnx(builder, { inputs: [x], attrs: { k, capacity } }, [logits]) {
    if (capacity > 0) throw new FlashbookError('OPTION', 'route: a capacity is for training; it has no ONNX form');
    const [probs] = builder.emit('Softmax', [logits], { axis: -1 });
    const count = builder.constant('k', 'i64', [1], [k]);
    const [, indices] = builder.emit('TopK', [probs, count], { axis: -1, largest: 1, sorted: 1 }, 2);
    const depth = builder.constant('experts', 'i64', [1], [columns(x.shape)]);
    const [marks] = builder.emit('OneHot', [indices, depth, builder.constant('off_on', 'f32', [2], [0, 1])], {
      axis: -1,
    });
    const [mask] = builder.emit('ReduceSum', [marks, builder.constant('axes', 'i64', [1], [-2])], { keepdims: 0 });
    const [chosen] = builder.emit('Mul', [probs, mask]);
    if (k === 1) return [chosen, probs];
    const [sum] = builder.emit('ReduceSum', [chosen, builder.constant('axes', 'i64', [1], [-1])], { keepdims: 1 });
    return [builder.emit('Div', [chosen, sum])[0], probs];
  },
  flops: ([logits]) => 20 * elements(logits.shape),
};

/** @param options capacity defaults to 0: no expert is ever full. */
export function route(logits: Tensor, options: { k: number; capacity?: number }): { gates: Tensor; probs: Tensor } {
  checkOptions('route', options, ['k', 'capacity']);
  const { k, capacity = 0 } = options;
  const [gates, probs] = logits.graph.apply(routeOperation, [logits], { k, capacity });
  return { gates, probs };
}

export function checkRoute(operation: string, logits: TensorType, { k, capacity }: RouteAttributes): void {
  if (logits.shape.length === 0) throw shapeError(operation, 'logits', 'at least one dimension', logits.shape);
  integer(`k of ${operation}`, k, 1, columns(logits.shape));
  integer(`capacity of ${operation}`, capacity, 0);
}

/** The indices of the k largest, largest first, of equal ones the first. */
export function largest(p: Float64Array, k: number): number[] {
  return [...p.keys()].sort((a, b) => p[b] - p[a] || a - b).slice(0, k);
}
