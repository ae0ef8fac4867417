import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { expect, it, onTestFinished } from 'vitest';

const root = join(import.meta.dirname, '..');

/** The example of the README as a person would run it: in an empty folder, with the built package beside it. */
it('the TypeScript of the README has right types, runs and predicts', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const source = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  expect(source).toContain("from 'flashbook'");
  const folder = await mkdtemp(join(tmpdir(), 'flashbook-readme-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  // Node resolves the real path of a link, and from there the package's own dependencies.
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules', 'flashbook'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'example.ts'), source);
  const program = ts.createProgram([join(folder, 'example.ts')], {
    strict: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: ['node'],
  });
  const wrong = ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
  expect(wrong).toEqual([]);
  program.emit();

  const { stdout } = await promisify(execFile)(process.execPath, ['example.js'], { cwd: folder });
  const [backend, ...probabilities] = stdout.trim().split(' ');
  expect(backend).toBe('native');
  expect(probabilities).toHaveLength(9);
  for (let h = 0; h < 3; h++) {
    const sum = probabilities.slice(3 * h, 3 * h + 3).reduce((total, p) => total + Number(p), 0);
    expect(sum).toBeCloseTo(1, 2);
  }
  expect((await stat(join(folder, 'model.int8.fbk'))).size).toBeGreaterThan(1e6);
}, 300_000);
