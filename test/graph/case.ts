/** What a row of the case table is, and its graph. */

import { type DType, Graph, OPERATIONS, type Shape, type Tensor } from '../../src/graph/index.js';
import type { Attributes } from '../../src/graph/operation.js';
import { type Fill, fill } from './values.js';

export interface CaseInput {
  shape: Shape;
  dtype?: DType;
  values?: Fill;
}

export interface OperationCase {
  /** The kernel that the row is for; others may appear in its graph. */
  operation: string;
  /** What is special about the row. */
  name: string;
  inputs: readonly CaseInput[];
  /** Builds the results that are compared. */
  apply(tensors: readonly Tensor[]): readonly Tensor[];
  /** False where central differences make no sense: no gradient, special values, too many elements. Default true. */
  differentiable?: boolean;
  /** Inputs that have a gradient; default: all of dtype f32. */
  wrt?: readonly number[];
  /**
   * Largest allowed |native − float64| as a multiple of float32's 2⁻²⁴ times the size of the terms that were added up
   * (default: the largest finite |reference|). Default 8.
   */
  ulps?: number;
  /** The bound is a multiple of each element's own size instead. */
  relative?: boolean;
  /** With `relative`: of the size of this operand's element, where the result is that operand times a bounded function. */
  relativeTo?: number;
  /** CUDA refuses it. */
  cpuOnly?: boolean;
}

/** A graph whose inputs are x0, x1 … and whose outputs are y0, y1 …, with the values of the inputs. */
export function caseGraph(row: OperationCase): { graph: Graph; inputs: Record<string, Float64Array> } {
  const graph = new Graph();
  const inputs: Record<string, Float64Array> = {};
  const tensors = row.inputs.map(({ shape, dtype = 'f32', values = 'normal' }, i) => {
    inputs[`x${i}`] = fill(values, size(shape), 1 + i);
    return graph.input(`x${i}`, shape, dtype);
  });
  for (const [i, tensor] of row.apply(tensors).entries()) graph.output(`y${i}`, tensor);
  return { graph, inputs };
}

export function size(shape: Shape): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** The operation by its kernel name, with all its results: for those that only differentiation makes. */
export function raw(operation: string, attrs: Attributes = {}) {
  return (tensors: readonly Tensor[]): Tensor[] => tensors[0].graph.apply(OPERATIONS.get(operation)!, tensors, attrs);
}

export const RNG: CaseInput = { shape: [4], dtype: 'u32', values: [0x12345678, 0x9abcdef0, 7, 0] };
