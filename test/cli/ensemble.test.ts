import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunMetrics } from '../../src/monitor/run-metrics.js';
import { readArtefact } from '../../src/predict/index.js';
import { flashbook, SMALL_RUN, temporaryFolder } from './command.js';

const folder = temporaryFolder();
const DATA = [
  ...['--events', '3000', '--window', '20', '--horizons', '5,20', '--levels', '3', '--seed', '7'],
  ...['--batch', '16', '--steps', '40', '--evaluate-every', '10', '--latency-samples', '20'],
];
const MODELS = [
  'pricePredictor:width=16:heads=2:layers=1:feed-forward=32',
  'tcnModel:width=8:layers=2',
  'lstmBaseline:width=16:layers=1:learning-rate=1e-3',
].join(',');
const CYCLES = [...SMALL_RUN, '--steps', '240', '--evaluate-every', '60', '--cycles', '3'];

const run = (out: string, args: string[], options = {}) =>
  flashbook(['run', ...args, '--out', out], { cwd: folder, ...options });

/** A moment after a stage has ended: long enough for the next to have begun. */
const MOMENT_MS = 250;

/** Runs, and ends the process a moment after it has said the words and has a folder that can be resumed. */
async function interrupted(out: string, args: string[], words: RegExp, signal: NodeJS.Signals) {
  let sent = false;
  const outcome = await run(out, args, {
    watch: (stderr: string, kill: (signal: NodeJS.Signals) => void) => {
      if (sent || !words.test(stderr)) return;
      sent = true;
      const end = () => setTimeout(existsSync(join(folder, out, 'run.json')) ? () => kill(signal) : end, MOMENT_MS);
      end();
    },
  });
  expect(sent, outcome.stderr).toBe(true);
  return outcome;
}

async function metricsOf(out: string): Promise<RunMetrics> {
  return JSON.parse(await readFile(join(folder, out, 'metrics.json'), 'utf8'));
}

/** What must be the same after interruptions: weights to the bit, scores, members. */
async function essence(out: string) {
  const weights = await Promise.all(
    ['model.fbk', 'model.int8.fbk'].map(async (name) => {
      const artefact = await readArtefact(join(folder, out, name));
      return createHash('sha256').update(artefact.section('weights.safetensors')).digest('hex');
    }),
  );
  const { predictors, ensemble, training } = await metricsOf(out);
  const members = ensemble!.members.map(({ training: own, ...member }) => ({ ...member, history: own?.history }));
  return { weights, members, history: training.history, scores: predictors.map(({ scores }) => scores) };
}

