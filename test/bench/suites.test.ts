import { describe, expect, it } from 'vitest';
import { type BenchCase, benchTables, caseId, SUITES } from '../../src/bench/index.js';
import { measureCase } from '../../src/bench/measure.js';
import { attentionMemory } from '../../src/bench/suites/attention.js';
import { exampleResults } from './example-results.js';

const once = { rounds: 1, turnMs: 0, patienceMs: 0 };
const yardstick = { free: () => true, wait: async () => true };
const cases: BenchCase[] = [];
for (const suite of Object.values(SUITES)) cases.push(...(await suite({ threads: 1, quick: true })));

describe('the suites', () => {
  it('have a name for each case', () => {
    const names = cases.map(caseId);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(cases.map(({ suite }) => suite))).toEqual(new Set(Object.keys(SUITES)));
    for (const { contenders } of cases) expect(contenders[0].role).toBe('fast');
  });

  // The large ones differ in size alone.
  const wanted = [
    'gemm/f32 100 × 384 × 128, 1 thread',
    'gemm/int8 100 × 384 × 128, 1 thread',
    'gemm/int8 static 100 × 384 × 128, 1 thread',
    'gemm/f32 dx 6400 × 128 × 384, 1 thread',
    'gemm/f32 dw 384 × 128 × 6400, 1 thread',
    'attention/forward 4 × 100 × 32 causal, 1 thread',
    'attention/forward 8 × 512 × 64 full, 1 thread',
    'attention/forward + backward 64 × 4 × 100 × 32 causal, 1 thread',
    'predictor/int8, batch 1, whole last layer, 1 thread',
    'predictor/int8 static, batch 1, read rows only, 1 thread',
    'predictor/f32, batch 1, read rows only, 1 thread',
    'predictor/bf16, batch 1, read rows only, 1 thread',
    'predictor/predictSync of a tiny model, 1 thread',
    'market/book, 10 levels after each event, 1 thread',
    'market/features, the default set, 1 thread',
  ];
  const chosen = cases.filter((one) => wanted.includes(caseId(one)) || one.suite === 'rows');
  it('have the cases that are looked at here', () => expect(chosen.length).toBe(wanted.length + 7));

  it.each(chosen.map((one) => [caseId(one), one] as const))('%s: every contender is right', async (_, one) => {
    const { failures, times } = await measureCase(one, { pace: once, yardstick });
    expect(failures.filter(({ wrong }) => wrong)).toEqual([]);
    expect(times[0].role).toBe('fast');
  });
});

describe('the memory of attention', () => {
  it.each([true, false])('grows with the length, unfused with its square: causal %s', (causal) => {
    const sizes = [512, 1024, 2048, 4096].map((steps) => attentionMemory(steps, causal));
    for (const [i, { flash, unfused }] of sizes.entries()) {
      if (i === 0) continue;
      expect(flash / sizes[i - 1].flash).toBeLessThanOrEqual(2);
      expect(unfused / sizes[i - 1].unfused).toBeGreaterThan(2.5);
    }
  });
});

describe('the tables', () => {
  it('show a case with its rivals', () => {
    const tables = benchTables(exampleResults());
    expect(tables[1].head).toEqual(['case', 'median', 'p99', 'best', 'rate', 'of peak', 'ONNX Runtime']);
    expect(tables[1].rows).toEqual([
      ['f32 8 × 8 × 8', '1.00 ms', '1.20 ms', '1.00 ms', '50.0 GFLOP/s', '50 %', '2.50×'],
    ]);
  });

  it('show a wrong result as such', () => {
    const results = exampleResults();
    results.rows[0].times = [];
    results.rows[0].failures = [{ role: 'fast', name: 'flashbook', problem: 'element 3 is 1', wrong: true }];
    const text = JSON.stringify(benchTables(results));
    expect(text).toContain('wrong: element 3 is 1');
    expect(text).toContain('["f32 8 × 8 × 8","wrong"');
  });
});
