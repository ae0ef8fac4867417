import { describe, FlashbookError, invalid } from '../core/errors.js';

/**
 * The safetensors format (https://github.com/huggingface/safetensors, "Format"): eight bytes with the header's length as a
 * little-endian u64, the header as JSON, then the tensors' bytes. The header maps a name to its dtype, shape and byte
 * range; ranges follow each other without holes or overlaps and end with the file. `__metadata__` maps strings to strings.
 */
export type SafetensorsDType =
  | 'BOOL'
  | 'U8'
  | 'I8'
  | 'U16'
  | 'I16'
  | 'F16'
  | 'BF16'
  | 'U32'
  | 'I32'
  | 'F32'
  | 'F64'
  | 'I64'
  | 'U64';

export type SafetensorsArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** A dense row-major tensor. F16 and BF16 are held as their bits in a Uint16Array. */
export interface StoredTensor {
  dtype: SafetensorsDType;
  shape: number[];
  data: SafetensorsArray;
}

export interface Safetensors {
  /** In the order of their bytes in the file. */
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
}

interface ArrayType {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): SafetensorsArray;
}

const ARRAY_TYPES: Readonly<Record<SafetensorsDType, ArrayType>> = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  U16: Uint16Array,
  I16: Int16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  U32: Uint32Array,
  I32: Int32Array,
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
};

/** The dtype that an array has when none is given. */
const DTYPE_OF_ARRAY = new Map<unknown, SafetensorsDType>([
  [Uint8Array, 'U8'],
  [Int8Array, 'I8'],
  [Uint16Array, 'U16'],
  [Int16Array, 'I16'],
  [Uint32Array, 'U32'],
  [Int32Array, 'I32'],
  [Float32Array, 'F32'],
  [Float64Array, 'F64'],
  [BigInt64Array, 'I64'],
  [BigUint64Array, 'U64'],
]);

/** The reference implementation refuses longer headers too. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * Writes tensors in the safetensors format. Tensors are laid out by falling element size, then by name, so that each is
 * aligned to its element and the same tensors always give the same bytes.
 *
 * @throws FlashbookError SHAPE when a shape does not fit its data, or dtype and array differ.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, { shape: readonly number[]; data: SafetensorsArray; dtype?: SafetensorsDType }>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const entries = [...tensors].map(([name, tensor]) => {
    if (name === '__metadata__') throw invalid('tensor name', "any name but '__metadata__'", name);
    const dtype = tensor.dtype ?? DTYPE_OF_ARRAY.get(tensor.data.constructor);
    if (dtype === undefined || !(tensor.data instanceof ARRAY_TYPES[dtype])) {
      throw invalid(
        `tensor '${name}'`,
        dtype === undefined ? 'a numeric typed array' : `data of dtype ${dtype}`,
        tensor.data,
        'SHAPE',
      );
    }
    const count = elementCount(tensor.shape);
    if (count !== tensor.data.length) {
      throw new FlashbookError(
        'SHAPE',
        `expected ${count} elements for tensor '${name}' of shape [${tensor.shape.join(', ')}] but received ${describe(tensor.data)}`,
        { name },
      );
    }
    return { name, dtype, shape: [...tensor.shape], data: tensor.data };
  });
  entries.sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT || (a.name < b.name ? -1 : 1));

  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  let position = 0;
  for (const { name, dtype, shape, data } of entries) {
    header.push([name, { dtype, shape, data_offsets: [position, position + data.byteLength] }]);
    position += data.byteLength;
  }
  // Built by hand: an object would move names that look like integers to the front.
  const json = `{${header.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`;
  const text = new TextEncoder().encode(json);
  const headerBytes = Math.ceil(text.length / 8) * 8; // spaces align the data to 8 bytes

  const file = new Uint8Array(8 + headerBytes + position);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, 8, 8 + headerBytes);
  file.set(text, 8);
  let at = 8 + headerBytes;
  for (const { data } of entries) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

/**
 * Reads a safetensors file. The tensors are copies: nothing points into `bytes` afterwards.
 *
 * @param source what the errors call the file.
 * @throws FlashbookError FORMAT for anything that the format does not allow.
 */