describe('flashbook run --ensemble of different models', () => {
  test('one artefact, and members with weights and scores of their own', async () => {
    const { code, stderr, stdout } = await run('models', [...DATA, '--ensemble', MODELS, '--json']);
    expect(code, stderr).toBe(0);
    const { ensemble, model, predictors, agreement, training } = JSON.parse(stdout) as RunMetrics;
    expect(model.name).toBe('ensemble of pricePredictor, tcnModel, lstmBaseline');
    const { members, kind, weighting } = ensemble!;
    expect({ kind, weighting }).toEqual({ kind: 'models', weighting: 'learned' });
    expect(members.map(({ name }) => name)).toEqual(['pricePredictor', 'tcnModel', 'lstmBaseline']);
    expect(model.parameters).toBe(members.reduce((sum, { parameters }) => sum + parameters, 0));
    expect(training.steps).toBe(120);
    for (const h of [0, 1]) {
      expect(members.reduce((sum, { weights }) => sum + weights[h], 0)).toBeCloseTo(1, 9);
      for (const { scores, validation } of members) {
        expect(scores[h].accuracy).toBeGreaterThan(0.1);
        expect(scores[h].macroF1).toBeGreaterThan(0);
        expect(validation.accuracy[h]).toBeGreaterThan(0.1);
      }
    }
    // Learned on the validation part: no worse there than the best member.
    expect(ensemble!.validation.loss).toBeLessThan(Math.min(...members.map(({ validation }) => validation.loss)));
    expect(members.every(({ training: own }) => own!.history.length === 4)).toBe(true);
    expect(predictors).toHaveLength(4);
    expect(agreement[0].maxLogitDifference).toBeLessThan(1e-4);

    const report = await readFile(join(folder, 'models', 'report.html'), 'utf8');
    expect(report).toContain('Members of the ensemble');
    expect(report).toContain('Validation loss of the members');
    expect(report).not.toMatch(/undefined|NaN/);
    expect(await readdir(join(folder, 'models'))).toEqual(
      expect.arrayContaining(['model.onnx', 'model.int8.onnx', 'training.jsonl.tcnModel']),
    );
  }, 120_000);

  test('is inspected and predicts', async () => {
    const inspected = await flashbook(['inspect', 'models/model.int8.fbk', '--json'], { cwd: folder });
    const { manifest } = JSON.parse(inspected.stdout);
    expect(manifest.model.kind).toBe('Ensemble');
    expect(manifest.card.metrics.members).toHaveLength(3);
    const predicted = await flashbook(['predict', 'models/model.fbk', '--events', '2000', '--last', '5', '--json'], {
      cwd: folder,
    });
    expect(JSON.parse(predicted.stdout).predictions).toHaveLength(5);
  }, 60_000);

  test('goes on after a kill and after an interrupt, to the same bits', async () => {
    const args = [...DATA, '--ensemble', MODELS];
    const killed = await interrupted('killed', args, /^pricePredictor\s+done/m, 'SIGKILL');
    // A machine so fast that all was done already is no failure of resuming.
    expect([null, 0]).toContain(killed.code);
    const stopped = await interrupted('killed', [...args, '--resume'], /^tcnModel\s+done/m, 'SIGINT');
    expect([0, 130]).toContain(stopped.code);
    const { code, stderr } = await run('killed', [...args, '--resume']);
    expect(code, stderr).toBe(0);
    expect(await essence('killed')).toEqual(await essence('models'));
  }, 180_000);

  test('refuses to resume with other members, and a new run leaves no files of the old one', async () => {
    const others = [...DATA, '--ensemble', 'rowMlp:width=8,rowMlp:width=16'];
    const refused = await run('killed', [...others, '--resume']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/was started with ensemble .*pricePredictor.*, now it is .*rowMlp/);
    await writeFile(join(folder, 'killed', 'notes.txt'), 'mine');
    expect((await run('killed', others)).code).toBe(0);
    const files = await readdir(join(folder, 'killed'));
    expect(files.filter((name) => name.startsWith('training.')).sort()).toEqual([
      ...['training.checkpoint.rowMlp', 'training.checkpoint.rowMlp-2'],
      ...['training.jsonl.rowMlp', 'training.jsonl.rowMlp-2'],
    ]);
    expect(files).toContain('notes.txt');
  }, 120_000);
});

describe.each([
  { kind: 'snapshots', words: /^features\s+done/m, members: ['snapshot 1', 'snapshot 2', 'snapshot 3'] },
  { kind: 'geometric', words: /^train\s+done/m, members: ['cycle 1', 'cycle 2', 'cycle 3'] },
])('flashbook run --ensemble $kind', ({ kind, words, members }) => {
  test('goes on after a kill and after an interrupt, to the same bits', async () => {
    const args = [...CYCLES, '--ensemble', kind];
    const whole = await run(`whole-${kind}`, args);
    expect(whole.code, whole.stderr).toBe(0);
    await interrupted(`killed-${kind}`, args, words, 'SIGKILL');
    const stopped = await interrupted(`killed-${kind}`, [...args, '--resume'], words, 'SIGINT');
    expect([0, 130]).toContain(stopped.code);
    const { code, stderr } = await run(`killed-${kind}`, [...args, '--resume']);
    expect(code, stderr).toBe(0);
    const [a, b] = [await essence(`whole-${kind}`), await essence(`killed-${kind}`)];
    expect(b).toEqual(a);
    expect(a.members.map(({ name }) => name)).toEqual(members);
    const { ensemble, training } = await metricsOf(`whole-${kind}`);
    expect(ensemble!.weighting).toBe('equal');
    expect(training.bestStep).toBeUndefined();
    expect(training.history.at(-1)!.step).toBe(training.steps);
  }, 180_000);
});
