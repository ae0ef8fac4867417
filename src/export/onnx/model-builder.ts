import { createHash } from 'node:crypto';
import { FlashbookError } from '../../core/errors.js';
import type { OnnxBuilder } from '../../graph/onnx-lowering.js';
import {
  type AttributeProto,
  AttributeType,
  encodeModel,
  type NodeProto,
  OnnxDType,
  type OnnxDTypeName,
  type TensorProto,
  type ValueInfoProto,
} from './schema.js';

export type OnnxAttribute = number | string | readonly number[];

/** Of the attributes used here, those that ONNX declares as float; any other number is an int. */
const FLOAT_ATTRIBUTES = new Set(['epsilon', 'alpha', 'beta', 'value_float', 'value_floats']);

export interface OnnxModelInfo {
  name: string;
  docString: string;
  producerVersion: string;
  /** Default 17, which all operators used here have had their final form by. */
  opset?: number;
  metadata?: Record<string, string>;
}

/**
 * Collects the nodes, initializers, inputs and outputs of an ONNX model and encodes it. A dimension is a number, or a name
 * for one that the caller of the model chooses.
 */
export class OnnxModelBuilder implements OnnxBuilder {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #names = new Set<string>();
  readonly #shared = new Map<string, string>();
  readonly #counters = new Map<string, number>();
  /** Written into the doc string of each node emitted from now on: what the nodes are part of. */
  scope = '';

  /** Adds a node and returns the names of its outputs. An empty input name stands for an absent optional input. */
  emit(
    opType: string,
    inputs: readonly string[],
    attrs: Readonly<Record<string, OnnxAttribute>> = {},
    outputs = 1,
  ): string[] {
    for (const input of inputs) {
      if (input !== '' && !this.#names.has(input)) {
        throw new FlashbookError('INTERNAL', `ONNX node ${opType} reads '${input}', which nothing before it makes`, {
          input,
        });
      }
    }
    const name = this.#unique(opType);
    const results = Array.from({ length: outputs }, (_, i) => this.#claim(i === 0 ? `${name}_out` : `${name}_out${i}`));
    const node: NodeProto = {
      opType,
      name,
      input: [...inputs],
      output: results,
      attribute: Object.entries(attrs).map(([key, value]) => attributeProto(key, value)),
    };
    if (this.scope !== '') node.docString = this.scope;
    this.#nodes.push(node);
    return results;
  }

  /** Adds an initializer under a name made from `name` and returns it; equal constants share one. */
  constant(name: string, dtype: OnnxDTypeName, shape: readonly number[], data: ArrayLike<number>): string {
    const count = shape.reduce((product, size) => product * size, 1);
    if (data.length !== count) {
      throw new FlashbookError(
        'INTERNAL',
        `ONNX constant '${name}' of shape [${shape.join(', ')}] needs ${count} elements but has ${data.length}`,
      );
    }
    const rawData = rawBytes(dtype, data);
    const digest = createHash('sha256').update(rawData).digest('hex');
    const key = `${dtype}[${shape.join()}] ${digest}`;
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const unique = this.#claim(this.#names.has(name) ? this.#unique(name) : name);
    this.#initializers.push({ name: unique, dataType: OnnxDType[dtype], dims: [...shape], rawData });
    this.#shared.set(key, unique);
    return unique;
  }

  /** Declares an input of the model. */
  input(name: string, dtype: OnnxDTypeName, shape: readonly (number | string)[], doc = ''): string {
    this.#inputs.push(valueInfo(this.#claim(name), dtype, shape, doc));
    return name;
  }

  /** Declares `value` as an output of the model, called `name`. */
  output(name: string, value: string, dtype: OnnxDTypeName, shape: readonly (number | string)[], doc = ''): void {
    const producer = this.#nodes.find((node) => node.output.includes(value));
    const alreadyOutput = this.#outputs.some((output) => output.name === value);
    if (producer === undefined || alreadyOutput) {
      const [copy] = this.emit('Identity', [value]);
      this.#rename(copy, name);
    } else {
      this.#rename(value, name);
    }
    this.#outputs.push(valueInfo(name, dtype, shape, doc));
  }

  /** The model as the bytes of an .onnx file. */
  finish(info: OnnxModelInfo): Uint8Array {
    return encodeModel({
      irVersion: 8,
      producerName: 'flashbook',
      producerVersion: info.producerVersion,
      docString: info.docString,
      opsetImport: [{ domain: '', version: info.opset ?? 17 }],
      metadataProps: Object.entries(info.metadata ?? {}).map(([key, value]) => ({ key, value })),
      graph: {
        name: info.name,
        docString: info.docString,
        node: this.#nodes,
        initializer: this.#initializers,
        input: this.#inputs,
        output: this.#outputs,
      },
    });
  }

  #rename(from: string, to: string): void {
    this.#claim(to);
    for (const node of this.#nodes) {
      node.input = node.input.map((name) => (name === from ? to : name));
      node.output = node.output.map((name) => (name === from ? to : name));
    }
  }

  #unique(stem: string): string {
    let name: string;
    do {
      const count = this.#counters.get(stem) ?? 0;
      this.#counters.set(stem, count + 1);
      name = `${stem}_${count}`;
    } while (this.#names.has(name));
    return name;
  }

  #claim(name: string): string {
    if (name === '' || this.#names.has(name)) {
      throw new FlashbookError('INTERNAL', `the ONNX value name '${name}' is empty or used twice`, { name });
    }
    this.#names.add(name);
    return name;
  }
}

function attributeProto(name: string, value: OnnxAttribute): AttributeProto {
  if (typeof value === 'string') return { name, type: AttributeType.string, s: new TextEncoder().encode(value) };
  if (typeof value === 'number') {
    return FLOAT_ATTRIBUTES.has(name)
      ? { name, type: AttributeType.float, f: value }
      : { name, type: AttributeType.int, i: integerOnly(name, value) };
  }
  return FLOAT_ATTRIBUTES.has(name)
    ? { name, type: AttributeType.floats, floats: [...value] }
    : { name, type: AttributeType.ints, ints: value.map((n) => integerOnly(name, n)) };
}

function integerOnly(name: string, value: number): number {
  if (!Number.isSafeInteger(value)) {
    throw new FlashbookError('INTERNAL', `the ONNX attribute '${name}' is an int but has the value ${value}`, { name });
  }
  return value;
}

const ARRAYS = {
  f32: Float32Array,
  f64: Float64Array,
  u8: Uint8Array,
  i8: Int8Array,
  i32: Int32Array,
  u32: Uint32Array,
  bool: Uint8Array,
} as const;

/** The values in their dtype, little-endian. int64 values are given as numbers. */
function rawBytes(dtype: OnnxDTypeName, data: ArrayLike<number>): Uint8Array {
  const array = dtype === 'i64' ? BigInt64Array.from(data, BigInt) : ARRAYS[dtype].from(data);
  return new Uint8Array(array.buffer as ArrayBuffer);
}

function valueInfo(
  name: string,
  dtype: OnnxDTypeName,
  shape: readonly (number | string)[],
  docString: string,
): ValueInfoProto {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, docString, type: { tensorType: { elemType: OnnxDType[dtype], shape: { dim } } } };
}
