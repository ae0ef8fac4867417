import { FlashbookError } from '../../core/errors.js';
import { checkPrecision, operandData, type Precision, precisionAttribute, roundBf16 } from '../bf16.js';
import type { Tensor } from '../ir.js';
import type { OnnxBuilder } from '../onnx-lowering.js';
import { f32, type Operation, type TensorType } from '../operation.js';
import { expectRank, expectShape } from '../shape.js';
import { lstmGrad } from './lstm-grad.js';
import { matmul } from './matmul.js';
import { sigmoidOf } from './sigmoid.js';
import { reduceTo } from './sum-rows.js';

export type RecurrentAttributes = { precision?: Precision };

/**
 * A long short-term memory over a sequence (Hochreiter & Schmidhuber 1997; gates in the order of PyTorch's nn.LSTM):
 *   z_t = x_t·wInputᵀ + bias + h_{t−1}·wHiddenᵀ;  i, f, o = σ(z's first, second, fourth quarter), g = tanh(the third)
 *   c_t = f∘c_{t−1} + i∘g,  h_t = o∘tanh(c_t);  h and c are 0 before the first step.
 * x (B, T, I), wHidden (4H, H), wInput (4H, I), bias (4H) or absent → h (B, T, H), gates (B, T, 4H) after their functions, c (B, T, H).
 * Without wInput x is the projected input already, I = 4H.
 *
 * Gradient: lstm_grad, back through time; gates and c are for it alone and carry none.
 *
 * With precision 'bf16' x, h_{t−1} and both weights are rounded to bf16 before they are multiplied, and so are dz and what it meets in the
 * gradient; states, gates and sums stay float32. ONNX gets the float32 form.
 */
export const lstmOperation: Operation<RecurrentAttributes> = {
  name: 'lstm',
  operands: ['x', 'wHidden', 'wInput?', 'bias?'],
  results: ['h', 'gates', 'c'],
  infer(inputs, { precision }) {
    checkPrecision('lstm', precision);
    const { batch, steps, hidden } = lstmSizes('lstm', inputs);
    return [f32([batch, steps, hidden]), f32([batch, steps, 4 * hidden]), f32([batch, steps, hidden])];
  },
  reference(inputs, { precision }, [h, gates, c]) {
    const [x, wHidden, wInput, bias] = inputs;
    const [hiddenWeights, columnsOf] = [operandData(wHidden.data, precision), operandData(x.data, precision)];
    const inputWeights = wInput && operandData(wInput.data, precision);
    const state = precision === 'bf16' ? roundBf16 : (value: number) => value;
    const { batch, steps, hidden, columns } = lstmSizes('lstm', inputs);
    for (let b = 0; b < batch; b++) {
      for (let t = 0; t < steps; t++) {
        const row = b * steps + t;
        for (let j = 0; j < 4 * hidden; j++) {
          let z = bias === undefined ? 0 : bias.data[j];
          if (inputWeights === undefined) z += x.data[row * columns + j];
          else for (let k = 0; k < columns; k++) z += columnsOf[row * columns + k] * inputWeights[j * columns + k];
          if (t > 0) {
            for (let k = 0; k < hidden; k++) {
              z += state(h.data[(row - 1) * hidden + k]) * hiddenWeights[j * hidden + k];
            }
          }
          gates.data[row * 4 * hidden + j] = Math.floor(j / hidden) === 2 ? Math.tanh(z) : sigmoidOf(z);
        }
        for (let j = 0; j < hidden; j++) {
          const [i, f, g, o] = [0, 1, 2, 3].map((part) => gates.data[(row * 4 + part) * hidden + j]);
          c.data[row * hidden + j] = (t > 0 ? f * c.data[(row - 1) * hidden + j] : 0) + i * g;
          h.data[row * hidden + j] = o * Math.tanh(c.data[row * hidden + j]);
        }
      }
    }
  },
  gradient(
    { inputs: [x, wHidden, wInput, bias], outputs: [h, gates, c], attrs: { precision } },
    [dh, dGates, dC],
    needed,
  ) {
    if (dGates !== undefined || dC !== undefined) {
      throw new FlashbookError('OPTION', 'lstm: the loss must not depend on the results gates and c');
    }
    if (dh === undefined) return [];
    const [dz, before] = lstmGrad(dh, wHidden, h, gates, c, precision);
    const dx = wInput === undefined ? dz : matmul(dz, wInput, { precision });
    return [
      needed[0] ? dx : undefined,
      needed[1] ? matmul(dz, before, { transA: true, precision }) : undefined,
      wInput && needed[2] ? matmul(dz, x, { transA: true, precision }) : undefined,
      bias && needed[3] ? reduceTo(dz, bias.shape) : undefined,
    ];
  },
  onnx(builder, { inputs }, [x, wHidden, wInput, bias]) {
    const { hidden, columns } = lstmSizes('lstm', inputs);
    const identity = () => {
      const values = new Float32Array(columns * columns).map((_, i) => (i % (columns + 1) === 0 ? 1 : 0));
      return builder.constant('identity', 'f32', [columns, columns], values);
    };
    const axis = builder.constant('axis', 'i64', [1], [0]);
    const leading = (name: string) => builder.emit('Unsqueeze', [name, axis])[0];
    const zeros = builder.constant('no_bias', 'f32', [4 * hidden], new Float32Array(4 * hidden));
    const biases = builder.emit('Concat', [bias ? onnxGateOrder(builder, bias) : zeros, zeros], { axis: 0 })[0];
    const weights = [wInput || identity(), wHidden].map((name) => leading(onnxGateOrder(builder, name)));
    const [sequence] = builder.emit('Transpose', [x], { perm: [1, 0, 2] });
    const [states] = builder.emit('LSTM', [sequence, ...weights, leading(biases)], { hidden_size: hidden });
    const [squeezed] = builder.emit('Squeeze', [states, builder.constant('axis', 'i64', [1], [1])]);
    return [...builder.emit('Transpose', [squeezed], { perm: [1, 0, 2] }), '', ''];
  },
  flops(inputs) {
    const { batch, steps, hidden, columns } = lstmSizes('lstm', inputs);
    const projected = inputs[2] === undefined ? 0 : columns;
    return batch * steps * hidden * (8 * (hidden + projected) + 100);
  },
};

