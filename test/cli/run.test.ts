import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunMetrics } from '../../src/monitor/run-metrics.js';
import { readArtefact } from '../../src/predict/index.js';
import { flashbook, type Outcome, SMALL_RUN, temporaryFolder } from './command.js';

const folder = temporaryFolder();
let whole: Outcome;
const STEPS = ['--steps', '60', '--evaluate-every', '20'];

beforeAll(async () => {
  whole = await flashbook(['run', ...SMALL_RUN, ...STEPS, '--out', 'whole', '--json'], { cwd: folder });
}, 300_000);

async function weightsDigest(run: string, name: string): Promise<string> {
  const artefact = await readArtefact(join(folder, run, name));
  return createHash('sha256').update(artefact.section('weights.safetensors')).digest('hex');
}

async function metricsOf(run: string): Promise<RunMetrics> {
  return JSON.parse(await readFile(join(folder, run, 'metrics.json'), 'utf8'));
}

describe('flashbook run', () => {
  it('writes report, metrics, artefacts and ONNX, and nothing half-done', async () => {
    expect(whole.stderr).not.toMatch(/error/);
    expect(whole.code).toBe(0);
    const files = await readdir(join(folder, 'whole'));
    expect(files).toEqual(
      expect.arrayContaining([
        'metrics.json',
        'model.fbk',
        'model.int8.fbk',
        'model.int8.onnx',
        'model.onnx',
        'report.html',
        'run.json',
      ]),
    );
    expect(files.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('prints one JSON object and nothing else on stdout, the same as metrics.json', async () => {
    const metrics = JSON.parse(whole.stdout) as RunMetrics;
    expect(metrics).toEqual(JSON.parse(await readFile(join(folder, 'whole', 'metrics.json'), 'utf8')));
    expect(metrics.horizons.map(({ horizon }) => horizon)).toEqual([5, 20]);
    for (const { balance, baselines, threshold } of metrics.horizons) {
      expect(balance.test.reduce((a, b) => a + b, 0)).toBeCloseTo(1);
      expect(baselines.majority.accuracy).toBeGreaterThan(0.2);
      expect(threshold).toBeGreaterThan(0);
    }
  });

  it('has predictors that agree', () => {
    const { agreement, predictors } = JSON.parse(whole.stdout) as RunMetrics;
    expect(predictors.map((p) => p.name)).toEqual([
      'native float32',
      'native INT8',
      'ONNX Runtime float32',
      'ONNX Runtime INT8',
    ]);
    expect(agreement[0]).toMatchObject({ a: 'native float32', b: 'ONNX Runtime float32' });
    expect(agreement[0].maxLogitDifference).toBeLessThan(1e-4);
    const [float32, int8] = predictors;
    for (const [h, score] of float32.scores.entries())
      expect(Math.abs(score.accuracy - int8.scores[h].accuracy)).toBeLessThan(0.02);
  });

  it('goes on after a kill with --resume, to the same bytes', async () => {
    const args = ['run', ...SMALL_RUN, ...STEPS, '--out', 'killed'];
    let killed = false;
    const first = await flashbook(args, {
      cwd: folder,
      watch: (stderr, kill) => {
        if (!killed && /^features\s+done/m.test(stderr)) {
          killed = true;
          setTimeout(() => kill('SIGINT'), 400);
        }
      },
    });
    // An interrupt saves the step that was made; a machine so fast that all was done already is no failure of resuming.
    expect([0, 130]).toContain(first.code);
    const second = await flashbook([...args, '--resume'], { cwd: folder });
    expect(second.code).toBe(0);
    // All but the time of creation in the card.
    for (const name of ['model.fbk', 'model.int8.fbk']) {
      expect(await weightsDigest('killed', name)).toBe(await weightsDigest('whole', name));
    }
    const [resumed, uninterrupted] = await Promise.all(['killed', 'whole'].map(metricsOf));
    expect(resumed.training.history).toEqual(uninterrupted.training.history);
    expect(resumed.predictors.map((p) => p.scores)).toEqual(uninterrupted.predictors.map((p) => p.scores));
  }, 300_000);

  it('refuses to resume another configuration, and names the difference', async () => {
    const { code, stderr } = await flashbook(['run', ...SMALL_RUN, '--steps', '61', '--out', 'whole', '--resume'], {
      cwd: folder,
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/was started with steps 60, now it is 61/);
  });
});

describe('a run that fails before it has data', () => {
  it('leaves what an earlier run made', async () => {
    const before = await readdir(join(folder, 'whole'));
    for (const bad of [
      ['--data', 'gone.zip'],
      ['--events', '2000', '--horizons', '900'],
    ]) {
      const { code } = await flashbook(['run', ...bad, '--out', 'whole'], { cwd: folder });
      expect(code).toBe(1);
    }
    expect(await readdir(join(folder, 'whole'))).toEqual(before);
    expect((await metricsOf('whole')).training.steps).toBe(60);
  });
});

describe('the artefact of the run', () => {
  it('is inspected', async () => {
    const { code, stdout } = await flashbook(['inspect', 'whole/model.int8.fbk', '--json'], { cwd: folder });
    expect(code).toBe(0);
    const { manifest, weights } = JSON.parse(stdout);
    expect(manifest).toMatchObject({
      precision: 'int8',
      output: { horizons: [5, 20], classes: ['down', 'flat', 'up'] },
    });
    expect(weights.some((w: { dtype: string }) => w.dtype === 'I8')).toBe(true);
    const text = await flashbook(['inspect', 'whole/model.fbk'], { cwd: folder });
    expect(text.stdout).toMatch(/Sections[\s\S]*Weights[\s\S]*Plans/);
    expect(text.stdout).not.toContain('undefined');
  });

  it('predicts, natively and through ONNX Runtime, the same', async () => {
    const predict = (backend: string) =>
      flashbook(
        [
          'predict',
          'whole/model.fbk',
          '--events',
          '3000',
          '--seed',
          '7',
          '--last',
          '50',
          '--backend',
          backend,
          '--json',
        ],
        { cwd: folder },
      );
    const [native, onnx] = [await predict('native'), await predict('onnx')];
    expect([native.code, onnx.code]).toEqual([0, 0]);
    const [a, b] = [JSON.parse(native.stdout), JSON.parse(onnx.stdout)];
    expect([a.backend, b.backend]).toEqual(['native', 'onnx']);
    expect(a.predictions).toHaveLength(50);
    for (const [i, row] of a.predictions.entries()) {
      for (const c of ['down', 'flat', 'up'])
        expect(Number(row[`p_${c}_5`])).toBeCloseTo(Number(b.predictions[i][`p_${c}_5`]), 3);
    }
  });

  it('with a flipped byte is refused by every command that reads it', async () => {
    const bytes = await readFile(join(folder, 'whole', 'model.fbk'));
    bytes[bytes.length >> 1] ^= 1;
    await writeFile(join(folder, 'flipped.fbk'), bytes);
    for (const command of ['inspect', 'predict']) {
      const { code, stdout, stderr } = await flashbook([command, 'flipped.fbk'], { cwd: folder });
      expect(stderr).toMatch(/flipped\.fbk .*does not match its digest/);
      expect(stdout).toBe('');
      expect(code).toBe(1);
    }
  });

  it('refuses a day that is shorter than its window, or has too few levels', async () => {
    const day = async (name: string, levels: number) => {
      await mkdir(join(folder, name));
      const book = Array.from({ length: levels }, (_, l) => `${5859400 + 100 * l},200,${5853300 - 100 * l},18`).join(
        ',',
      );
      await writeFile(join(folder, name, 'T_message_1.csv'), '34200.1,5,0,18,5853300,1\n'.repeat(3));
      await writeFile(join(folder, name, 'T_orderbook_1.csv'), `${book}\n`.repeat(3));
      return flashbook(['predict', 'whole/model.fbk', '--data', name, '--out', 'none.csv'], { cwd: folder });
    };
    const [short, flat] = [await day('short', 3), await day('flat', 2)];
    expect(short.stderr).toMatch(/3 events are fewer than one window of 20/);
    expect(flat.stderr).toMatch(/the model needs a book of 3 levels, flat has 2/);
    expect([short.code, flat.code]).toEqual([1, 1]);
    expect(await readdir(folder)).not.toContain('none.csv');
  });

  it('writes predictions as CSV', async () => {
    const { code } = await flashbook(
      ['predict', 'whole/model.int8.fbk', '--events', '3000', '--every', '100', '--out', 'p.csv'],
      { cwd: folder },
    );
    expect(code).toBe(0);
    const lines = (await readFile(join(folder, 'p.csv'), 'utf8')).trim().split('\n');
    expect(lines[0]).toBe('row,time_ns,mid,p_down_5,p_flat_5,p_up_5,class_5,p_down_20,p_flat_20,p_up_20,class_20');
    expect(lines).toHaveLength(1 + Math.ceil((3000 - 19) / 100));
  });
});

describe('flashbook features', () => {
  it('writes the same table as CSV and as Parquet', async () => {
    for (const name of ['t.csv', 't.parquet']) {
      expect((await flashbook(['features', '--events', '2000', '--out', name, '--json'], { cwd: folder })).code).toBe(
        0,
      );
    }
    const [head, ...rows] = (await readFile(join(folder, 't.csv'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    const bytes = await readFile(join(folder, 't.parquet'));
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const objects = await parquetReadObjects({ file });
    expect(rows).toHaveLength(2000);
    expect(objects).toHaveLength(2000);
    expect(Object.keys(objects[0])).toEqual(head);
    for (const i of [0, 999, 1999])
      expect(head.map((name) => Math.fround(Number(objects[i][name])))).toEqual(
        rows[i].map((cell) => Math.fround(Number(cell))),
      );
  });
});

describe('flashbook doctor', () => {
  it('says what is there', async () => {
    const { code, stdout } = await flashbook(['doctor', '--json']);
    expect(code).toBe(0);
    const { findings, runtime } = JSON.parse(stdout);
    expect(findings.map((f: { subject: string }) => f.subject)).toEqual(
      expect.arrayContaining([
        'Node',
        'native core',
        'instruction set',
        'threads',
        'CUDA',
        'ONNX Runtime',
        'prediction',
      ]),
    );
    expect(runtime.available).toContain('scalar');
  });

  it('says what to type where the native core is absent', async () => {
    const { code, stdout } = await flashbook(['doctor'], { env: { FLASHBOOK_NATIVE: 'off' } });
    expect(code).toBe(0);
    expect(stdout).toMatch(/native core .*off[\s\S]*npm run build:native/);
    expect(stdout).toMatch(/prediction .*ONNX Runtime/);
  });
});
