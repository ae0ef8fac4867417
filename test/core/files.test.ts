import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { makeFolder, writeFileAtomic } from '../../src/core/files.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flashbook-files-'));
  return () => rm(folder, { recursive: true });
});

describe('writeFileAtomic', () => {
  it('writes text, bytes and streams whole', async () => {
    await writeFileAtomic(join(folder, 'a'), 'text');
    await writeFileAtomic(join(folder, 'b'), new Uint8Array([1, 2, 3]));
    await writeFileAtomic(join(folder, 'c'), ['one,', 'two,', new Uint8Array([51])]);
    expect(await readFile(join(folder, 'a'), 'utf8')).toBe('text');
    expect([...(await readFile(join(folder, 'b')))]).toEqual([1, 2, 3]);
    expect(await readFile(join(folder, 'c'), 'utf8')).toBe('one,two,3');
    expect((await readdir(folder)).sort()).toEqual(['a', 'b', 'c']);
  });

  it('leaves what was there, and no temporary file, when writing fails half-way', async () => {
    const path = join(folder, 'report');
    await writeFile(path, 'before');
    async function* failing() {
      yield 'half of it';
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    }
    await expect(writeFileAtomic(path, failing())).rejects.toThrow(/cannot write .*report: the disk is full/);
    expect(await readFile(path, 'utf8')).toBe('before');
    expect(await readdir(folder)).toEqual(['report']);
  });

  it('fails on a really full device with the same words', async () => {
    // /dev/full accepts opens and refuses every write; the rename target is a normal folder.
    async function* full() {
      const { open } = await import('node:fs/promises');
      const device = await open('/dev/full', 'w');
      try {
        await device.write('x');
      } finally {
        await device.close();
      }
      yield 'never';
    }
    if (process.platform !== 'linux') return;
    await expect(writeFileAtomic(join(folder, 'x'), full())).rejects.toMatchObject({
      code: 'FILE',
      message: expect.stringContaining('the disk is full'),
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('names a folder that is not there, and a path through a file', async () => {
    await expect(writeFileAtomic(join(folder, 'no', 'x'), '')).rejects.toThrow('no such file or folder');
    await writeFile(join(folder, 'file'), '');
    await expect(makeFolder(join(folder, 'file', 'x'))).rejects.toThrow('part of the path is a file');
  });
});
