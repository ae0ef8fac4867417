import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { FlashbookError } from '../core/errors.js';

/** Text that can be read once, from a file of its own or from inside a zip archive. */
export interface TextSource {
  /** As errors name it: the path, or `archive.zip/entry.csv`. */
  readonly name: string;
  /** The file name alone. */
  readonly baseName: string;
  /** Uncompressed size. */
  readonly bytes: number;
  open(): Promise<Readable>;
}

/**
 * A plain file as a source.
 * @throws FlashbookError `FILE` when it is missing, a folder or unreadable; `FORMAT` when it is empty.
 */
export async function fileSource(path: string): Promise<TextSource> {
  const bytes = await sizeOf(path);
  return {
    name: path,
    baseName: basename(path),
    bytes,
    open: async () => createReadStream(path, { highWaterMark: 1 << 18 }),
  };
}

/**
 * A gzip file as a source. Its uncompressed size is the one that its last four bytes tell, modulo 4 GiB: for progress only.
 * @throws FlashbookError as `fileSource`
 */
export async function gzipSource(path: string): Promise<TextSource> {
  const packed = await sizeOf(path);
  const trailer = Buffer.alloc(4);
  const file = await open(path).catch((cause) => {
    throw readError(path, cause);
  });
  try {
    if (packed >= 18) await file.read(trailer, 0, 4, packed - 4);
  } finally {
    await file.close();
  }
  return {
    name: path,
    baseName: basename(path),
    bytes: Math.max(1, trailer.readUInt32LE()),
    open: async () => {
      const text = createGunzip({ chunkSize: 1 << 18 });
      const bytes = createReadStream(path);
      bytes.on('error', (cause) => text.destroy(cause));
      text.on('close', () => bytes.destroy());
      return bytes.pipe(text);
    },
  };
}

/** The two bytes that a gzip file begins with. */
export async function looksLikeGzip(path: string): Promise<boolean> {
  const bytes = await firstBytes(path, 2);
  return bytes.length === 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** The files inside a zip archive; `close()` it when all has been read. */
export interface Archive {
  readonly sources: TextSource[];
  close(): void;
}

/**
 * Opens a zip archive and lists its files (not its folders).
 * @throws FlashbookError `FILE` when it is missing or unreadable; `FORMAT` when it is empty, no zip archive, cut short or damaged.
 */
export async function openArchive(path: string): Promise<Archive> {
  await sizeOf(path);
  let zip: ZipFile;
  try {
    zip = await openPromise(path, { autoClose: false, strictFileNames: false });
  } catch (cause) {
    throw await zipError(path, cause);
  }
  const sources: TextSource[] = [];
  try {
    for await (const entry of zip.eachEntry()) {
      if (!entry.fileName.endsWith('/')) sources.push(entrySource(path, zip, entry));
    }
  } catch (cause) {
    zip.close();
    throw await zipError(path, cause);
  }
  return { sources, close: () => zip.close() };
}

function entrySource(path: string, zip: ZipFile, entry: Entry): TextSource {
  return {
    name: `${path}/${entry.fileName}`,
    baseName: basename(entry.fileName),
    bytes: entry.uncompressedSize,
    open: async () => {
      if (entry.isEncrypted()) {
        throw new FlashbookError(
          'FORMAT',
          `${path}/${entry.fileName} is encrypted; unpack the archive and give the files`,
          {
            file: path,
          },
        );
      }
      return zip.openReadStreamPromise(entry);
    },
  };
}

/** What stands at the beginning of a zip archive: a local file header, or the end record of an archive without files. */
export async function looksLikeZip(path: string): Promise<boolean> {
  const bytes = await firstBytes(path, 4);
  return bytes.length === 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);
}

/** The first bytes of a file, fewer where it is shorter. */
export async function firstBytes(path: string, count: number): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  try {
    for await (const part of createReadStream(path, { start: 0, end: count - 1 })) parts.push(part as Buffer);
  } catch (cause) {
    throw readError(path, cause);
  }
  return Buffer.concat(parts);
}

/** An error of the system while reading, as a FlashbookError that names the path and says what to do. */
export function readError(path: string, cause: unknown): FlashbookError {
  if (cause instanceof FlashbookError) return cause;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const reason =
    code === 'ENOENT'
      ? 'there is no such file'
      : code === 'EACCES' || code === 'EPERM'
        ? 'permission denied'
        : code === 'EISDIR'
          ? 'it is a folder, not a file'
          : cause instanceof Error
            ? cause.message
            : String(cause);
  return new FlashbookError(
    'FILE',
    `cannot read ${path}: ${reason}; check the path`,
    { file: path, system: code },
    { cause },
  );
}

async function sizeOf(path: string): Promise<number> {
  let size: number;
  try {
    const info = await stat(path);
    if (info.isDirectory()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
    size = info.size;
  } catch (cause) {
    throw readError(path, cause);
  }
  if (size === 0) throw new FlashbookError('FORMAT', `${path} is empty (0 bytes)`, { file: path, bytes: 0 });
  return size;
}

async function zipError(path: string, cause: unknown): Promise<FlashbookError> {
  const system = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (typeof system === 'string') return readError(path, cause);
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message = (await looksLikeZip(path))
    ? `${path} is a zip archive that is cut short or damaged (${reason}); download or copy it again`
    : `${path} is not a zip archive (it does not begin with the bytes PK)`;
  return new FlashbookError('FORMAT', message, { file: path, reason }, { cause });
}
