import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { flashbook, SMALL_RUN, temporaryFolder } from './command.js';

const folder = temporaryFolder();
beforeAll(async () => {
  await writeFile(join(folder, 'empty.zip'), '');
  await writeFile(join(folder, 'words.zip'), 'this is not a zip file, and not LOBSTER either\n');
  await writeFile(join(folder, 'file'), 'a file where a folder is wanted');
  await writeFile(join(folder, 'foreign.fbk'), 'PK\x03\x04 something else');
});

describe('a command line that cannot be understood ends with 2 and says what is right', () => {
  const cases: [string[], RegExp][] = [
    [['run', '--horizens', '10'], /unknown option '--horizens'[\s\S]*--horizons/],
    [['rnu'], /unknown command 'rnu'[\s\S]*run/],
    [['run', '--seed', 'one'], /--seed <n>' argument 'one' is invalid. expected a whole number/],
    [['run', '--label', 'future'], /Allowed choices are mid, past/],
    [['run', '--horizons', '10,10', '--out', 'x'], /expected different numbers for horizons/],
    [['run', '--width', '30', '--heads', '4', '--out', 'x'], /a divisor of the width 30 for heads but received 4/],
    [['run', '--batch', '0', '--out', 'x'], /batch/],
    [['run', '--resume', '--out', 'nothing-here'], /there is no run to resume in nothing-here/],
    [['features', '--events', '3000', '--out', 'table.xlsx'], /\.csv or \.parquet but received 'table.xlsx'/],
    [['schedule', 'cosine', '--out', 'plot.png'], /'plot\.png' is invalid\. plots are SVG/],
    [['features'], /required option '--out <file>' not specified/],
    [['predict', 'any.fbk', '--last', '0'], /an integer of at least 1 for last but received 0/],
    [['predict', 'any.fbk', '--every', '-3'], /an integer of at least 1 for every but received -3/],
    [['run', '--format', 'lobster', '--out', 'x'], /a file in the format lobster for data but received undefined/],
    [['inspect'], /missing required argument 'file'/],
  ];
  for (const [args, message] of cases) {
    it(args.join(' '), async () => {
      const { code, stdout, stderr } = await flashbook(args, { cwd: folder });
      expect(stderr).toMatch(message);
      expect(stdout).toBe('');
      expect(code).toBe(2);
    });
  }
});

describe('bad input ends with 1, one clear sentence and no half-written output', () => {
  const cases: [string, string[], RegExp][] = [
    ['a missing file', ['run', '--data', 'gone.zip', '--out', 'out'], /gone\.zip.*no such file/],
    ['an empty file', ['run', '--data', 'empty.zip', '--out', 'out', '--format', 'lobster'], /empty\.zip/],
    ['not a zip', ['run', '--data', 'words.zip', '--out', 'out', '--format', 'lobster'], /words\.zip/],
    ['an unknown format', ['features', '--data', 'words.zip', '--out', 't.csv'], /no known format; known are lobster/],
    [
      'an output folder that cannot be',
      ['run', ...SMALL_RUN, '--steps', '2', '--out', 'file/run'],
      /cannot create .*not a folder/,
    ],
    [
      'a table that cannot be written',
      ['features', '--events', '3000', '--out', 'gone/t.csv'],
      /cannot write gone\/t\.csv/,
    ],
    ['too few events', ['run', '--events', '2000', '--horizons', '900', '--out', 'out'], /part has 400 of 2000 rows/],
    ['a foreign artefact', ['inspect', 'foreign.fbk'], /foreign\.fbk/],
    ['an artefact that is not there', ['predict', 'gone.fbk'], /cannot read gone\.fbk: there is no such file/],
  ];
  for (const [name, args, message] of cases) {
    it(name, async () => {
      const { code, stdout, stderr } = await flashbook(args, { cwd: folder });
      expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/^\s+at /m); // no stack: it is not a defect
      expect(stdout).toBe('');
      expect(code).toBe(1);
      expect((await readdir(folder)).filter((entry) => /^t\.csv|\.tmp$/.test(entry))).toEqual([]);
    });
  }

  it('a disk that is full while writing', async () => {
    const { code, stderr } = await flashbook(['features', '--events', '3000', '--out', 'full.csv'], {
      cwd: folder,
      fileLimit: 64,
    });
    expect(stderr).toMatch(/cannot write full\.csv/);
    expect(code).toBe(1);
    expect((await readdir(folder)).filter((entry) => entry.includes('full.csv'))).toEqual([]);
  });

  it('says it as JSON too', async () => {
    const { code, stdout } = await flashbook(['inspect', 'foreign.fbk', '--json'], { cwd: folder });
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'ARTEFACT' });
  });
});

describe('help', () => {
  it('names every command with what it does', async () => {
    const { code, stdout } = await flashbook(['--help']);
    expect(code).toBe(0);
    for (const command of ['run', 'predict', 'inspect', 'features', 'doctor'])
      expect(stdout).toMatch(new RegExp(`^  ${command} .*\\w`, 'm'));
  });

  it('exists for each command', async () => {
    for (const command of ['run', 'predict', 'inspect', 'features', 'doctor']) {
      const { code, stdout } = await flashbook([command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain('--json');
    }
  });
});
