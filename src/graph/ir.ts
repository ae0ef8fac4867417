/**
 * The graph: typed, static-shape, append-only dataflow. Nodes are in the order in which they were made, which is a
 * topological order; nothing is ever changed in place. Tensors are symbolic: a shape and a dtype, no data.
 */
import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import type { StateSpec, TypedArray } from '../native/plan-spec.js';
import type { Attributes, DType, Operation, Shape, TensorType } from './operation.js';
import { elements } from './operation.js';
import { add } from './ops/add.js';
import { gelu } from './ops/gelu.js';
import { mul } from './ops/mul.js';
import { relu } from './ops/relu.js';
import { reshape } from './ops/reshape.js';
import { scale } from './ops/scale.js';
import { checkShape, formatShape, sameShape } from './shape.js';

/** A result of a node. The methods are the free functions of the same name. */
export class Tensor implements TensorType {
  constructor(
    readonly node: Node,
    /** Which result of the node. */
    readonly index: number,
    readonly shape: Shape,
    readonly dtype: DType,
  ) {}

  get graph(): Graph {
    return this.node.graph;
  }

  add(other: Tensor): Tensor {
    return add(this, other);
  }
  mul(other: Tensor): Tensor {
    return mul(this, other);
  }
  scale(factor: number): Tensor {
    return scale(this, factor);
  }
  relu(): Tensor {
    return relu(this);
  }
  gelu(): Tensor {
    return gelu(this);
  }
  reshape(shape: Shape): Tensor {
    return reshape(this, shape);
  }
}

/** One application of an operation. Sources (inputs and states) are nodes without operands. */
export interface Node {
  /** Position in `graph.nodes`. */
  readonly id: number;
  readonly graph: Graph;
  readonly operation: Operation;
  /** In the order of the operation's operands; undefined where an optional one is absent. */
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly Tensor[];
  readonly attrs: Attributes;
}

/** A named buffer that outlives runs. */
export interface StateDeclaration {
  readonly tensor: Tensor;
  /** True for parameters: differentiate() gives their gradients. */
  readonly trainable: boolean;
  /** The content, where the graph itself fixes it (constants). */
  readonly value?: TypedArray;
}

function source(name: string): Operation {
  const refuse = (): never => {
    throw new FlashbookError('INTERNAL', `${name} has no rule: it is a source`);
  };
  return { name, operands: [], results: ['value'], infer: refuse, reference: refuse };
}

export const INPUT = source('input');
export const STATE = source('state');

const ARRAY_OF: Record<DType, new (data: ArrayLike<number>) => TypedArray> = {
  f32: Float32Array,
  i32: Int32Array,
  u32: Uint32Array,
  i8: Int8Array,
  u8: Uint8Array,
};

export class Graph {
  readonly nodes: Node[] = [];
  /** In the order in which a plan takes them. */
  readonly inputs = new Map<string, Tensor>();
  readonly states = new Map<string, StateDeclaration>();
  /** In the order in which a plan gives them. */
  readonly outputs = new Map<string, Tensor>();
  /** State name → the value that is in the buffer after a run. Every read in the graph sees the value before the run. */
  readonly updates = new Map<string, Tensor>();
  #streams = 0;

  /** Declares a tensor that the caller gives at each run. */
  input(name: string, shape: Shape, dtype: DType = 'f32'): Tensor {
    this.#checkName('input', name, this.inputs);
    const tensor = this.#source(INPUT, name, shape, dtype);
    this.inputs.set(name, tensor);
    return tensor;
  }

  /** The state buffer of that name: declared at the first call, the same tensor at every later one. */
  state(name: string, shape: Shape, dtype: DType = 'f32', options: { trainable?: boolean } = {}): Tensor {
    checkOptions('state', options, ['trainable']);
    const { trainable } = options;
    const known = this.states.get(name);
    if (known !== undefined) {
      if (!sameShape(known.tensor.shape, shape) || known.tensor.dtype !== dtype) {
        const was = `${known.tensor.dtype} ${formatShape(known.tensor.shape)}`;
        throw new FlashbookError(
          'SHAPE',
          `state '${name}' was declared as ${was}, now as ${dtype} ${formatShape(shape)}`,
          {
            name,
          },
        );
      }
      if (trainable !== undefined && trainable !== known.trainable) {
        const was = known.trainable ? 'trainable' : 'not trainable';
        throw new FlashbookError('OPTION', `state '${name}' was declared as ${was} before`, { name });
      }
      return known.tensor;
    }
    this.#checkName('state', name, this.states);
    const tensor = this.#source(STATE, name, shape, dtype);
    this.states.set(name, { tensor, trainable: trainable ?? false });
    return tensor;
  }

  /**
   * A state buffer with a fixed content (positions, masks). Who creates the State fills it from `constants(graph)`.
   * A second constant of the same name must have the same content.
   */
  constant(name: string, shape: Shape, data: ArrayLike<number>, dtype: DType = 'f32'): Tensor {
    if (data.length !== elements(shape)) {
      throw invalid(`constant '${name}'`, `${elements(shape)} values for shape ${formatShape(shape)}`, data, 'SHAPE');
    }
    const value = new ARRAY_OF[dtype](data);
    const known = this.states.get(name);
    const tensor = this.state(name, shape, dtype);
    if (known !== undefined && !value.every((v, i) => Object.is(v, known.value?.[i]))) {
      throw new FlashbookError('DATA', `constant '${name}' was declared before with another content, or none`, {
        name,
      });
    }
    this.states.set(name, { tensor, trainable: false, value });
    return tensor;
  }

  /** Names a result of the graph. */
  output(name: string, tensor: Tensor): void {
    this.#checkName('output', name, this.outputs);
    this.#checkOwner(`output '${name}'`, tensor);
    this.outputs.set(name, tensor);
  }

