import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

// An inline function that is compiled with instruction-set flags and not made static is a weak symbol. The linker keeps
// one copy of those it finds, perhaps the one with AVX-512 in it, and every machine without would stop with an illegal
// instruction. So object files of kernels export strong symbols alone, and run nothing when they are loaded.

const root = join(import.meta.dirname, '..', '..', 'build', 'CMakeFiles');
const sets = ['avx2', 'avx512', 'avx512vnni', 'avx512bf16', 'amx'];
const objects = sets.flatMap((set) => {
  const folder = join(root, `kernels_${set}.dir`);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.o'))
    .map((name) => join(folder, name));
});

function tool(name: string, ...args: string[]): string {
  return execFileSync(name, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
}

/** What is wrong with an object file; empty when nothing is. */
function leaks(object: string): string[] {
  const weak = tool('nm', '-C', object)
    .split('\n')
    .filter((line) => /^[0-9a-f]* +[WwVvu] /.test(line));
  const initialisers = tool('objdump', '-h', object)
    .split('\n')
    .filter((line) => /\.init_array|\.ctors/.test(line));
  return [...weak, ...initialisers];
}

describe.skipIf(!existsSync(root))('object files with instruction-set flags', () => {
  it.each(objects.map((path) => [path.slice(root.length + 1), path]))('%s', (_, object) => {
    expect(leaks(object)).toEqual([]);
  });

  it('would be caught', () => {
    // Baseline code uses the standard library, whose templates are weak.
    const baseline = join(root, 'core.dir', 'native', 'engine', 'plan.cc.o');
    expect(leaks(baseline).length).toBeGreaterThan(0);
  });

  it('the addon exports its entry point alone and brings its own C++ library', () => {
    const addon = join(root, '..', 'Release', 'flashbook.node');
    const exported = tool('nm', '-D', '--defined-only', addon)
      .split('\n')
      .map((line) => line.split(' ').at(-1))
      .filter((name) => name);
    expect(
      exported.filter((name) => !/^(napi_register_module_v1|node_api_module_get_api_version_v1)$/.test(name as string)),
    ).toEqual([]);
    const needed = tool('objdump', '-p', addon)
      .split('\n')
      .filter((line) => line.includes('NEEDED'));
    expect(needed.join()).not.toMatch(/stdc\+\+/);
  });
});