export function readSafetensors(bytes: Uint8Array, source = 'safetensors data'): Safetensors {
  const refuse = (problem: string, cause?: unknown) =>
    new FlashbookError('FORMAT', `${source} is not a valid safetensors file: ${problem}`, { file: source }, { cause });

  if (bytes.length < 8) throw refuse(`expected at least 8 bytes but it has ${bytes.length}`);
  const declared = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(Math.min(MAX_HEADER_BYTES, bytes.length - 8))) {
    throw refuse(`the header should have ${declared} bytes but ${bytes.length - 8} follow its length`);
  }
  const headerBytes = Number(declared);
  const header = parseHeader(bytes.subarray(8, 8 + headerBytes), refuse);

  const dataStart = 8 + headerBytes;
  const dataBytes = bytes.length - dataStart;
  let metadata: Record<string, string> = {};
  const ranges: { name: string; dtype: SafetensorsDType; shape: number[]; begin: number; end: number }[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isObject(value) || !Object.values(value).every((v) => typeof v === 'string')) {
        throw refuse('__metadata__ must map strings to strings');
      }
      metadata = value as Record<string, string>;
      continue;
    }
    ranges.push({ name, ...checkEntry(name, value, refuse) });
  }

  ranges.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const tensors: Safetensors['tensors'] = new Map();
  let position = 0;
  for (const { name, dtype, shape, begin, end } of ranges) {
    if (end > dataBytes) {
      throw refuse(`tensor '${name}' ends at byte ${end} of the data but the data has ${dataBytes} bytes`);
    }
    if (begin < position)
      throw refuse(`tensor '${name}' begins at byte ${begin}, inside the tensor that ends at ${position}`);
    if (begin > position) throw refuse(`no tensor covers the bytes ${position} to ${begin} before tensor '${name}'`);
    const copy = new Uint8Array(end - begin); // not bytes.slice(): a Buffer's slice is a view
    copy.set(bytes.subarray(dataStart + begin, dataStart + end));
    tensors.set(name, { dtype, shape, data: new ARRAY_TYPES[dtype](copy.buffer) });
    position = end;
  }
  if (position !== dataBytes) throw refuse(`${dataBytes - position} bytes after the last tensor belong to none`);
  return { tensors, metadata };
}

type Refuse = (problem: string, cause?: unknown) => FlashbookError;

function parseHeader(bytes: Uint8Array, refuse: Refuse): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw refuse("the header must begin with '{'");
  let header: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw refuse(`the header is not JSON (${(cause as Error).message})`, cause);
  }
  if (!isObject(header)) throw refuse('the header is not an object');
  const twice = repeatedKey(text);
  if (twice !== undefined) throw refuse(`the header names '${twice}' twice`);
  return header;
}

function checkEntry(name: string, value: unknown, refuse: Refuse) {
  if (!isObject(value)) throw refuse(`the entry of tensor '${name}' is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAY_TYPES, dtype)) {
    throw refuse(`tensor '${name}' has the unknown dtype ${describe(dtype)}`);
  }
  if (!isSizes(shape)) throw refuse(`tensor '${name}' has the shape ${describe(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[1] < offsets[0]) {
    throw refuse(`tensor '${name}' has the byte range ${describe(offsets)}`);
  }
  const expected = elementCount(shape) * ARRAY_TYPES[dtype as SafetensorsDType].BYTES_PER_ELEMENT;
  if (!Number.isSafeInteger(expected) || offsets[1] - offsets[0] !== expected) {
    throw refuse(
      `tensor '${name}' of dtype ${dtype} and shape [${shape.join(', ')}] needs ${expected} bytes but its range has ${offsets[1] - offsets[0]}`,
    );
  }
  return { dtype: dtype as SafetensorsDType, shape, begin: offsets[0], end: offsets[1] };
}

/** The first key that the outermost object of this valid JSON text holds twice. JSON.parse keeps the last one silently. */
function repeatedKey(text: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  let expectsKey = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"') {
      const start = i++;
      while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
      if (depth !== 1 || !expectsKey) continue;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      if (seen.has(key)) return key;
      seen.add(key);
      expectsKey = false;
    } else if (c === '{' || c === '[') {
      depth++;
      if (depth === 1) expectsKey = true;
    } else if (c === '}' || c === ']') {
      depth--;
    } else if (c === ',' && depth === 1) {
      expectsKey = true;
    }
  }
  return undefined;
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