  /** Says that state `name` holds `tensor` after the run. */
  update(name: string, tensor: Tensor): void {
    const declared = this.states.get(name);
    if (declared === undefined) throw invalid('update', 'the name of a state of this graph', name);
    this.#checkName('update of', name, this.updates);
    this.#checkOwner(`update of '${name}'`, tensor);
    const { shape, dtype } = declared.tensor;
    if (!sameShape(shape, tensor.shape) || dtype !== tensor.dtype) {
      const came = `${tensor.dtype} ${formatShape(tensor.shape)}`;
      throw new FlashbookError(
        'SHAPE',
        `update of '${name}': expected ${dtype} ${formatShape(shape)} but received ${came}`,
        {
          name,
        },
      );
    }
    this.updates.set(name, tensor);
  }

  /** Adds a node after checking its operands, and returns its results. For the op files and for rewriting passes. */
  apply<A extends Attributes>(operation: Operation<A>, inputs: readonly (Tensor | undefined)[], attrs: A): Tensor[] {
    const operands = checkOperands(operation.name, operation.operands, inputs);
    for (const [i, tensor] of operands.entries()) {
      if (tensor !== undefined) this.#checkOwner(`operand ${i} of ${operation.name}`, tensor);
    }
    const types = operation.infer(operands as readonly Tensor[], attrs);
    const outputs: Tensor[] = [];
    const node: Node = {
      id: this.nodes.length,
      graph: this,
      operation: operation as unknown as Operation,
      inputs: operands,
      outputs,
      attrs,
    };
    for (const [i, type] of types.entries()) outputs.push(new Tensor(node, i, [...type.shape], type.dtype));
    this.nodes.push(node);
    return outputs;
  }

  /** A number that no other random operation of this graph has: its Philox stream. */
  nextStream(): number {
    return this.#streams++;
  }

  /** Keeps later streams clear of one that a rewritten node brings along. */
  reserveStream(stream: number): void {
    this.#streams = Math.max(this.#streams, stream + 1);
  }

  #source(operation: Operation, name: string, shape: Shape, dtype: DType): Tensor {
    checkShape(`${operation.name} '${name}'`, shape);
    const outputs: Tensor[] = [];
    const node: Node = { id: this.nodes.length, graph: this, operation, inputs: [], outputs, attrs: { name } };
    outputs.push(new Tensor(node, 0, [...shape], dtype));
    this.nodes.push(node);
    return outputs[0];
  }

  #checkName(what: string, name: string, taken: ReadonlyMap<string, unknown>): void {
    if (typeof name !== 'string' || name === '') throw invalid(`the name of an ${what}`, 'a non-empty string', name);
    if (taken.has(name)) throw new FlashbookError('OPTION', `${what} '${name}' is already declared`, { name });
  }

  #checkOwner(where: string, tensor: Tensor): void {
    if (tensor.graph !== this) throw new FlashbookError('OPTION', `${where} belongs to another graph`);
  }
}

/** Fits the given operands to the operation's list: all required ones there, dtypes right, absent optional ones undefined. */
function checkOperands(
  operation: string,
  declared: readonly string[],
  given: readonly (Tensor | undefined)[],
): (Tensor | undefined)[] {
  const variadic = declared.length === 1 && declared[0].endsWith('…');
  const names = variadic ? given.map((_, i) => `${declared[0].slice(0, -1)}${i}`) : declared;
  if (given.length > names.length || (variadic && given.length === 0)) {
    throw invalid(
      `operands of ${operation}`,
      variadic ? 'one or more' : `at most ${names.length}`,
      given.length,
      'SHAPE',
    );
  }
  return names.map((declaration, i) => {
    const [bare, dtypes = 'f32'] = declaration.split(':');
    const optional = bare.endsWith('?');
    const name = optional ? bare.slice(0, -1) : bare;
    const tensor = given[i];
    if (tensor === undefined) {
      if (!optional) throw invalid(name, `a tensor as operand of ${operation}`, tensor, 'SHAPE');
    } else if (!dtypes.split('|').includes(tensor.dtype)) {
      throw new FlashbookError(
        'SHAPE',
        `${operation}: expected dtype ${dtypes.replace('|', ' or ')} for ${name} but received ${tensor.dtype}`,
        {
          operation,
          operand: name,
        },
      );
    }
    return tensor;
  });
}

/** The name of a source's input or state; undefined for computed tensors. */
export function sourceName(tensor: Tensor): string | undefined {
  const { operation, attrs } = tensor.node;
  return operation === INPUT || operation === STATE ? String(attrs.name) : undefined;
}

/** The state buffers of one or several graphs that share a State, each once, in order of declaration. */
export function stateSpecs(...graphs: readonly Graph[]): StateSpec[] {
  const specs = new Map<string, StateSpec>();
  for (const graph of graphs) {
    for (const [name, { tensor }] of graph.states) {
      const known = specs.get(name);
      if (known !== undefined && (known.dtype !== tensor.dtype || !sameShape(known.shape, tensor.shape))) {
        throw new FlashbookError('SHAPE', `state '${name}' has different shapes or dtypes in two graphs`, { name });
      }
      specs.set(name, { name, dtype: tensor.dtype, shape: [...tensor.shape] });
    }
  }
  return [...specs.values()];
}

/** The contents of the graphs' constants by state name: set them once after creating the State. */
export function constants(...graphs: readonly Graph[]): Map<string, TypedArray> {
  const values = new Map<string, TypedArray>();
  for (const graph of graphs) {
    for (const [name, { value }] of graph.states) if (value !== undefined) values.set(name, value);
  }
  return values;
}
