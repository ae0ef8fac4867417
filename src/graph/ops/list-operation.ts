import { invalid } from '../../core/errors.js';
import { sourceName, type Tensor } from '../ir.js';
import {
  type Attributes,
  elements,
  f32,
  type Operation,
  type Shape,
  type TensorType,
  type Value,
} from '../operation.js';
import { expectShape, shapeError } from '../shape.js';

/** An operation over a list of tensors: one step of a plan for all parameters of a model. */
export interface ListDefinition<A extends Attributes> {
  name: string;
  /** Operands of each tensor, all of its shape; they stand together, tensor by tensor. */
  each: readonly string[];
  /** Those of `each` that are changed in place. */
  stored: readonly string[];
  /** Operands after the list, with their shapes for n tensors. */
  shared?(n: number): Readonly<Record<string, Shape>>;
  /** Results after those that are stored. All of shape (1). */
  extra?: readonly string[];
  /** A shared operand (1): where it is NaN, the operation is left out and changes nothing. */
  unlessNaN?: string;
  check?(attrs: A): void;
  /**
   * In float64: `tensors[t]` holds the operands of `each`, `changed[t]` takes those of `stored`, `extra` the rest.
   */
  reference(
    tensors: readonly (readonly Value[])[],
    shared: readonly Value[],
    attrs: A,
    changed: Value[][],
    extra: Value[],
  ): void;
  /** Floating-point operations an element. */
  flops: number;
}

/** The operation of a definition: operands (each…)×n, shared…; results (stored…)×n, extra…. */
export function listOperation<A extends Attributes>(definition: ListDefinition<A>): Operation<A> {
  const { name, each, stored, extra = [], unlessNaN, check } = definition;
  const sharedNames = Object.keys(definition.shared?.(1) ?? {});
  const sharedCount = sharedNames.length;
  const count = (operands: number) => (operands - sharedCount) / each.length;
  const places = stored.map((operand) => each.indexOf(operand));
  const split = <T>(operands: readonly T[]): [T[][], T[]] => {
    const n = count(operands.length);
    const lists = Array.from({ length: n }, (_, t) => operands.slice(t * each.length, (t + 1) * each.length));
    return [lists, operands.slice(n * each.length)];
  };
  return {
    name,
    operands: ['operands…'],
    results: [],
    infer(inputs: readonly TensorType[], attrs) {
      const n = count(inputs.length);
      if (!Number.isInteger(n) || n < 1) {
        const wanted = `${each.length} operands a tensor (${each.join(', ')}) and ${sharedCount} more`;
        throw invalid(`operands of ${name}`, wanted, inputs.length, 'SHAPE');
      }
      check?.(attrs);
      const [tensors, shared] = split(inputs);
      for (const [t, operands] of tensors.entries()) {
        for (const [k, type] of operands.entries()) {
          expectShape(name, `${each[k]} of tensor ${t}`, type, operands[0].shape, `that of its ${each[0]}`);
        }
      }
      for (const [k, [operand, shape]] of Object.entries(definition.shared?.(n) ?? {}).entries()) {
        expectShape(name, operand, shared[k], shape, `for ${n} tensors`);
      }
      return [
        ...tensors.flatMap((operands) => places.map((k) => f32(operands[k].shape))),
        ...extra.map(() => f32([1])),
      ];
    },
    reference(inputs, attrs, outputs) {
      const [tensors, shared] = split(inputs);
      const changed = tensors.map((_, t) => outputs.slice(t * places.length, (t + 1) * places.length));
      if (unlessNaN !== undefined && Number.isNaN(shared[sharedNames.indexOf(unlessNaN)].data[0])) {
        for (const [t, operands] of tensors.entries()) {
          for (const [i, k] of places.entries()) changed[t][i].data.set(operands[k].data);
        }
        return;
      }
      definition.reference(tensors, shared, attrs, changed, outputs.slice(tensors.length * places.length));
    },
    stores: (operands) =>
      Array.from({ length: count(operands) }, (_, t) =>
        places.map((k, i): [number, number] => [t * places.length + i, t * each.length + k]),
      ).flat(),
    flops: (inputs) => {
      const [tensors] = split(inputs);
      return definition.flops * tensors.reduce((sum, [first]) => sum + elements(first.shape), 0);
    },
  };
}

/**
 * Adds a list operation on states and declares their updates. `tensors[t]` are the operands of `each`. Returns the results
 * after those that are stored.
 */
export function applyToList<A extends Attributes>(
  operation: Operation<A>,
  tensors: readonly (readonly Tensor[])[],
  shared: readonly Tensor[],
  attrs: A,
): Tensor[] {
  if (tensors.length === 0) throw shapeError(operation.name, 'the list', 'at least one tensor', []);
  const operands = [...tensors.flat(), ...shared];
  const { graph } = operands[0];
  const results = graph.apply(operation, operands, attrs);
  const pairs = operation.stores!(operands.length);
  for (const [result, operand] of pairs) {
    const name = sourceName(operands[operand]);
    if (name === undefined || !graph.states.has(name))
      throw invalid(operation.name, 'states to be updated', operands[operand]);
    graph.update(name, results[result]);
  }
  return results.slice(pairs.length);
}
