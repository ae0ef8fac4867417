import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { FlashbookError } from '../core/errors.js';
import { fileError, writeFileAtomic } from '../core/files.js';
import { DTYPE_BYTES, type DType, type TypedArray } from '../native/plan-spec.js';

/**
 * A checkpoint file: everything a training run needs to go on to the same bits. All integers little-endian.
 *
 *     bytes 0–7    magic "FBTRAIN\n"
 *     bytes 8–11   u32 format version
 *     bytes 12–15  u32 length of the header
 *     header       JSON (UTF-8): { state, tensors: [{ name, dtype, shape, offset }] }, padded with spaces to a multiple of 8
 *     data         the tensors, each at a multiple of 8 from the start of the data
 *     last 32      SHA-256 of all bytes before it
 *
 * The file is written under a temporary name and renamed, so a killed run leaves the previous checkpoint whole.
 */
const MAGIC = 'FBTRAIN\n';
const VERSION = 1;
const FIXED = 16;
const DIGEST = 32;
const ALIGN = 8;

export interface CheckpointTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

export interface Checkpoint<S = unknown> {
  /** JSON data: configuration, counters, history. */
  readonly state: S;
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
}

interface TensorEntry {
  name: string;
  dtype: DType;
  shape: number[];
  offset: number;
}

/** The bytes of a checkpoint file. */
export function encodeCheckpoint({ state, tensors }: Checkpoint): Uint8Array {
  const entries: TensorEntry[] = [];
  let dataBytes = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    entries.push({ name, dtype, shape: [...shape], offset: dataBytes });
    dataBytes += roundUp(data.byteLength);
  }
  const json = new TextEncoder().encode(JSON.stringify({ state, tensors: entries }));
  const headerBytes = roundUp(json.length);
  const file = new Uint8Array(FIXED + headerBytes + dataBytes + DIGEST);
  const view = new DataView(file.buffer);
  file.set(new TextEncoder().encode(MAGIC), 0);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, headerBytes, true);
  file.set(json, FIXED);
  file.fill(0x20, FIXED + json.length, FIXED + headerBytes);
  for (const entry of entries) {
    const { data } = tensors.get(entry.name)!;
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), FIXED + headerBytes + entry.offset);
  }
  const body = file.subarray(0, file.length - DIGEST);
  file.set(createHash('sha256').update(body).digest(), body.length);
  return file;
}

/**
 * Reads the bytes of a checkpoint file; `path` is only for messages.
 * @throws FlashbookError FORMAT when the bytes are no checkpoint, of another version, cut short or changed.
 */
export function decodeCheckpoint<S = unknown>(content: Uint8Array, path: string): Checkpoint<S> {
  const file = new Uint8Array(content.buffer, content.byteOffset, content.byteLength); // a Buffer's slice() would not copy
  const refuse = (what: string): FlashbookError =>
    new FlashbookError(
      'FORMAT',
      `${path} is not a usable checkpoint: ${what}. Train without resuming, or restore it.`,
      {
        file: path,
        bytes: file.length,
      },
    );
  if (file.length < FIXED || new TextDecoder().decode(file.subarray(0, 8)) !== MAGIC) {
    throw refuse(`it does not begin as a checkpoint does (${file.length} bytes)`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const version = view.getUint32(8, true);
  if (version !== VERSION) throw refuse(`expected format version ${VERSION} but found ${version}`);
  if (file.length < FIXED + DIGEST) throw refuse(`it is cut short after ${file.length} bytes`);
  const body = file.subarray(0, file.length - DIGEST);
  const digest = createHash('sha256').update(body).digest();
  if (!digest.equals(file.subarray(file.length - DIGEST))) {
    throw refuse(`its SHA-256 digest does not match its ${file.length} bytes; it is cut short or was changed`);
  }
  // From here on the bytes are those that encodeCheckpoint wrote.
  const headerBytes = view.getUint32(12, true);
  const header = JSON.parse(new TextDecoder().decode(file.subarray(FIXED, FIXED + headerBytes))) as {
    state: S;
    tensors: TensorEntry[];
  };
  const tensors = new Map<string, CheckpointTensor>();
  for (const { name, dtype, shape, offset } of header.tensors) {
    const length = shape.reduce((n, d) => n * d, 1);
    const start = FIXED + headerBytes + offset;
    const bytes = body.slice(start, start + length * DTYPE_BYTES[dtype]);
    tensors.set(name, { dtype, shape, data: viewAs(dtype, bytes.buffer, length) });
  }
  return { state: header.state, tensors };
}

/** Writes a checkpoint: the file at `path` is the old one or the new one, never a part. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await writeFileAtomic(path, encodeCheckpoint(checkpoint));
}

/**
 * Reads a checkpoint; undefined when there is no such file.
 * @throws FlashbookError FILE when it cannot be read, FORMAT as `decodeCheckpoint`.
 */
export async function readCheckpoint<S = unknown>(path: string): Promise<Checkpoint<S> | undefined> {
  let file: Uint8Array;
  try {
    file = await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(path, 'read', cause);
  }
  return decodeCheckpoint<S>(file, path);
}

function viewAs(dtype: DType, buffer: ArrayBuffer, length: number): TypedArray {
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer, 0, length);
    case 'i32':
      return new Int32Array(buffer, 0, length);
    case 'u32':
      return new Uint32Array(buffer, 0, length);
    case 'i8':
      return new Int8Array(buffer, 0, length);
    case 'u8':
      return new Uint8Array(buffer, 0, length);
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / ALIGN) * ALIGN;
}
