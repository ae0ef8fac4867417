import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows } from '../operation.js';
import { expectShape } from '../shape.js';
import { checkRoute, largest, type RouteAttributes } from './route.js';

/**
 * The gradient of route. With S the k chosen ones, s = Σ_S p and K those of them that were not full (gates > 0):
 *   k = 1: dp[e] = dgates[e] for K;  else dp[e] = [e ∈ K]·dgates[e]/s − Σ_K dgates·p/s² for S
 *   dlogits = p∘(d − Σ p∘d) with d = dp + dprobs.
 */
export const routeGradOperation: Operation<RouteAttributes> = {
  name: 'route_grad',
  operands: ['dgates?', 'dprobs?', 'gates', 'probs'],
  results: ['dlogits'],
  infer([dGates, dProbs, gates, probs], attrs) {
    checkRoute('route_grad', probs, attrs);
    expectShape('route_grad', 'gates', gates, probs.shape, 'that of probs');
    if (dGates !== undefined) expectShape('route_grad', 'dgates', dGates, probs.shape, 'that of probs');
    if (dProbs !== undefined) expectShape('route_grad', 'dprobs', dProbs, probs.shape, 'that of probs');
    return [f32(probs.shape)];
  },
  reference([dGates, dProbs, gates, probs], { k }, [dLogits]) {
    const experts = columns(probs.shape);
    for (let row = 0; row < rows(probs.shape); row++) {
      const at = row * experts;
      const p = probs.data.subarray(at, at + experts);
      const d = Float64Array.from(p, (_, e) => (dProbs === undefined ? 0 : dProbs.data[at + e]));
      if (dGates !== undefined) {
        const chosen = largest(p, k);
        const sum = k === 1 ? 1 : chosen.reduce((total, e) => total + p[e], 0);
        const kept = chosen.filter((e) => gates.data[at + e] > 0);
        const shared = kept.reduce((total, e) => total + dGates.data[at + e] * p[e], 0) / (sum * sum);
        for (const e of kept) d[e] += dGates.data[at + e] / sum;
        if (k > 1) for (const e of chosen) d[e] -= shared;
      }
      const mean = p.reduce((total, value, e) => total + value * d[e], 0);
      for (let e = 0; e < experts; e++) dLogits.data[at + e] = p[e] * (d[e] - mean);
    }
  },
  flops: ([, , , probs]) => 10 * elements(probs.shape),
};

export function routeGrad(
  dGates: Tensor | undefined,
  dProbs: Tensor | undefined,
  gates: Tensor,
  probs: Tensor,
  attrs: RouteAttributes,
): Tensor {
  return probs.graph.apply(routeGradOperation, [dGates, dProbs, gates, probs], attrs)[0];
}
