import { FlashbookError } from '../../core/errors.js';
import { integer } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows } from '../operation.js';
import { expectShape, shapeError } from '../shape.js';
import { add } from './add.js';
import { mul } from './mul.js';
import { reshape } from './reshape.js';

/**
 * The load-balancing loss of a mixture of experts (Fedus et al. 2022, arXiv:2101.03961, eq. 4): E · Σ f[e]·P[e], f[e] the share of all choices
 * that expert e took (gates > 0), P[e] its mean probability. 1 where all are equal, E where one takes all.
 * probs (…, E), gates (…, E) → loss (1), usage f (E). Gradient: of probs alone; f counts, so it has none. Training only.
 */
export const loadBalanceOperation: Operation<{ k: number }> = {
  name: 'load_balance',
  operands: ['probs', 'gates'],
  results: ['loss', 'usage'],
  infer([probs, gates], { k }) {
    if (probs.shape.length === 0) throw shapeError('load_balance', 'probs', 'at least one dimension', probs.shape);
    integer('k of load_balance', k, 1, columns(probs.shape));
    expectShape('load_balance', 'gates', gates, probs.shape, 'that of probs');
    return [f32([1]), f32([columns(probs.shape)])];
  },
  reference([probs, gates], { k }, [loss, usage]) {
    const experts = columns(probs.shape);
    const n = rows(probs.shape);
    usage.data.fill(0);
    const mean = new Float64Array(experts);
    for (let i = 0; i < probs.data.length; i++) {
      mean[i % experts] += probs.data[i] / n;
      if (gates.data[i] > 0) usage.data[i % experts] += 1 / (n * k);
    }
    loss.data[0] = experts * mean.reduce((sum, p, e) => sum + p * usage.data[e], 0);
  },
  gradient({ inputs: [probs], outputs: [, usage] }, [dLoss, dUsage]) {
    if (dUsage !== undefined) {
      throw new FlashbookError('OPTION', 'load_balance: the loss must not depend on the result usage');
    }
    if (dLoss === undefined) return [];
    const { shape, graph } = probs;
    const each = mul(usage.scale(columns(shape) / rows(shape)), reshape(dLoss, []));
    const zeros = graph.constant(`constant.zeros.${shape.join('x')}`, shape, new Float32Array(elements(shape)));
    return [add(zeros, each), undefined];
  },
  flops: ([probs]) => 3 * elements(probs.shape),
};

/** @param options k: experts of a row, as routed. */
export function loadBalance(probs: Tensor, gates: Tensor, options: { k: number }): { loss: Tensor; usage: Tensor } {
  const [loss, usage] = probs.graph.apply(loadBalanceOperation, [probs, gates], { k: options.k });
  return { loss, usage };
}
