import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { expectRank } from '../shape.js';

/** dx[b, index] = dy[b], 0 at the other steps. dy (B, D) → dx (B, steps, D). */
export const selectStepGradOperation: Operation<{ index: number; steps: number }> = {
  name: 'select_step_grad',
  operands: ['dy'],
  results: ['dx'],
  infer([dy], { steps }) {
    expectRank('select_step_grad', 'dy', dy, 2, '(B, D)');
    return [f32([dy.shape[0], steps, dy.shape[1]])];
  },
  reference([dy], { index, steps }, [dx]) {
    const [batch, d] = dy.shape;
    dx.data.fill(0);
    for (let b = 0; b < batch; b++) dx.data.set(dy.data.subarray(b * d, (b + 1) * d), (b * steps + index) * d);
  },
  flops: () => 0,
};

export function selectStepGrad(dy: Tensor, attrs: { index: number; steps: number }): Tensor {
  return dy.graph.apply(selectStepGradOperation, [dy], attrs)[0];
}
