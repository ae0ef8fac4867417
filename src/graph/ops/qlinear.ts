import { checkOptions } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { ONNX_TYPE, onnxScalar } from '../onnx-lowering.js';
import { columns, elements, f32, type Operation, rows } from '../operation.js';
import { expectShape } from '../shape.js';
import { type Activation, activationOf, inferLinear, type LinearOptions, onnxEpilogue } from './linear.js';

type QLinearAttributes = { activation: Activation; peaks?: boolean };

export interface QLinearOptions extends Omit<LinearOptions, 'precision'> {
  /** max|x| of each row, where a qlinear with the attribute `peaks` gave it with x: it need not be found again. */
  peaks?: Tensor;
}

/**
 * linear with int8 weights, symmetric per output channel, and int8 activations, symmetric per row and dynamic.
 * x (…, K), wq int8 (N, K), wscale (N), bias? (N), residual? (…, N), peaks? (…) = max|x| → y (…, N); with the attribute `peaks` also
 * peaks (…) = max|y|, gathered while y is computed; NaN for a row with NaN.
 *
 * For each row, in float32: a = max|x|; q = clamp(roundHalfEven(x · (127/a)), ±127), s = a/127; q = 0 where a = 0.
 * y = act(Σ q·wq · (s · wscale[n]) + bias) + residual, the sum in exact integers. A row with NaN or infinity gives NaN.
 * No gradient.
 */
export const qlinearOperation: Operation<QLinearAttributes> = {
  name: 'qlinear',
  operands: ['x', 'wq:i8', 'wscale', 'bias?', 'residual?', 'peaks?'],
  results: ['y', 'peaks'],
  infer([x, wq, wscale, bias, residual, peaks], { activation, peaks: gathered = false }) {
    const y = inferLinear('qlinear', [x, wq, bias, residual], activation);
    expectShape('qlinear', 'wscale', wscale, [wq.shape[0]], 'one a row of wq');
    const leading = x.shape.length === 1 ? [1] : x.shape.slice(0, -1);
    if (peaks !== undefined) expectShape('qlinear', 'peaks', peaks, leading, 'one a row of x');
    return gathered ? [y, f32(leading)] : [y];
  },
  reference([x, wq, wscale, bias, residual], { activation }, [y, peaks]) {
    const [n, k] = wq.shape;
    const act = activationOf(activation);
    const q = new Int8Array(k);
    for (let row = 0; row < rows(x.shape); row++) {
      const s = quantiseRow(x.data.subarray(row * k, (row + 1) * k), q);
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += q[i] * wq.data[j * k + i];
        const z = sum * Math.fround(s * Math.fround(wscale.data[j])) + (bias === undefined ? 0 : bias.data[j]);
        const at = row * n + j;
        y.data[at] = residual === undefined ? act(z) : act(z) + residual.data[at];
      }
      if (peaks !== undefined) peaks.data[row] = Math.max(...y.data.subarray(row * n, (row + 1) * n).map(Math.abs));
    }
  },
  /**
   * The same rows and scales with ONNX's quantised operators: QuantizeLinear of x · (127/a) with step 1 and zero point 128, so
   * that the integers are q + 128 in uint8, the pair uint8 × int8 being the fast one everywhere. The sums are exact, but on
   * x86 without VNNI ONNX Runtime adds pairs of products with saturation.
   *
   * The two scales are multiplied one after the other: ONNX Runtime (1.30) turns Cast · (rowScale · wscale) after a
   * MatMulInteger into its MatMulIntegerToFloat, which takes the first row's scale for all rows.
   */
  onnx(builder, { attrs: { activation } }, [x, wq, wscale, bias, residual]) {
    const limit = onnxScalar(builder, 'int8_limit', 127);
    const zeroPoint = builder.constant('zero_point', 'u8', [], [128]);
    const [magnitude] = builder.emit('Abs', [x]);
    const [peak] = builder.emit('ReduceMax', [magnitude], { axes: [-1], keepdims: 1 });
    const [positive] = builder.emit('Max', [peak, onnxScalar(builder, 'smallest_peak', 1e-30)]); // a row of zeros
    const [inverse] = builder.emit('Div', [limit, positive]);
    const [stretched] = builder.emit('Mul', [x, inverse]);
    const [q] = builder.emit('QuantizeLinear', [stretched, onnxScalar(builder, 'one', 1), zeroPoint]);
    const [weights] = builder.emit('Transpose', [wq], { perm: [1, 0] });
    const [integers] = builder.emit('MatMulInteger', [q, weights, zeroPoint]);
    const [sums] = builder.emit('Cast', [integers], { to: ONNX_TYPE.f32 });
    const [rowScale] = builder.emit('Div', [peak, limit]);
    const [rowScaled] = builder.emit('Mul', [sums, rowScale]);
    const [product] = builder.emit('Mul', [rowScaled, wscale]);
    return [onnxEpilogue(builder, product, activation, bias, residual), ''];
  },
  flops: ([x], [y]) => 2 * elements(y.shape) * columns(x.shape),
};

export function qlinear(x: Tensor, wq: Tensor, wscale: Tensor, bias?: Tensor, options: QLinearOptions = {}): Tensor {
  checkOptions('qlinear', options, ['activation', 'residual', 'peaks']);
  const { activation = 'none', residual, peaks } = options;
  return x.graph.apply(qlinearOperation, [x, wq, wscale, bias, residual, peaks], { activation })[0];
}

/** Quantises one row into q, as all backends do, and returns its scale: NaN if the row holds NaN or infinity. */
export function quantiseRow(row: ArrayLike<number>, q: Int8Array): number {
  let peak = 0;
  for (let i = 0; i < row.length; i++) {
    const magnitude = Math.abs(Math.fround(row[i]));
    if (!(magnitude < Number.POSITIVE_INFINITY)) {
      q.fill(0);
      return Number.NaN;
    }
    if (magnitude > peak) peak = magnitude;
  }
  if (peak === 0) {
    q.fill(0);
    return 0;
  }
  const inverse = Math.fround(127 / peak);
  for (let i = 0; i < row.length; i++) {
    const rounded = roundHalfEven(Math.fround(Math.fround(row[i]) * inverse));
    q[i] = Math.max(-127, Math.min(127, rounded));
  }
  return Math.fround(peak / 127);
}

export function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
