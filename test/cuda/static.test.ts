/** The machine code of every kernel for six architectures: no spills, the units that it should use, and the table that is kept. */
import { describe, expect, test } from 'vitest';
import {
  ARCHITECTURES,
  type Cost,
  compiler,
  differences,
  inspectAll,
  type Kernel,
  kept,
  sources,
} from '../../scripts/cuda-static.mjs';
import { unavailable } from './simulator.js';

const table = kept();
const kernels = Object.entries(table.kernels).flatMap(([source, all]) =>
  Object.entries(all).map(([name, kernel]) => ({ source, name, kernel })),
);
const of = (kernel: Kernel, architecture: string) => kernel[architecture] as Cost;

describe('docs/cuda-kernels.json', () => {
  test('has every source and every architecture, without spills or local memory', () => {
    expect(Object.keys(table.kernels).sort()).toEqual(sources());
    for (const { name, kernel } of kernels) {
      for (const architecture of ARCHITECTURES) {
        const { registers, stack, spills } = of(kernel, architecture);
        expect({ name, architecture, stack, spills }).toEqual({ name, architecture, stack: 0, spills: 0 });
        expect(registers * kernel.threads, `${name} ${architecture}`).toBeLessThanOrEqual(65536);
      }
    }
  });

  test.each([
    [/gemm_tensor/, ['HMMA', 'LDSM', 'LDGSTS'], /gemm\/gemm/],
    [/qgemm_(tensor|fused)/, ['IMMA', 'LDSM', 'LDGSTS'], /qgemm/],
    [/attention_(forward|backward)</, ['HMMA', 'LDSM', 'LDGSTS'], /attention/],
  ])('%s uses %j on every architecture', (pattern, opcodes, file) => {
    const found = kernels.filter(({ source, name }) => file.test(source) && pattern.test(name));
    expect(found.length).toBeGreaterThan(0);
    for (const { name, kernel } of found) {
      for (const architecture of ARCHITECTURES) {
        const used = Object.keys(of(kernel, architecture).opcodes ?? {});
        expect(used, `${name} ${architecture}`).toEqual(expect.arrayContaining(opcodes));
      }
    }
  });

  test.skipIf(unavailable !== undefined)('is what the kernels are now', { timeout: 900_000 }, ({ skip }) => {
    skip(compiler() !== table.nvcc, `the table was made by nvcc ${table.nvcc}, this is ${compiler()}`);
    expect(differences(table.kernels, inspectAll()), 'npm run test:cuda-static -- --write takes it over').toEqual([]);
  });
});
