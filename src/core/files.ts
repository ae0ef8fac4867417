import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FlashbookError } from './errors.js';

/** What a file is written from: the whole content, or parts of it in order. */
export type FileContent = Uint8Array | string | AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>;

/**
 * Writes a file so that it appears whole or not at all: under a temporary name in the same folder, flushed to disk, then
 * renamed. On any failure (a full disk included) the temporary file is removed and what was there before stays.
 *
 * @throws FlashbookError `FILE` naming the path, the system's reason and what to do.
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx');
    if (typeof content === 'string' || content instanceof Uint8Array) await handle.writeFile(content);
    else for await (const part of content) await writeWhole(handle, part);
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, path);
  } catch (cause) {
    await handle?.close().catch(() => {});
    await unlink(temporary).catch(() => {});
    if (cause instanceof FlashbookError) throw cause;
    throw fileError(path, 'write', cause);
  }
}

async function writeWhole(handle: FileHandle, part: Uint8Array | string): Promise<void> {
  const bytes = typeof part === 'string' ? Buffer.from(part, 'utf8') : part;
  let at = 0;
  while (at < bytes.length) at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten;
}

/** Creates a folder (and those above it) or says why it cannot be. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw fileError(path, 'create', cause);
  }
}

const REASONS: Record<string, string> = {
  ENOENT: 'there is no such file or folder; check the path',
  EACCES: 'permission denied; choose another place or change its permissions',
  EPERM: 'the operation is not permitted; choose another place',
  EROFS: 'the file system is read-only; choose another place',
  ENOSPC: 'the disk is full; free some space and run again',
  EDQUOT: 'the disk quota is used up; free some space and run again',
  EISDIR: 'it is a folder, a file was expected',
  ENOTDIR: 'part of the path is a file, not a folder',
  EEXIST: 'it exists already and is not a folder',
  EMFILE: 'too many files are open in this process',
  EFBIG: 'the file would be larger than the file system allows',
};

/** A system error about a file as a `FILE` error that says what to do. */
export function fileError(path: string, verb: 'read' | 'write' | 'create', cause: unknown): FlashbookError {
  const code = (cause as NodeJS.ErrnoException)?.code ?? 'unknown';
  const reason = REASONS[code] ?? (cause as Error)?.message ?? String(cause);
  return new FlashbookError(
    'FILE',
    `cannot ${verb} ${path}: ${reason} (${code})`,
    { file: path, system: code },
    { cause },
  );
}
