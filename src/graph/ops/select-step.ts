import { integer } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { expectRank } from '../shape.js';
import { selectStepGrad } from './select-step-grad.js';

/** y[b] = x[b, index]. x (B, T, D) → y (B, D). Gradient: select_step_grad, zeros at the other steps. */
export const selectStepOperation: Operation<{ index: number }> = {
  name: 'select_step',
  operands: ['x'],
  results: ['y'],
  infer([x], { index }) {
    expectRank('select_step', 'x', x, 3, '(B, T, D)');
    integer('index of select_step', index, 0, x.shape[1] - 1);
    return [f32([x.shape[0], x.shape[2]])];
  },
  reference([x], { index }, [y]) {
    const [batch, steps, d] = x.shape;
    for (let b = 0; b < batch; b++) {
      y.data.set(x.data.subarray((b * steps + index) * d, (b * steps + index + 1) * d), b * d);
    }
  },
  gradient: ({ inputs: [x], attrs: { index } }, [dy]) => [dy && selectStepGrad(dy, { index, steps: x.shape[1] })],
  onnx: (builder, { attrs: { index } }, [x]) =>
    builder.emit('Gather', [x, builder.constant('step', 'i64', [], [index])], { axis: 1 }),
  flops: () => 0,
};

/** @param index counts from the end if negative: −1 is the last step. */
export function selectStep(x: Tensor, index: number): Tensor {
  const steps = x.shape[1];
  return x.graph.apply(selectStepOperation, [x], { index: index < 0 ? index + steps : index })[0];
}
