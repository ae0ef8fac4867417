import type { DType, PlanAttribute } from '../native/plan-spec.js';
import type { Tensor } from './ir.js';
import type { OnnxBuilder } from './onnx-lowering.js';

export type { DType };
export type Shape = readonly number[];
export type Attributes = Readonly<Record<string, PlanAttribute>>;

/** What is known of a tensor before any data exists. */
export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A tensor's numbers in the reference interpreter: float64, whatever the dtype. */
export interface Value extends TensorType {
  readonly data: Float64Array;
}

/** A node as its gradient and ONNX rules see it. An absent optional operand is undefined. */
export interface NodeView<A extends Attributes = Attributes> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attrs: A;
}

/**
 * One operation: everything that the graph knows about it. Its name is also that of the kernel in the native engine.
 * Lists of operands are in the order of `operands`; an absent optional operand is undefined.
 */
export interface Operation<A extends Attributes = Attributes> {
  readonly name: string;
  /**
   * Operand names, for errors. `name?` is optional, `name:i32` has another dtype than f32, `name:f32|u8` one of two, `name…`
   * (alone) stands for one or more.
   */
  readonly operands: readonly string[];
  readonly results: readonly string[];
  /** The shape rule: types of the results, or a FlashbookError that names operation, operand, expectation and shape. */
  infer(inputs: readonly TensorType[], attrs: A): TensorType[];
  /** The definition in float64: fills one array a result. The oracle of every kernel. */
  reference(inputs: readonly Value[], attrs: A, outputs: readonly Value[]): void;
  /**
   * Adds the gradient's nodes to the graph and returns dLoss/dOperand for each operand, given dLoss/dResult (undefined where
   * a result does not reach the loss). `needed[i]` is false where nobody asks for operand i's.
   * Absent: not differentiable.
   */
  gradient?(node: NodeView<A>, dy: readonly (Tensor | undefined)[], needed: readonly boolean[]): (Tensor | undefined)[];
  /**
   * Emits standard ONNX (opset 17) and returns the names of the results; '' for a result that ONNX does not give.
   * Never bakes in the size of the first axis, which the exporter may make dynamic. Absent: not exportable.
   */
  onnx?(builder: OnnxBuilder, node: NodeView<A>, inputs: readonly string[]): string[];
  /** Operands whose memory the first result may take when nobody reads them later, best first. Default: none. */
  inPlace?(inputs: readonly TensorType[]): readonly number[];
  /** [result, operand] pairs for a number of operands: the result is written into the operand's own state buffer. */
  readonly stores?: (operands: number) => readonly (readonly [number, number])[];
  /** Useful floating-point operations. Default: one for each element of the first result. */
  flops?(inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: A): number;
}

/** Number of elements. */
export function elements(shape: Shape): number {
  let product = 1;
  for (const size of shape) product *= size;
  return product;
}

/** The last dimension; 1 for a scalar. */
export function columns(shape: Shape): number {
  return shape.length === 0 ? 1 : shape[shape.length - 1];
}

/** The product of all dimensions but the last. */
export function rows(shape: Shape): number {
  return elements(shape) / columns(shape);
}

/** A type with the default dtype. */
export function f32(shape: Shape): TensorType {
  return { shape, dtype: 'f32' };
}
