import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LossScaler, train } from '../../src/train/index.js';
import { fastestDevice } from './devices.js';
import { bitsOf, shortRun, smallModel } from './fixture.js';
import { temporaryFolder } from './temporary-folder.js';

const device = fastestDevice[1]();

describe('the state machine', () => {
  test('halves at an overflow, doubles after an interval without one', () => {
    const scaler = new LossScaler({ initial: 8, interval: 3 });
    const seen = [true, true, false, true, true, true, true, false, false].map((ok) => {
      scaler.observe(ok);
      return scaler.scale;
    });
    expect(seen).toEqual([8, 8, 4, 4, 4, 8, 8, 4, 2]);
  });

  test('never is 0 or infinite', () => {
    const scaler = new LossScaler({ initial: 2 ** 125, interval: 1 });
    for (let i = 0; i < 5; i++) scaler.observe(true);
    expect(scaler.scale).toBe(2 ** 126);
    for (let i = 0; i < 500; i++) scaler.observe(false);
    expect(scaler.scale).toBe(2 ** -126);
  });

  test('what was saved goes on; wrong options are named', () => {
    const first = new LossScaler({ interval: 3 });
    for (const ok of [true, false, true]) first.observe(ok);
    const second = new LossScaler({ interval: 3 });
    second.restore(JSON.parse(JSON.stringify(first.snapshot())));
    for (const ok of [true, true, false, true]) {
      first.observe(ok);
      second.observe(ok);
      expect(second.scale).toBe(first.scale);
    }
    expect(() => new LossScaler({ backoff: 2 })).toThrowError(/lossScale\.backoff/);
    expect(() => new LossScaler({ scale: 2 } as never)).toThrowError(/no option 'scale'/);
  });
});

describe('in training', () => {
  test('a power of two changes no bit', async () => {
    const plain = await train(smallModel(), shortRun({ device }));
    const scaled = await train(smallModel(), shortRun({ device, lossScale: { initial: 1024, interval: 4 } }));
    expect(bitsOf(scaled.parameters)).toBe(bitsOf(plain.parameters));
    expect(scaled.history.evaluations).toEqual(plain.history.evaluations);
    expect(scaled.history.steps.map(({ lossScale }) => lossScale).slice(0, 9)).toEqual([
      ...[1024, 1024, 1024, 1024, 2048, 2048, 2048, 2048, 4096],
    ]);
  });

  test('steps that overflow are left out until the factor has fallen far enough, and a resumed run does the same', async () => {
    const options = { device, horizonWeights: [50, 50], lossScale: { initial: 2 ** 126, backoff: 2 ** -20 } };
    const whole = await train(smallModel(), shortRun(options));
    const skipped = whole.history.steps.filter(({ skipped: left }) => left);
    expect(skipped.length).toBeGreaterThan(0);
    expect(skipped.length).toBeLessThan(5);
    const after = whole.history.steps[skipped[0].step];
    expect(after.lossScale! / skipped[0].lossScale!).toBe(2 ** -20);
    const checkpoint = join(temporaryFolder(), 'run.ckpt');
    const stop = new AbortController();
    const onProgress = ({ step }: { step: number }) => void (step === 5 && stop.abort());
    await expect(
      train(smallModel(), shortRun({ ...options, checkpoint, signal: stop.signal, onProgress })),
    ).rejects.toThrow();
    const resumed = await train(smallModel(), shortRun({ ...options, checkpoint, resume: true }));
    expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
    expect(resumed.history).toEqual(whole.history);
  });
});
