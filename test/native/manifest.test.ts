import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runtimeInfo } from '../../src/native/index.js';

const native = join(import.meta.dirname, '..', '..', 'native');

/** What CMakeLists.txt builds a kernel file for, by its name. */
function setsOf(family: string, file: string): string[] {
  if (file === 'reference.cc') return ['scalar'];
  if (file === `${family}.cc`) return ['avx2', 'avx512'];
  return ['avx2', 'avx512', 'vnni', 'bf16', 'amx']
    .filter((set) => file.endsWith(`_${set}.cc`))
    .map((set) => set.replace(/^(vnni|bf16)$/, 'avx512$1'));
}

const built = readdirSync(join(native, 'kernels'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name: family }) => {
    const sets = readdirSync(join(native, 'kernels', family)).flatMap((file) => setsOf(family, file));
    return [...new Set(sets)].map((isa) => `${family} ${isa}`);
  })
  .sort();

it('kernels.def lists exactly the variants that are built', () => {
  const lines = readFileSync(join(native, 'kernels.def'), 'utf8').matchAll(/^FB_KERNEL\((\w+), \w+, (\w+)\)$/gm);
  expect([...lines].map(([, family, isa]) => `${family} ${isa}`).sort()).toEqual(built);
});

it('every family has a plain reference', () => {
  const families = new Set(built.map((line) => line.split(' ')[0]));
  for (const family of families) expect(built).toContain(`${family} scalar`);
});

it('runtimeInfo() tells them, and which this machine can run', () => {
  const { kernels, available } = runtimeInfo();
  expect(kernels.map(({ family, isa }) => `${family} ${isa}`).sort()).toEqual(built);
  for (const { isa, available: here } of kernels) expect(here).toBe(available.includes(isa));
});
