import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';

const before = process.env.FLASHBOOK_NATIVE;

afterEach(() => {
  if (before === undefined) delete process.env.FLASHBOOK_NATIVE;
  else process.env.FLASHBOOK_NATIVE = before;
});

/** The module anew, as a process would see it that starts with this FLASHBOOK_NATIVE. */
async function withNative(value: string) {
  process.env.FLASHBOOK_NATIVE = value;
  vi.resetModules();
  return import('../../src/native/index.js');
}

it('can be told to do without the native core', async () => {
  const native = await withNative('off');
  expect(native.nativeAvailable()).toBe(false);
  expect(native.nativeProblem()).toMatch(/FLASHBOOK_NATIVE=off/);
  for (const call of [native.cpu, native.runtimeInfo, () => native.setThreads(1)]) {
    expect(call).toThrow(expect.objectContaining({ code: 'NATIVE' }));
  }
});

it('says where it looked, for what, and what to type', async () => {
  const native = await withNative('/nowhere/flashbook.node');
  expect(native.nativeProblem()).toMatch(
    new RegExp(
      `${process.platform}-${process.arch}.*Node ${process.versions.node}.*/nowhere/flashbook.node.*npm run build:native`,
    ),
  );
});

it('says why a file that is no addon does not load', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'flashbook-load-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'flashbook.node');
  writeFileSync(path, 'not a shared object');
  const native = await withNative(path);
  expect(native.nativeAvailable()).toBe(false);
  expect(native.nativeProblem()).toMatch(/cannot be loaded: .*npm run build:native/s);
});
