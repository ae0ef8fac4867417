import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { FlashbookError } from '../../src/core/errors.js';
import { readContainer, writeContainer } from '../../src/export/container.js';

const sections = [
  { name: 'weights', bytes: Uint8Array.from({ length: 301 }, (_, i) => (i * 37) & 255) },
  { name: 'empty', bytes: new Uint8Array(0) },
  { name: 'golden', bytes: Uint8Array.of(1, 2, 3) },
];
const manifest = { name: 'small', golden: { windows: 1 } };
const file = writeContainer(manifest, sections);

function refusal(bytes: Uint8Array): FlashbookError {
  try {
    readContainer(bytes, 'model.fbk');
  } catch (error) {
    expect(error).toBeInstanceOf(FlashbookError);
    expect((error as FlashbookError).code).toBe('ARTEFACT');
    expect((error as Error).message).toMatch(/^model\.fbk /);
    return error as FlashbookError;
  }
  throw new Error('was read without an error');
}

describe('the container', () => {
  test('comes back as it was written, from any alignment', () => {
    const shifted = new Uint8Array(file.length + 3);
    shifted.set(file, 3);
    for (const bytes of [file, shifted.subarray(3)]) {
      const read = readContainer(bytes, 'model.fbk');
      expect(read.manifest).toEqual(manifest);
      expect([...read.sections.keys()]).toEqual(['weights', 'empty', 'golden']);
      for (const { name, bytes: expected } of sections)
        expect(Uint8Array.from(read.sections.get(name)!)).toEqual(expected);
    }
  });

  test('is the same for the same content', () => {
    expect(writeContainer(manifest, sections)).toEqual(file);
  });

  test('every flipped bit is found', () => {
    for (let i = 0; i < file.length; i++) {
      for (const bit of [1, 16, 128]) {
        const broken = file.slice();
        broken[i] ^= bit;
        refusal(broken);
      }
    }
  });

  test('every truncation is found, and extra bytes too', () => {
    for (let length = 0; length < file.length; length++) {
      expect(refusal(file.slice(0, length)).message).toMatch(length === 0 ? /is empty/ : /is cut short/);
    }
    const longer = new Uint8Array(file.length + 5);
    longer.set(file);
    expect(refusal(longer).message).toMatch(/5 bytes follow its end/);
  });

  test('a foreign file is called one', () => {
    expect(
      refusal(new TextEncoder().encode('PK\x03\x04 some zip archive, long enough to hold a prefix of 48')).message,
    ).toMatch(/is not a flashbook artefact/);
    expect(refusal(Uint8Array.of(1)).message).toMatch(/is not a flashbook artefact/);
  });

  test('a newer format is called newer, and says what to do', () => {
    const newer = file.slice();
    new DataView(newer.buffer).setUint32(8, 2, true);
    const error = refusal(newer);
    expect(error.message).toMatch(/has artefact format 2 but this flashbook reads up to 1; update flashbook/);
    expect(error.details).toMatchObject({ version: 2, supported: 1 });
  });

  test('names the damaged section', () => {
    const broken = file.slice();
    broken[broken.length - 1] ^= 1;
    expect(refusal(broken).message).toMatch(/section 'golden' does not match its digest/);
  });

  test('a header with a right digest but wrong content is refused', () => {
    const forge = (header: object) => {
      const json = new TextEncoder().encode(JSON.stringify(header));
      const bytes = new Uint8Array(48 + json.length);
      bytes.set(file.subarray(0, 12));
      new DataView(bytes.buffer).setUint32(12, json.length, true);
      bytes.set(json, 48);
      bytes.set(createHash('sha256').update(bytes.subarray(0, 16)).update(json).digest(), 16);
      return bytes;
    };
    expect(refusal(forge({})).message).toMatch(/header is incomplete/);
    expect(
      refusal(forge({ manifest: {}, sections: [{ name: 'a', offset: 7, bytes: 3, sha256: '' }], fileBytes: 48 }))
        .message,
    ).toMatch(/is damaged/);
  });
});
