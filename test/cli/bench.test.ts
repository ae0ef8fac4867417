import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { benchResultsSchema } from '../../src/bench/results.js';
import { flashbook, temporaryFolder } from './command.js';

const folder = temporaryFolder();
const quick = ['bench', '--quick', '--threads', '1', '--filter', 'gemm/f32 1 ×'];

describe('flashbook bench', () => {
  it('prints tables, and the same as JSON, which a later run is compared with', async () => {
    const file = join(folder, 'baseline.json');
    const first = await flashbook([...quick, '--out', file]);
    expect(first.code).toBe(0);
    expect(first.stdout).toMatch(/What this machine can do[\s\S]*gemm, 1 thread[\s\S]*f32 1 × 1024 × 128/);
    expect(first.stdout).not.toMatch(/rows, 1 thread/);

    const baseline = benchResultsSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    expect(baseline.rows.map(({ id }) => id)).toEqual(['gemm/f32 1 × 1024 × 128, 1 thread']);
    for (const time of baseline.rows[0].times) {
      time.medianMs /= 1000;
      time.minMs /= 1000;
      time.noise = 0;
    }
    await writeFile(file, JSON.stringify(baseline));
    const second = await flashbook([...quick, '--compare', file, '--json']);
    expect(second.code).toBe(1);
    const { comparison, ...results } = JSON.parse(second.stdout);
    expect(benchResultsSchema.parse(results).rows).toHaveLength(1);
    expect(comparison.slower).toHaveLength(1);
  });

  const misuse: [string[], RegExp, number][] = [
    [['--filter', '('], /Invalid regular expression/, 2],
    [['--filter', 'nothing has this name'], /no case matches the filter/, 2],
    [['--threads', '0'], /threads/, 2],
    [['--compare', 'gone.json'], /gone\.json.*no such file/, 1],
    [['--compare', 'foreign.json'], /foreign\.json does not hold the results of a benchmark/, 1],
  ];
  it.each(misuse)('%j', async (args, message, expected) => {
    await writeFile(join(folder, 'foreign.json'), '{"version":1}');
    const { code, stderr } = await flashbook(['bench', ...args], { cwd: folder });
    expect(stderr).toMatch(message);
    expect(code).toBe(expected);
  });
});
