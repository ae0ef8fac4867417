import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import layers from '../src/layers.json' with { type: 'json' };

const root = join(import.meta.dirname, '..');

function files(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((name) => pattern.test(name));
}

interface Import {
  file: string;
  from: string;
  to: string;
}

/** Every import of one source folder by another, type imports included. */
function imports(): Import[] {
  const found: Import[] = [];
  for (const file of files('src', /\.(ts|js)$/)) {
    const from = relative('src', file).split('/')[0];
    const text = readFileSync(join(root, file), 'utf8');
    for (const match of text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
      const target = relative('src', join(file, '..', match[1])).split('/')[0];
      if (target !== from && !target.endsWith('.js') && !target.endsWith('.json'))
        found.push({ file, from, to: target });
    }
  }
  return found;
}

describe('the tree', () => {
  const order = layers.order;
  const all = imports();

  it('is listed whole in layers.json', () => {
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    expect(folders.filter((name) => !order.includes(name))).toEqual([]);
    expect(all.length).toBeGreaterThan(10);
  });

  it('imports only what comes before, along the way of the data', () => {
    const sideways = layers.sideways as { from: string; to: string }[];
    const wrong = all.filter(
      ({ from, to }) =>
        order.includes(from) &&
        order.indexOf(to) >= order.indexOf(from) &&
        !sideways.some((permission) => permission.from === from && permission.to === to),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps its walls', () => {
    const wrong = all.filter(({ from, to }) => layers.walls.some((w) => w.from.includes(from) && w.never.includes(to)));
    expect(wrong).toEqual([]);
  });

  it('keeps its walls through the files that are imported too', () => {
    // The artefact's reader lives beside its writer: what predict pulls in must not pull in the graph either.
    for (const wall of layers.walls) {
      for (const folder of wall.from) {
        if (!readdirSync(join(root, 'src')).includes(folder)) continue;
        for (const file of files(join('src', folder), /\.(ts|js)$/)) {
          const reached = closure(file);
          const banned = reached.filter((name) => wall.never.includes(relative('src', name).split('/')[0]));
          expect(banned, `${file} reaches what it must not`).toEqual([]);
        }
      }
    }
  });

  it('touches the addon in src/native only, and napi.h in native/addon only', () => {
    const users = files('src', /\.(ts|js)$/).filter((file) =>
      /\.node['"`]/.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(users.filter((file) => !file.startsWith('src/native/'))).toEqual([]);
    const glue = files('native', /\.(cc|h)$/).filter((file) =>
      /#include\s+[<"]napi\.h/.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(glue.filter((file) => !file.startsWith('native/addon/'))).toEqual([]);
  });

  it('reads no clock and no Math.random where runs must repeat', () => {
    const pure = ['market', 'book', 'features', 'data', 'graph', 'nn', 'models', 'optim', 'train', 'compress', 'sim'];
    const offenders = pure
      .filter((folder) => readdirSync(join(root, 'src')).includes(folder))
      .flatMap((folder) => files(join('src', folder), /\.ts$/))
      .filter((file) =>
        /Math\.random\(|Date\.now\(|new Date\(\)|performance\.now\(/.test(readFileSync(join(root, file), 'utf8')),
      );
    expect(offenders).toEqual([]);
  });
});

/** All source files that a file pulls in at run time (type-only imports do not count). */
function closure(file: string): string[] {
  const seen = new Set<string>();
  const visit = (name: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    const text = readFileSync(join(root, name), 'utf8');
    for (const match of text.matchAll(/(?:import|export)\s+(type\s+)?[^;'"]*?from\s+'(\.[^']+)'/g)) {
      if (match[1] !== undefined) continue;
      const base = join(name, '..', match[2]);
      for (const candidate of [base.replace(/\.js$/, '.ts'), base]) {
        try {
          readFileSync(join(root, candidate));
          visit(candidate);
          break;
        } catch {
          // not this one
        }
      }
    }
  };
  visit(file);
  return [...seen];
}
