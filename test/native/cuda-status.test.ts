import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FlashbookError } from '../../src/core/errors.js';
import { packageVersion } from '../../src/core/version.js';
import { judge } from '../../src/native/cuda.js';
import { cpu, cuda, cudaStatus, device } from '../../src/native/index.js';

const root = join(import.meta.dirname, '..', '..');
const a100 = { name: 'A100', capability: 80, memoryBytes: 80 * 2 ** 30, multiprocessors: 108 };
const answer = (changes: object) =>
  judge({
    version: packageVersion(),
    driverVersion: 13000,
    runtimeVersion: 13000,
    devices: [a100],
    error: '',
    ...changes,
  });

describe('what the driver says', () => {
  it('is ready with a device of compute capability 8.0 or newer', () => {
    expect(answer({})).toMatchObject({ state: 'ready', device: a100 });
    expect(answer({}).found).toMatch('A100, compute capability 8.0, 80.0 GiB, driver for CUDA 13.0');
    expect(answer({ devices: [{ ...a100, name: 'H100', capability: 90 }] }).state).toBe('ready');
  });

  it.each([
    [{ driverVersion: 12040 }, 'driver too old', /offers CUDA 12\.4, flashbook needs 13\.0/],
    [{ driverVersion: 0, error: 'no CUDA-capable device' }, 'no driver', /does not answer: no CUDA-capable device/],
    [{ devices: [], error: 'no device' }, 'no device', /no NVIDIA device: no device/],
    [{ devices: [{ ...a100, name: 'T4', capability: 75 }] }, 'unsupported', /T4 has compute capability 7\.5/],
    [{ version: '0.0.1' }, 'problem', /built for flashbook 0\.0\.1/],
  ])('%o: %s', (changes, state, found) => {
    const status = answer(changes);
    expect(status.state).toBe(state);
    expect(status.found).toMatch(found);
    expect(status.device).toBeUndefined();
  });
});

describe('a device by its name', () => {
  it('is the processor for cpu, and for auto where CUDA is not ready', () => {
    expect(device('cpu')).toBe(cpu());
    if (cudaStatus().state !== 'ready') expect(device('auto')).toBe(cpu());
  });

  it('says why there is no CUDA device and what to do', () => {
    if (cudaStatus().state === 'ready') return;
    expect(() => cuda()).toThrow(FlashbookError);
    expect(() => device('cuda')).toThrow(`there is no CUDA device: ${cudaStatus().found}`);
  });

  it('is nothing else', () => {
    expect(() => device('gpu' as never)).toThrow(/'auto', 'cpu' or 'cuda' for device but received 'gpu'/);
  });
});

describe('the package flashbook-cuda', () => {
  const own = JSON.parse(readFileSync(join(root, 'packages', 'cuda', 'package.json'), 'utf8'));
  const main = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

  it('has the version of flashbook, no code and no scripts', () => {
    expect([own.version, own.peerDependencies.flashbook]).toEqual([main.version, main.version]);
    expect(own.scripts).toBeUndefined();
    expect(own.dependencies).toBeUndefined();
  });

  it('is no part of the main package', () => {
    expect(main.files.filter((entry: string) => /cuda|packages/.test(entry))).toEqual([]);
    expect({ ...main.dependencies, ...main.optionalDependencies }).not.toHaveProperty('flashbook-cuda');
  });
});
