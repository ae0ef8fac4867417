/** Rows of the operations of a mixture of experts. */
import { experts, loadBalance, OPERATIONS, route, routerZLoss, type Shape } from '../../src/graph/index.js';
import { type OperationCase, raw, size } from './case.js';

/** Gates as a router gives them: most are 0. */
const SPARSE = [0, 0.7, 0, 0, 0.3, 0, 1, 0, 0, 0, 0, 0.6, 0.4];

function routes(): OperationCase[] {
  const list: [Shape, number, number][] = [
    [[1, 1], 1, 0],
    [[5, 3], 1, 0],
    [[7, 4], 2, 0],
    [[2, 3, 5], 2, 3],
    [[9, 4], 1, 2],
    [[6, 5], 5, 0],
    [[130, 8], 2, 40],
  ];
  return list.flatMap(([shape, k, capacity]): OperationCase[] => {
    const name = `(${shape.join(', ')}) k ${k}${capacity > 0 ? ` capacity ${capacity}` : ''}`;
    const logits = { shape };
    const choose = raw('route', { k, capacity });
    return [
      {
        operation: 'route',
        name,
        inputs: [logits],
        apply: ([x]) => Object.values(route(x, { k, capacity })),
        differentiable: size(shape) <= 60,
        ulps: 16,
      },
      {
        operation: 'route_grad',
        name,
        inputs: [logits, logits, logits],
        apply: ([x, dGates, dProbs]) => {
          const [gates, probs] = choose([x]);
          const grad = (...d: (typeof x | undefined)[]) =>
            x.graph.apply(OPERATIONS.get('route_grad')!, [...d, gates, probs], { k, capacity });
          return [...grad(dGates, dProbs), ...grad(dGates, undefined), ...grad(undefined, dProbs)];
        },
        differentiable: false,
        ulps: 64,
      },
      {
        operation: 'load_balance',
        name,
        inputs: [logits],
        apply: ([x]) => {
          const { gates, probs } = route(x, { k, capacity });
          const { loss, usage } = loadBalance(probs, gates, { k });
          return size(shape) <= 60 ? [loss] : [loss, usage];
        },
        differentiable: size(shape) <= 60,
        ulps: 16,
      },
      {
        operation: 'router_z_loss',
        name,
        inputs: [logits],
        apply: ([x]) => [routerZLoss(x)],
        differentiable: size(shape) <= 60,
        ulps: 16,
      },
      {
        operation: 'router_z_loss_grad',
        name,
        inputs: [{ shape: [1] }, logits],
        apply: ([dLoss, x]) => {
          const [, lse] = raw('router_z_loss')([x]);
          return [lse, ...raw('router_z_loss_grad')([dLoss, x, lse])];
        },
        differentiable: false,
        ulps: 32,
      },
    ];
  });
}

function mixtures(): OperationCase[] {
  const sizes = [
    [1, 1, 1, 1],
    [4, 2, 3, 5],
    [5, 3, 4, 2],
    [9, 4, 17, 33],
    [70, 5, 24, 40],
    [300, 3, 64, 100],
  ];
  return sizes.flatMap(([rows, count, width, hidden]): OperationCase[] => {
    const name = `${rows} rows, ${count} experts, ${width} → ${hidden}`;
    const x = { shape: [rows, width] };
    const weights = [
      { shape: [count, hidden, width] },
      { shape: [count, hidden] },
      { shape: [count, width, hidden] },
      { shape: [count, width] },
    ];
    const all = [x, { shape: [rows, count], values: 'positive' as const }, ...weights];
    const sparse = [x, { shape: [rows, count], values: SPARSE }, ...weights];
    const mix: OperationCase['apply'] = ([input, gates, wExpand, bExpand, wContract, bContract]) => [
      experts(input, gates, { wExpand, bExpand, wContract, bContract }),
    ];
    const ulps = 16 + 2 * Math.sqrt(hidden * width);
    return [
      {
        operation: 'experts',
        name,
        inputs: all,
        apply: mix,
        differentiable: rows * count * width * hidden <= 150,
        ulps,
      },
      { operation: 'experts', name: `${name}, few gates`, inputs: sparse, apply: mix, differentiable: false, ulps },
      ...[all, sparse].map(
        (inputs, i): OperationCase => ({
          operation: 'experts_grad',
          name: `${name}${i === 1 ? ', few gates' : ''}`,
          inputs: [x, ...inputs],
          apply: raw('experts_grad'),
          differentiable: false,
          ulps: 4 * ulps + 4 * Math.sqrt(rows),
        }),
      ),
    ];
  });
}

export const EXPERT_CASES: readonly OperationCase[] = [...routes(), ...mixtures()];
