import { checkOptions } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { inverseScale, type LevelScale, levelOf, levelScale } from '../levels.js';
import { ONNX_TYPE, type OnnxBuilder, onnxScalar } from '../onnx-lowering.js';
import { columns, elements, type Operation, rows } from '../operation.js';
import { expectShape } from '../shape.js';
import { type Activation, activationOf, inferLinear, onnxEpilogue } from './linear.js';

/** Plan attributes: numbers by themselves. */
type StaticAttributes = { activation: Activation; xScale: number; xZero: number; yScale?: number; yZero?: number };

export interface StaticLinearOptions {
  activation?: Activation;
  residual?: Tensor;
  /** The scale that x is quantised with, or in which its levels are given. */
  x: LevelScale;
  /** Gives the result as levels of this scale, for a product that reads it. Absent: float32. */
  y?: LevelScale;
}

/**
 * linear with int8 weights, symmetric per output channel, and uint8 activations of one fixed scale with a zero point.
 * x (…, K) float32, or its levels in uint8; wq int8 (N, K), wscale (N), bias? (N), residual? (…, N) → y (…, N) float32, or levels in
 * uint8 if y has a scale (requantised).
 *
 * u = clamp(roundHalfEven(x · (1/s)) + zero, 0, 255) in float32; y = act(Σ (u − zero)·wq · (s · wscale[n]) + bias) + residual, the sum in
 * exact integers. What lies outside the range of the levels, infinity too, becomes the nearest one. A row of x with NaN gives NaN where
 * both are float32; levels cannot carry it, NaN becomes level 0. No gradient.
 * Jacob et al. 2018 (arXiv:1712.05877), section 2.
 */
export const qlinearStaticOperation: Operation<StaticAttributes> = {
  name: 'qlinear_static',
  operands: ['x:f32|u8', 'wq:i8', 'wscale', 'bias?', 'residual?'],
  results: ['y'],
  infer([x, wq, wscale, bias, residual], attrs) {
    const y = inferLinear('qlinear_static', [x, wq, bias, residual], attrs.activation);
    expectShape('qlinear_static', 'wscale', wscale, [wq.shape[0]], 'one a row of wq');
    levelScale('x of qlinear_static', scaleOfX(attrs));
    const levels = scaleOfY(attrs);
    if (levels === undefined) return [y];
    levelScale('y of qlinear_static', levels);
    return [{ shape: y.shape, dtype: 'u8' }];
  },
  reference([x, wq, wscale, bias, residual], attrs, [y]) {
    const [n, k] = wq.shape;
    const levels = scaleOfX(attrs);
    const result = scaleOfY(attrs);
    const act = activationOf(attrs.activation);
    // Whether a level is this or the next one hangs on the last bit: it is found with the roundings of float32.
    const round = result === undefined ? (value: number) => value : Math.fround;
    const q = new Int16Array(k);
    for (let row = 0; row < rows(x.shape); row++) {
      const given = x.data.subarray(row * k, (row + 1) * k);
      const s = x.dtype === 'f32' && given.some(Number.isNaN) ? Number.NaN : levels.scale;
      for (let i = 0; i < k; i++) q[i] = (x.dtype === 'u8' ? given[i] : levelOf(given[i], levels)) - levels.zero;
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += q[i] * wq.data[j * k + i];
        let z = round(round(sum) * Math.fround(s * Math.fround(wscale.data[j])));
        if (bias !== undefined) z = round(z + bias.data[j]);
        z = round(act(z));
        const at = row * n + j;
        if (residual !== undefined) z = round(z + residual.data[at]);
        y.data[at] = result === undefined ? z : levelOf(z, result);
      }
    }
  },
  /**
   * QuantizeLinear of x · (1/s) with step 1, so that the levels are the same to the bit, and MatMulInteger. The sums are exact, but on
   * x86 without VNNI ONNX Runtime adds pairs of products with saturation. NaN is not carried on.
   */
  onnx(builder, { inputs: [given], attrs }, [x, wq, wscale, bias, residual]) {
    const levels = scaleOfX(attrs);
    const result = scaleOfY(attrs);
    const u = given.dtype === 'u8' ? x : onnxLevels(builder, x, levels);
    const [weights] = builder.emit('Transpose', [wq], { perm: [1, 0] });
    const [integers] = builder.emit('MatMulInteger', [u, weights, onnxZero(builder, levels)]);
    const [sums] = builder.emit('Cast', [integers], { to: ONNX_TYPE.f32 });
    const [scales] = builder.emit('Mul', [onnxScalar(builder, 'activation_scale', levels.scale), wscale]);
    const [product] = builder.emit('Mul', [sums, scales]);
    const y = onnxEpilogue(builder, product, attrs.activation, bias, residual);
    return [result === undefined ? y : onnxLevels(builder, y, result)];
  },
  flops: ([x], [y]) => 2 * elements(y.shape) * columns(x.shape),
};

/** @param bias may be undefined. */
export function qlinearStatic(
  x: Tensor,
  wq: Tensor,
  wscale: Tensor,
  bias: Tensor | undefined,
  options: StaticLinearOptions,
): Tensor {
  checkOptions('qlinearStatic', options, ['activation', 'residual', 'x', 'y']);
  const { activation = 'none', residual } = options;
  const ofX = levelScale('x of qlinear_static', options.x);
  const attrs: StaticAttributes = { activation, xScale: ofX.scale, xZero: ofX.zero };
  const inputs = [x, wq, wscale, bias, residual];
  return x.graph.apply(
    qlinearStaticOperation,
    inputs,
    options.y === undefined ? attrs : withResult(attrs, options.y),
  )[0];
}

/** The attributes of the same product with its result as levels. */
export function withResult(attrs: StaticAttributes, y: LevelScale): StaticAttributes {
  const { scale, zero } = levelScale('y of qlinear_static', y);
  return { ...attrs, yScale: scale, yZero: zero };
}

export function scaleOfX({ xScale, xZero }: StaticAttributes): LevelScale {
  return { scale: xScale, zero: xZero };
}

function scaleOfY({ yScale, yZero }: StaticAttributes): LevelScale | undefined {
  return yScale === undefined || yZero === undefined ? undefined : { scale: yScale, zero: yZero };
}

function onnxZero(builder: OnnxBuilder, { zero }: LevelScale): string {
  return builder.constant('zero_point', 'u8', [], [zero]);
}

function onnxLevels(builder: OnnxBuilder, x: string, levels: LevelScale): string {
  const [stretched] = builder.emit('Mul', [x, onnxScalar(builder, 'inverse_scale', inverseScale(levels))]);
  return builder.emit('QuantizeLinear', [stretched, onnxScalar(builder, 'one', 1), onnxZero(builder, levels)])[0];
}
