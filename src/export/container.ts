import { createHash } from 'node:crypto';
import { FlashbookError } from '../core/errors.js';

/**
 * The container of an artefact, the .fbk file:
 *
 *     byte 0   8 bytes   magic: 89 'F' 'B' 'K' 0D 0A 1A 0A (as in PNG: damage by text-mode transfers shows at once)
 *     byte 8   u32       format version, little-endian
 *     byte 12  u32       bytes of the header
 *     byte 16  32 bytes  SHA-256 of bytes 0 to 15 and of the header
 *     byte 48  header    JSON (UTF-8): { manifest, sections: [{ name, offset, bytes, sha256 }], fileBytes }
 *              sections  each begins at a multiple of 64, in order; the gaps before them are zeros
 *
 * Every byte is covered: by the magic, by a digest, by the declared length or by being zero. Nothing here knows what the
 * manifest and the sections mean, and the reader needs no code that builds or trains models.
 */
const MAGIC = Uint8Array.of(0x89, 0x46, 0x42, 0x4b, 0x0d, 0x0a, 0x1a, 0x0a);
export const FORMAT_VERSION = 1;
const PREFIX_BYTES = 48;
const ALIGNMENT = 64;

export interface ArtefactSection {
  name: string;
  bytes: Uint8Array;
}

export interface ArtefactContents {
  manifest: Record<string, unknown>;
  /** Views of the bytes that were read. */
  sections: Map<string, Uint8Array>;
}

interface SectionEntry {
  name: string;
  offset: number;
  bytes: number;
  sha256: string;
}

/** Puts a manifest (plain JSON) and sections into one file. The same content always gives the same bytes. */
export function writeContainer(manifest: object, sections: readonly ArtefactSection[]): Uint8Array {
  const names = new Set(sections.map((section) => section.name));
  if (names.size !== sections.length)
    throw new FlashbookError('INTERNAL', 'two sections of an artefact have the same name');

  // The offsets depend on the header's length and that on the offsets' digits: repeat until it stands still.
  let headerBytes = 0;
  for (;;) {
    let position = PREFIX_BYTES + headerBytes;
    const entries: SectionEntry[] = sections.map(({ name, bytes }) => {
      const offset = aligned(position);
      position = offset + bytes.length;
      return { name, offset, bytes: bytes.length, sha256: sha256(bytes).toString('hex') };
    });
    const header = new TextEncoder().encode(JSON.stringify({ manifest, sections: entries, fileBytes: position }));
    if (header.length !== headerBytes) {
      headerBytes = header.length;
      continue;
    }
    const file = new Uint8Array(position);
    file.set(MAGIC);
    const view = new DataView(file.buffer);
    view.setUint32(8, FORMAT_VERSION, true);
    view.setUint32(12, headerBytes, true);
    file.set(header, PREFIX_BYTES);
    file.set(sha256(file.subarray(0, 16), header), 16);
    sections.forEach(({ bytes }, i) => {
      file.set(bytes, entries[i].offset);
    });
    return file;
  }
}

/**
 * Reads what `writeContainer` wrote and checks every byte of it.
 *
 * @param file its content; the returned sections are views of it.
 * @param source what the errors call it: usually the path.
 * @throws FlashbookError ARTEFACT: not an artefact, cut short, damaged, or of a newer format.
 */
export function readContainer(file: Uint8Array, source: string): ArtefactContents {
  const refuse = (problem: string, details = {}) =>
    new FlashbookError('ARTEFACT', `${source} ${problem}`, { file: source, ...details });
  const damaged = (what: string) => refuse(`is damaged: ${what}; copy or export it again`, { damaged: what });

  if (file.length === 0) throw refuse('is empty; an artefact (.fbk) was expected');
  if (!MAGIC.every((byte, i) => file[i] === byte)) {
    if (file.length < MAGIC.length && MAGIC.subarray(0, file.length).every((byte, i) => file[i] === byte)) {
      throw refuse(`is cut short: it ends after ${file.length} bytes; copy or export it again`);
    }
    throw refuse('is not a flashbook artefact (its first bytes are others); give a .fbk file that flashbook wrote');
  }
  if (file.length < PREFIX_BYTES)
    throw refuse(`is cut short: it ends after ${file.length} bytes; copy or export it again`);

  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const version = view.getUint32(8, true);
  if (version > FORMAT_VERSION) {
    throw refuse(
      `has artefact format ${version} but this flashbook reads up to ${FORMAT_VERSION}; update flashbook, or export it again`,
      { version, supported: FORMAT_VERSION },
    );
  }
  if (version === 0) throw damaged('its format version is 0');

  const headerBytes = view.getUint32(12, true);
  if (PREFIX_BYTES + headerBytes > file.length) {
    throw refuse(
      `is cut short: its header should have ${headerBytes} bytes but ${file.length - PREFIX_BYTES} are left; copy or export it again`,
    );
  }
  const header = file.subarray(PREFIX_BYTES, PREFIX_BYTES + headerBytes);
  if (!sha256(file.subarray(0, 16), header).equals(file.subarray(16, PREFIX_BYTES))) {
    throw damaged('the header does not match its digest');
  }

  // From here on the header is what the writer wrote; the checks below guard against a defective writer.
  let parsed: { manifest?: unknown; sections?: unknown; fileBytes?: unknown };
  try {
    parsed = JSON.parse(new TextDecoder().decode(header)) ?? {};
  } catch {
    throw damaged('the header is not JSON');
  }
  const { manifest, sections, fileBytes } = parsed as {
    manifest: Record<string, unknown>;
    sections: SectionEntry[];
    fileBytes: number;
  };
  if (typeof manifest !== 'object' || manifest === null || !Array.isArray(sections))
    throw damaged('the header is incomplete');
  if (file.length < fileBytes) {
    throw refuse(`is cut short: it has ${file.length} of ${fileBytes} bytes; copy or export it again`);
  }
  if (file.length !== fileBytes) throw damaged(`${file.length - fileBytes} bytes follow its end`);

  const contents: ArtefactContents = { manifest, sections: new Map() };
  let position = PREFIX_BYTES + headerBytes;
  for (const { name, offset, bytes, sha256: digest } of sections) {
    if (offset !== aligned(position) || offset + bytes > fileBytes)
      throw damaged(`section '${name}' lies outside its place`);
    for (; position < offset; position++) {
      if (file[position] !== 0) throw damaged(`the gap before section '${name}' is not zero at byte ${position}`);
    }
    const content = file.subarray(offset, offset + bytes);
    if (sha256(content).toString('hex') !== digest) throw damaged(`section '${name}' does not match its digest`);
    contents.sections.set(name, content);
    position = offset + bytes;
  }
  if (position !== fileBytes) throw damaged('bytes after the last section belong to none');
  return contents;
}

function aligned(position: number): number {
  return Math.ceil(position / ALIGNMENT) * ALIGNMENT;
}

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}
