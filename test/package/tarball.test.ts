import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');

/** A PATH with Node and the shell's own tools, but no compiler and no CMake. */
let bare: string;
let folder: string;
let files: string[];
let packed: string;

/** The real tarball, installed with scripts blocked in an empty folder, on a PATH without a compiler. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flashbook-tarball-'));
  await run('npm', ['run', '--silent', 'prebuild'], { cwd: root });
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root });
  const [description] = JSON.parse(stdout);
  files = description.files.map((file: { path: string }) => file.path);
  packed = join(folder, description.filename);

  bare = join(folder, 'bin');
  await mkdir(bare);
  for (const tool of ['node', 'npm', 'sh', 'env', 'uname', 'getconf', 'ldd']) {
    const { stdout: path } = await run('sh', ['-c', `command -v ${tool} || true`]);
    if (path.trim() !== '') await writeFile(join(bare, tool), `#!/bin/sh\nexec ${path.trim()} "$@"\n`, { mode: 0o755 });
  }
  const app = join(folder, 'app');
  await mkdir(app);
  await writeFile(join(app, 'package.json'), '{ "name": "app", "private": true, "type": "module" }');
  await run('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', packed], {
    cwd: app,
    env: bareEnvironment(),
  });
}, 600_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

function bareEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { HOME, NODE_EXTRA_CA_CERTS } = process.env;
  return { PATH: bare, HOME, ...(NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS }), NO_COLOR: '1', ...extra };
}

const command = (args: string[], env: Record<string, string> = {}) =>
  run(process.execPath, [join(folder, 'app', 'node_modules', 'flashbook', 'dist', 'cli', 'main.js'), ...args], {
    cwd: join(folder, 'app'),
    env: bareEnvironment(env),
  });

describe('the tarball', () => {
  it('holds what is needed to run and to build, and nothing else', async () => {
    const platform = `${process.platform}-${process.arch}`;
    expect(files).toEqual(
      expect.arrayContaining([
        'package.json',
        'README.md',
        'LICENSE',
        'CMakeLists.txt',
        'binding.gyp',
        'dist/index.js',
        'dist/index.d.ts',
        'dist/cli/main.js',
        'dist/predict/onnx-worker.js',
        'native/addon/addon.cc',
      ]),
    );
    expect(files.some((file) => file.startsWith(`prebuilds/${platform}`) && file.endsWith('flashbook.node'))).toBe(
      true,
    );
    expect(files.filter((file) => /^(test|bench|build|src|\.ci|runs)\//.test(file))).toEqual([]);
    expect((await stat(packed)).size).toBeLessThan(10e6);
  });

  it('runs no install script', async () => {
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([]);
  });

  it('works without a compiler: the shipped binary trains and predicts', async () => {
    const small = [
      '--events',
      '2000',
      '--window',
      '10',
      '--horizons',
      '5',
      '--levels',
      '2',
      '--layers',
      '1',
      '--width',
      '16',
      '--heads',
      '2',
    ];
    await command([
      'run',
      ...small,
      '--feed-forward',
      '16',
      '--batch',
      '16',
      '--steps',
      '5',
      '--latency-samples',
      '20',
      '--out',
      'run',
    ]);
    expect(await readdir(join(folder, 'app', 'run'))).toContain('report.html');
    const { stdout } = await command(['predict', 'run/model.int8.fbk', '--events', '2000', '--last', '3', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ backend: 'native', rows: 3 });
  }, 300_000);

  it('is a library with types for every subpath', async () => {
    const { exports } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    const names = Object.keys(exports).filter((name) => name !== './package.json');
    const lines = names.map((name) => `await import('flashbook${name.slice(1)}');`).join('\n');
    await writeFile(join(folder, 'app', 'all.mjs'), `${lines}\nconsole.log('all');`);
    expect((await run(process.execPath, ['all.mjs'], { cwd: join(folder, 'app') })).stdout).toBe('all\n');
    for (const name of names) {
      await stat(join(folder, 'app', 'node_modules', 'flashbook', exports[name].types));
    }
  });

  it('predicts through ONNX Runtime where no binary fits, and says so', async () => {
    const prebuilds = join(folder, 'app', 'node_modules', 'flashbook', 'prebuilds');
    await copyFile(join(folder, 'app', 'run', 'model.fbk'), join(folder, 'app', 'model.fbk'));
    await rename(prebuilds, join(dirname(prebuilds), 'elsewhere'));
    try {
      const script = `
        import { loadPredictor } from 'flashbook';
        const predictor = await loadPredictor('model.fbk');
        const { steps, features } = predictor.manifest.input;
        const { probabilities } = await predictor.predict(new Float32Array(steps * features.length));
        console.log(JSON.stringify({ backend: predictor.backend, reason: predictor.reason, sum: probabilities.reduce((a, b) => a + b, 0) }));
        await predictor.dispose();`;
      await writeFile(join(folder, 'app', 'fallback.mjs'), script);
      const { stdout } = await run(process.execPath, ['fallback.mjs'], { cwd: join(folder, 'app') });
      const { backend, reason, sum } = JSON.parse(stdout);
      expect(backend).toBe('onnx');
      expect(reason).toMatch(/native core/);
      expect(sum).toBeCloseTo(1, 4);
      const doctor = await command(['doctor']);
      expect(doctor.stdout).toMatch(/native core .*no native core for[\s\S]*prediction .*ONNX Runtime/);
    } finally {
      await rename(join(dirname(prebuilds), 'elsewhere'), prebuilds);
    }
  }, 120_000);
});
