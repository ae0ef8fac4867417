import { type Node, sourceName } from '../graph/index.js';

/** Operations with a weight that int8 multiplies, and which operand it is. */
const WEIGHT_OF: Readonly<Record<string, number>> = { linear: 1, conv2d: 1, lstm: 2 };

/** The name of the state buffer that holds the weight of such a node; undefined for all others and for computed weights. */
export function weightName({ operation, inputs }: Node): string | undefined {
  const weight = inputs[WEIGHT_OF[operation.name]];
  return weight && sourceName(weight);
}