export interface LstmWeights {
  wHidden: Tensor;
  /** Absent: x is projected already. */
  wInput?: Tensor;
  bias?: Tensor;
}

/** @returns h (B, T, H), the hidden state of every step. */
export function lstm(
  x: Tensor,
  { wHidden, wInput, bias }: LstmWeights,
  { precision }: { precision?: Precision } = {},
): Tensor {
  return x.graph.apply(lstmOperation, [x, wHidden, wInput, bias], precisionAttribute(precision))[0];
}

export function lstmSizes(operation: string, inputs: readonly TensorType[]) {
  const [x, wHidden, wInput, bias] = inputs as readonly [TensorType, TensorType, TensorType?, TensorType?];
  expectRank(operation, 'x', x, 3, '(B, T, I)');
  expectRank(operation, 'wHidden', wHidden, 2, '(4·H, H)');
  const [batch, steps, columns] = x.shape;
  const hidden = wHidden.shape[1];
  expectShape(operation, 'wHidden', wHidden, [4 * hidden, hidden], '4 gates of H columns');
  if (wInput === undefined) expectShape(operation, 'x', x, [batch, steps, 4 * hidden], 'the projected input');
  else expectShape(operation, 'wInput', wInput, [4 * hidden, columns], '4 gates of the columns of x');
  if (bias !== undefined) expectShape(operation, 'bias', bias, [4 * hidden], 'one a gate');
  return { batch, steps, hidden, columns };
}

/** Rows i, f, g, o → i, o, f, g, the order of ONNX (which calls g c). */
function onnxGateOrder(builder: OnnxBuilder, name: string): string {
  const [i, f, g, o] = builder.emit('Split', [name], { axis: 0 }, 4);
  return builder.emit('Concat', [i, o, f, g], { axis: 0 })[0];
}
