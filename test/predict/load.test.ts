import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { FlashbookError } from '../../src/core/errors.js';
import * as native from '../../src/native/index.js';
import { type LoadOptions, loadPredictor, readArtefact } from '../../src/predict/load.js';
import { OnnxPredictor } from '../../src/predict/onnx-predictor.js';
import { tinyArtefact, windows } from './tiny-artefact.js';

vi.mock('../../src/native/index.js', async (original) => {
  const module = await original<typeof native>();
  return { ...module, nativeAvailable: vi.fn(module.nativeAvailable), nativeProblem: vi.fn(module.nativeProblem) };
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flashbook-load-'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => vi.clearAllMocks());

async function file(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

describe('which backend', () => {
  test('auto takes the native core where there is one', async () => {
    const predictor = await loadPredictor(await file('half.fbk', tinyArtefact()));
    expect(predictor.backend).toBe('native');
    expect(predictor.reason).toMatch(/^the native core is available \(\w+\)$/);
    await predictor.dispose();
  });

  test('auto falls back to ONNX Runtime and says why', async () => {
    vi.mocked(native.nativeAvailable).mockReturnValue(false);
    vi.mocked(native.nativeProblem).mockReturnValue('no binary for plan9-mips; type: npm run build:native');
    const predictor = await loadPredictor(tinyArtefact());
    expect(predictor.backend).toBe('onnx');
    expect(predictor.reason).toBe(
      'the native core is not available: no binary for plan9-mips; type: npm run build:native',
    );
    expect(predictor.predictSync(windows(1)).logits).toEqual(windows(1).map((value) => value / 2));
    await predictor.dispose();
    await expect(loadPredictor(tinyArtefact(), { backend: 'native' })).rejects.toMatchObject({
      code: 'NATIVE',
      message: expect.stringMatching(/not available: no binary for plan9-mips/),
    });

    const missing = new FlashbookError(
      'BACKEND',
      'ONNX Runtime could not be loaded; install it with: npm install onnxruntime-node',
    );
    const open = vi.spyOn(OnnxPredictor, 'open').mockRejectedValue(missing);
    await expect(loadPredictor(tinyArtefact())).rejects.toMatchObject({
      code: 'BACKEND',
      message: expect.stringMatching(/^no backend can predict: .*plan9-mips.*npm install onnxruntime-node$/),
    });
    open.mockRestore();
    vi.mocked(native.nativeAvailable).mockReset();
    vi.mocked(native.nativeProblem).mockReset();
  });
});

describe('what is refused', () => {
  const refused = async (source: string | Uint8Array, code: string, message: RegExp) => {
    await expect(loadPredictor(source)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  };

  test('a missing file, a folder, an empty, a foreign and a truncated file, each named', async () => {
    await refused(join(folder, 'missing.fbk'), 'FILE', /cannot read .*missing\.fbk: .*no such file/);
    await refused(folder, 'FILE', /it is a folder/);
    await refused(await file('empty.fbk', ''), 'ARTEFACT', /empty\.fbk is empty/);
    await refused(await file('zip.fbk', 'PK\x03\x04'.padEnd(100)), 'ARTEFACT', /zip\.fbk is not a flashbook artefact/);
    const whole = tinyArtefact();
    await refused(await file('cut.fbk', whole.subarray(0, whole.length - 100)), 'ARTEFACT', /cut\.fbk is cut short/);
    await refused(17 as unknown as string, 'OPTION', /a path or a Uint8Array/);
  });

  test('a flipped byte anywhere', async () => {
    const whole = tinyArtefact();
    for (let i = 0; i < whole.length; i++) {
      const broken = whole.slice();
      broken[i] ^= 1 << (i % 8);
      await expect(readArtefact(broken), `byte ${i}`).rejects.toMatchObject({ code: 'ARTEFACT' });
    }
  });

  test('golden logits that are not met', async () => {
    for (const backend of ['native', 'onnx'] as const) {
      const wrong = tinyArtefact(({ golden }) => {
        golden.outputs.get('logits')![4] += 2e-4;
      });
      await expect(loadPredictor(wrong, { backend })).rejects.toMatchObject({
        code: 'ARTEFACT',
        message: expect.stringMatching(
          /golden window 0, horizon 1, class 1: expected logit 2\.500\d+ within 0\.0001 but (native|onnx) gives 2\.5;/,
        ),
      });
      const unchecked = await loadPredictor(wrong, { backend, verify: false });
      await unchecked.dispose();
    }
    const nan = tinyArtefact(({ golden }) => golden.outputs.get('logits')!.fill(Number.NaN));
    await expect(loadPredictor(nan)).rejects.toMatchObject({ code: 'ARTEFACT' });
  });

  test('plans and golden windows that do not fit the manifest', async () => {
    await refused(
      tinyArtefact(({ plans }) => (plans as Map<number, unknown>).delete(8)),
      'ARTEFACT',
      /plan of batch 8 is missing/,
    );
    await refused(
      tinyArtefact(({ plans }) => (plans as Map<number, unknown>).set(8, plans.get(1))),
      'ARTEFACT',
      /plan of batch 8 has other inputs or outputs/,
    );
    expect(() =>
      tinyArtefact(({ golden }) => {
        golden.features = new Float32Array(3);
      }),
    ).toThrow(/6 elements for tensor 'features'/);
  });

  test('a manifest that lacks something, naming it', () => {
    expect(() =>
      tinyArtefact(({ manifest }) => {
        (manifest.card as { seed: unknown }).seed = 'lucky';
      }),
    ).toThrow(/artefact manifest: card\.seed/);
  });

  test('unknown and wrong options', async () => {
    const source = tinyArtefact();
    await expect(loadPredictor(source, { bakend: 'native' } as LoadOptions)).rejects.toThrow(
      /no option 'bakend'; did you mean 'backend'/,
    );
    await expect(loadPredictor(source, { backend: 'nativ' as 'native' })).rejects.toThrow(/did you mean 'native'/);
    await expect(loadPredictor(source, { threads: 0 })).rejects.toThrow(/threads/);
  });
});

test('predict imports nothing that builds or trains', async () => {
  // The whole closure of load.ts, found by Node's own resolution of the import statements.
  const { readFile } = await import('node:fs/promises');
  const seen = new Set<string>();
  const waiting = [new URL('../../src/predict/load.ts', import.meta.url)];
  for (let url = waiting.pop(); url !== undefined; url = waiting.pop()) {
    if (seen.has(url.pathname)) continue;
    seen.add(url.pathname);
    const text = await readFile(url, 'utf8');
    for (const [, path] of text.matchAll(/from '(\.[^']+)'/g)) {
      waiting.push(new URL(path.replace(/\.js$/, path.endsWith('onnx-worker.js') ? '.js' : '.ts'), url));
    }
  }
  const folders = new Set([...seen].map((path) => path.replace(/.*\/src\/([^/]+)\/.*/, '$1')));
  expect([...folders].sort()).toEqual(['core', 'export', 'native', 'predict']);
});
