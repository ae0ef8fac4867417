import { describe, expect, it } from 'vitest';
import { flashbook } from './command.js';

describe('flashbook profile', () => {
  it('shows kernels and the slowest steps', async () => {
    const { code, stdout } = await flashbook(['profile', '--threads', '1', '--repeats', '2', '--top', '3']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /prediction, PricePredictor, f32, batch 1, 1 thread[\s\S]*linear[\s\S]*The slowest 3 of \d+ steps/,
    );
  });

  it('prints one JSON object', async () => {
    const { stdout } = await flashbook(['profile', '--threads', '1', '--repeats', '1', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ threads: 1, batch: 1 });
  });

  const misuse: [string[], RegExp, number][] = [
    [['gone.fbk'], /gone\.fbk.*no such file/, 1],
    [['--precision', 'int4'], /Allowed choices are f32, bf16, int8/, 2],
    [['--isa', 'mmx'], /instruction set/, 1],
    [['--batch', '0'], /between 1 and 4096 for batch/, 2],
  ];
  it.each(misuse)('%j', async (args, message, expected) => {
    const { code, stderr } = await flashbook(['profile', ...args]);
    expect(stderr).toMatch(message);
    expect(code).toBe(expected);
  });
});
