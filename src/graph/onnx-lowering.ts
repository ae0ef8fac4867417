/**
 * What an operation's ONNX rule may call. The exporter implements it; the rules use operators of opset 17 alone, so that
 * any runtime loads the file.
 */
export type OnnxDType = 'f32' | 'i64' | 'i32' | 'i8' | 'u8' | 'bool';

export interface OnnxAttributes {
  readonly [name: string]: number | string | readonly number[];
}

export interface OnnxBuilder {
  /** Adds a node and returns the names of its outputs. An input '' is an absent optional one. */
  emit(opType: string, inputs: readonly string[], attrs?: OnnxAttributes, outputs?: number): string[];
  /** Adds an initialiser (or finds an equal one) and returns its name. `name` is a hint. i64 data are given as numbers. */
  constant(name: string, dtype: OnnxDType, shape: readonly number[], data: ArrayLike<number>): string;
}

/** ONNX's numbers for element types (TensorProto.DataType), as Cast wants them. */
export const ONNX_TYPE: Readonly<Record<OnnxDType, number>> = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, bool: 9 };

/** A float32 scalar. */
export function onnxScalar(builder: OnnxBuilder, name: string, value: number): string {
  return builder.constant(name, 'f32', [], [value]);
}

/** A one-dimensional int64 tensor: shapes, axes, indices. */
export function onnxIntegers(builder: OnnxBuilder, name: string, values: readonly number[]): string {
  return builder.constant(name, 'i64', [values.length], values);
}
