import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { WindowDataset } from '../../src/data/index.js';
import { syntheticSession } from '../../src/market/index.js';
import { predictRows } from '../../src/pipeline/predict-rows.js';
import { prepareProtocol, scored } from '../../src/pipeline/protocol/prepare.js';
import { PROTOCOL_MEMBERS, PROTOCOL_WINDOW } from '../../src/pipeline/protocol/recipe.js';
import type { ProtocolResults } from '../../src/pipeline/protocol/study.js';
import { loadPredictor } from '../../src/predict/index.js';
import { flashbook, temporaryFolder } from './command.js';

const folder = temporaryFolder();

const study = (out: string, ...more: string[]) =>
  flashbook(['protocol', '--events', '4000', '--steps', '10', '--out', join(folder, out), '--json', ...more]);

test('scores the baseline, the best model and the ensemble, each beside the guesses, and repeats to the bit', async () => {
  const { code, stdout, stderr } = await study('a');
  expect(code, stderr).toBe(0);
  const results: ProtocolResults = JSON.parse(stdout);
  expect(results.tasks.map(({ label, horizon }) => `${label} ${horizon}`)).toEqual([
    ...['A 10', 'A 50', 'A 100', 'B 10', 'B 50', 'B 100'],
  ]);
  const { baseline, runs } = results;
  const [{ members, ensemble, weights, best }] = runs;
  expect(runs).toHaveLength(1);
  expect(members.map(({ name }) => name)).toEqual(PROTOCOL_MEMBERS.map(({ name }) => name));
  const others = members.filter(({ name }) => name !== baseline);
  const lowest = others.reduce((a, b) => (b.validationLoss < a.validationLoss ? b : a));
  const linear = members.find(({ name }) => name === baseline)!;
  expect(best).toBe(lowest.name);
  expect(members.filter(({ test }) => test !== undefined).map(({ name }) => name)).toEqual([best, baseline]);
  for (const { validation, test } of [linear, lowest, ensemble]) {
    for (const { accuracy, directional, classDirectional } of [...validation, ...test!]) {
      expect(accuracy).toBeGreaterThan(0.2);
      expect(directional).toHaveLength(4);
      expect(classDirectional).toHaveLength(4);
    }
  }
  for (const list of weights) expect(list.reduce((a, b) => a + b)).toBeCloseTo(1, 6);

  // Around each border as many rows are left out as the label reaches over.
  for (const { horizon, rows, balance } of results.tasks) {
    expect(rows).toBe(800 - 2 * horizon);
    expect(balance.train.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
  }
  expect(readFileSync(join(folder, 'a', 'protocol.md'), 'utf8')).toMatch(/^\| {2}\| ensemble of \d+ \| [\d.]+ % \|/m);
  expect(readFileSync(join(folder, 'a', 'protocol.svg'), 'utf8')).toMatch(/^<svg/);

  // The same folder: everything is there already. Another: the same from the seed.
  const again = JSON.parse((await study('a')).stdout) as ProtocolResults;
  const fresh = JSON.parse((await study('b')).stdout) as ProtocolResults;
  for (const other of [again, fresh]) {
    expect(other.runs[0].ensemble.test).toEqual(ensemble.test);
    expect(other.runs[0].weights).toEqual(weights);
  }
}, 120_000);

test('directions are the signs of the returns that are not 0, classes those beyond the threshold', () => {
  const { tasks } = prepareProtocol(syntheticSession({ seed: 1, events: 4000 }));
  for (const { label, horizon, threshold, classes, signs, change } of tasks) {
    const counts = [0, 0, 0];
    for (const [row, c] of classes.entries()) {
      const r = change[row];
      if (c < 0) expect(signs[row]).toBe(-1);
      else expect(signs[row], `${label} ${horizon}, row ${row}`).toBe(r === 0 ? -1 : 1 + Math.sign(r));
      if (c < 0) continue;
      expect(c).toBe(Math.abs(r) > threshold ? 1 + Math.sign(r) : 1);
      counts[1 + Math.sign(r)]++;
    }
    for (const count of counts.slice(0, horizon === 10 ? 3 : 1)) expect(count).toBeGreaterThan(0);
  }
});

describe('its ensemble as an artefact', () => {
  const artefact = join(folder, 'a', 'ensemble.fbk');
  const labels = ['A 10', 'A 50', 'A 100', 'B 10', 'B 50', 'B 100'];
  const names = [...labels, ...labels.map((label) => `${label} direction`)];

  test('says of each output which label and horizon it is', async () => {
    const { code, stdout, stderr } = await flashbook(['inspect', artefact, '--json']);
    expect(code, stderr).toBe(0);
    const { manifest } = JSON.parse(stdout);
    expect(manifest.output).toMatchObject({ names, horizons: [10, 50, 100, 10, 50, 100, 10, 50, 100, 10, 50, 100] });
    expect(manifest.label.outputs.map(({ name, kind }: { name: string; kind: string }) => [name, kind])).toEqual(
      names.map((name) => [name, name.startsWith('A') ? 'mid' : 'past']),
    );
    expect(manifest.input).toMatchObject({ steps: PROTOCOL_WINDOW });
    expect((await flashbook(['inspect', artefact])).stdout).toContain(
      'for horizons A 10, A 50, A 100, B 10, B 50, B 100, A 10 direction',
    );
  });

  test('scores on the test part what the study says, natively and by ONNX Runtime', async () => {
    const results: ProtocolResults = JSON.parse(readFileSync(join(folder, 'a', 'protocol.json'), 'utf8'));
    const { tasks, table, test: windows } = prepareProtocol(syntheticSession({ seed: 1, events: 4000 }));
    const raw = new WindowDataset({
      ...{ values: table.values, columns: table.columns, steps: PROTOCOL_WINDOW, rows: windows.rows },
    });
    for (const backend of ['native', 'onnx'] as const) {
      const predictor = await loadPredictor(artefact, { backend });
      const { logits } = await predictRows(predictor, raw);
      await predictor.dispose();
      for (const [t, task] of tasks.entries()) {
        const output = (o: number) =>
          Float32Array.from({ length: 3 * raw.length }, (_, i) => logits[36 * Math.floor(i / 3) + 3 * o + (i % 3)]);
        const own = { logits: output(t), direction: output(6 + t) };
        const { accuracy, macroF1, directional } = scored(task, own, raw.rows);
        const told = results.runs[0].ensemble.test![t];
        expect(directional[0]).toBeCloseTo(told.directional[0], 2);
        expect(accuracy, `${backend} ${names[t]}`).toBeCloseTo(told.accuracy, 2);
        expect(macroF1).toBeCloseTo(told.macroF1, 2);
      }
    }
  });

  test('predicts a session from the command line, a column for each output', async () => {
    const { code, stdout, stderr } = await flashbook([
      ...['predict', artefact, '--events', '2000', '--seed', '7', '--last', '20', '--json'],
    ]);
    expect(code, stderr).toBe(0);
    const { predictions } = JSON.parse(stdout);
    expect(predictions).toHaveLength(20);
    for (const row of predictions) {
      for (const name of names.map((each) => each.replaceAll(' ', '_'))) {
        const sum = ['down', 'flat', 'up'].reduce((total, c) => total + Number(row[`p_${c}_${name}`]), 0);
        expect(sum).toBeCloseTo(1, 3);
      }
    }
  });
});

test('leaves the test part alone where it is told to', async () => {
  const { code, stdout, stderr } = await study('c', '--no-test');
  expect(code, stderr).toBe(0);
  const [{ members, ensemble }] = (JSON.parse(stdout) as ProtocolResults).runs;
  expect([...members, ensemble].some(({ test }) => test !== undefined)).toBe(false);
  expect(readFileSync(join(folder, 'c', 'protocol.md'), 'utf8')).toContain('validation part');
}, 60_000);

test('several seeds: mean and deviation in the tables; a seed that is done is not trained again', async () => {
  const { code, stdout, stderr } = await study('c', '--no-test', '--seeds', '1,2');
  expect(code, stderr).toBe(0);
  const { runs }: ProtocolResults = JSON.parse(stdout);
  expect(runs.map(({ seed }) => seed)).toEqual([1, 2]);
  expect(stderr).not.toMatch(/^LSTM, seed 1 .*done/m);
  expect(stderr).toMatch(/^LSTM, seed 2 .*done/m);
  const table = readFileSync(join(folder, 'c', 'protocol.md'), 'utf8');
  expect(table).toMatch(/over 2 seeds/);
  const [a, b] = runs.map(({ ensemble }) => ensemble.validation[0].accuracy);
  const [mean, deviation] = [(a + b) / 2, Math.abs(a - b) / Math.SQRT2];
  expect(table).toContain(`| ensemble of 7 | ${(100 * mean).toFixed(1)} ± ${(100 * deviation).toFixed(1)} % |`);
  expect((await study('d', '--seeds', '1,1')).stderr).toMatch(/different seeds/);
}, 120_000);

test('refuses a folder that holds a study of other options', async () => {
  const { code, stderr } = await flashbook([
    'protocol',
    '--events',
    '4000',
    '--steps',
    '11',
    '--out',
    join(folder, 'c'),
  ]);
  expect(code).not.toBe(0);
  expect(stderr).toContain('belongs to another configuration');
});
