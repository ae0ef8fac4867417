import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Device, Plan, State } from '../../src/native/index.js';
import { initialise } from '../../src/nn/index.js';
import { evaluate, type TrainProgress, train } from '../../src/train/index.js';
import { devices, fastestDevice } from './devices.js';
import { bitsOf, learnableWindows, type MemoryWindows, shortRun, smallModel } from './fixture.js';
import { temporaryFolder } from './temporary-folder.js';

describe.each(devices)('training on the %s device', (_, makeDevice) => {
  const device = makeDevice();

  test('the same seed gives the same weights and history to the bit, another seed others', async () => {
    const first = await train(smallModel(), shortRun({ device }));
    const again = await train(smallModel(), shortRun({ device }));
    const other = await train(smallModel(), shortRun({ device, seed: 6 }));
    expect(bitsOf(again.parameters)).toBe(bitsOf(first.parameters));
    expect(again.history).toEqual(first.history);
    expect(bitsOf(other.parameters)).not.toBe(bitsOf(first.parameters));
  });
});

test.skipIf(devices.length < 2)('native training follows the float64 definitions step by step', async () => {
  const [reference, native] = await Promise.all(
    devices.map(([, makeDevice]) =>
      train(smallModel({ dModel: 16 }), shortRun({ device: makeDevice(), learningRate: 1e-3 })),
    ),
  );
  for (const [i, want] of reference.history.steps.entries()) {
    const got = native.history.steps[i];
    expect(Math.abs(got.loss - want.loss), `loss of step ${i + 1}`).toBeLessThan(1e-4);
    expect(Math.abs(got.gradientNorm / want.gradientNorm - 1), `norm of step ${i + 1}`).toBeLessThan(1e-3);
  }
  for (const [i, want] of reference.history.evaluations.entries()) {
    expect(Math.abs(native.history.evaluations[i].loss - want.loss)).toBeLessThan(1e-4);
  }
});

describe.each([fastestDevice])('training on the %s device', (_, makeDevice) => {
  const device = makeDevice();

  test('learns one batch by heart', async () => {
    const one = learnableWindows(8, 3);
    const { history } = await train(smallModel({ dModel: 32, dropout: 0 }), {
      ...shortRun({ device, train: one, validation: one, steps: 150, labelSmoothing: 0, weightDecay: 0 }),
      evaluateEvery: 150,
      learningRate: 0.02,
      warmupSteps: 10,
      minLearningRate: 0.001,
    });
    expect(history.steps[0].loss).toBeGreaterThan(1.5);
    expect(history.steps.at(-1)!.loss).toBeLessThan(0.02);
    expect(history.steps.at(-1)!.accuracy).toEqual([1, 1]);
    expect(history.evaluations.at(-1)!.loss).toBeLessThan(0.02);
  });

  test('learns in bf16 too: other bits, near those of float32 at first, the same again', async () => {
    const one = learnableWindows(8, 3);
    const run = (precision: 'f32' | 'bf16') =>
      train(smallModel({ dModel: 32, dropout: 0 }), {
        ...shortRun({ device, precision, train: one, validation: one, steps: 80, labelSmoothing: 0, weightDecay: 0 }),
        evaluateEvery: 80,
        learningRate: 0.02,
      });
    const [rounded, again, plain] = [await run('bf16'), await run('bf16'), await run('f32')];
    expect(bitsOf(again.parameters)).toBe(bitsOf(rounded.parameters));
    const [first, last] = [rounded.history.steps[0].loss, rounded.history.steps.at(-1)!.loss];
    expect(first).not.toBe(plain.history.steps[0].loss);
    expect(Math.abs(first - plain.history.steps[0].loss)).toBeLessThan(0.02);
    expect(last).toBeLessThan(0.2 * first);
  });

  test('the profile has every kernel call of gradients and update, counted, only when asked for', async () => {
    const { profile } = await train(smallModel(), shortRun({ device, steps: 4, profile: true }));
    const kernels = new Set(profile!.map(({ kernel }) => kernel));
    for (const kernel of ['linear', 'matmul', 'attention_grad', 'update_adam']) expect(kernels).toContain(kernel);
    expect(profile!.every(({ calls }) => calls === 4)).toBe(true);
    expect((await train(smallModel(), shortRun({ device, steps: 4 }))).profile).toBeUndefined();
  });

  test('history has every step and the evaluations that were asked for, the last step included', async () => {
    const { history, steps, reason } = await train(smallModel(), shortRun({ device }));
    expect([steps, reason]).toEqual([15, 'steps']);
    expect(history.steps.map(({ step }) => step)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    expect(history.steps.map(({ epoch }) => epoch)).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2]);
    expect(history.evaluations.map(({ step }) => step)).toEqual([4, 8, 12, 15]);
    const losses = history.steps.slice(4, 8).map(({ loss }) => loss);
    expect(history.evaluations[1].trainLoss).toBeCloseTo(losses.reduce((a, b) => a + b) / 4, 12);
  });

  test('the weights returned are those of the best evaluation, and patience ends the run', async () => {
    // Noise cannot be learnt: the validation loss soon rises.
    const noise = learnableWindows(16, 8);
    for (const [h, target] of noise.targets.entries()) target.set(target.map((__, i) => (i * 7 + h) % 3));
    const validation = learnableWindows(30, 9);
    const result = await train(
      smallModel({ dropout: 0 }),
      shortRun({ device, train: noise, validation, steps: 200, evaluateEvery: 5, patience: 3, learningRate: 0.02 }),
    );
    expect(result.reason).toBe('patience');
    expect(result.steps).toBeLessThan(200);
    const { evaluations } = result.history;
    const best = evaluations.reduce((a, b) => (b.loss < a.loss ? b : a));
    expect(result.bestStep).toBe(best.step);
    expect(result.bestLoss).toBe(best.loss);
    expect(evaluations.length - 1 - evaluations.indexOf(best)).toBe(3);
    const measured = await evaluate(smallModel({ dropout: 0 }), result.parameters, validation, {
      device,
      batch: 8,
      labelSmoothing: 0.1,
    });
    expect(measured.loss).toBe(best.loss);
    expect(measured.horizons).toEqual(best.horizons);
  });

  test('a horizon of weight 0 is not trained', async () => {
    const model = smallModel();
    const { parameters } = await train(model, shortRun({ device, horizonWeights: [1, 0], weightDecay: 0 }));
    const before = initialise(model, 5);
    const changed = [...parameters].filter(([name, values]) => values.some((v, i) => v !== before.get(name)![i]));
    const heads = (h: number) => changed.filter(([name]) => name.startsWith(`heads.${h}.`)).length;
    expect(heads(0)).toBeGreaterThan(0);
    expect(heads(1)).toBe(0);
  });

  test('the next batch is gathered while a step runs', async () => {
    const events: string[] = [];
    const options = shortRun({ device: watched(device, events), steps: 3, evaluateEvery: 100 });
    (options.train as MemoryWindows).before = () => void events.push('gather');
    await train(smallModel(), options);
    expect(events.slice(0, 7)).toEqual(['gather', 'run', 'gather', 'ran', 'run', 'gather', 'ran']);
    expect(events.filter((event) => event === 'gather')).toHaveLength(3);
  });

  test('everything native is disposed, however the run ends', async () => {
    const model = smallModel();
    const nan = learnableWindows(50, 1);
    nan.x.fill(Number.NaN);
    const aborted = AbortSignal.abort();
    for (const [overrides, ends] of [
      [{}, /^$/],
      [{ train: nan }, /NaN/],
      [{ signal: aborted }, /stopped after step 0/],
      [{ initial: new Map() }, /embedding/],
      [{ checkpoint: join(temporaryFolder(), 'missing', 'run') }, /cannot write/],
    ] as const) {
      const counts = { made: 0, disposed: 0 };
      const message = await train(model, shortRun({ device: counted(device, counts), ...overrides })).then(
        () => '',
        (error) => error.message,
      );
      expect(message).toMatch(ends);
      expect(counts.made).toBeGreaterThan(0);
      expect(counts.disposed, message).toBe(counts.made);
    }
  });

  test('an error while gathering a batch ends the run with that error', async () => {
    const options = shortRun({ device });
    let batches = 0;
    (options.train as MemoryWindows).before = () => {
      if (++batches === 3) throw new Error('the third batch is missing');
    };
    await expect(train(smallModel(), options)).rejects.toThrowError('the third batch is missing');
  });

  test('progress counts up, and tells rate and time left by the clock that it is given', async () => {
    let now = 0;
    const seen: TrainProgress[] = [];
    const clock = () => now;
    await train(
      smallModel(),
      shortRun({
        device,
        clock,
        onProgress: (progress) => {
          seen.push(progress);
          now += progress.phase === 'train' ? 100 : 10;
        },
      }),
    );
    const steps = seen.filter(({ phase }) => phase === 'train');
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    expect(steps[0].secondsLeft).toBeNaN();
    // 100 ms a step of 8 windows.
    expect(steps[2].examplesPerSecond).toBeGreaterThan(79);
    expect(steps[2].secondsLeft).toBeGreaterThan(0.7);
    expect(steps.at(-1)).toMatchObject({ total: 15, epoch: 2, secondsLeft: 0 });
    const fractions = seen.filter(({ phase }) => phase === 'evaluate').map(({ fraction }) => fraction);
    expect(fractions.slice(0, 3)).toEqual([1 / 3, 2 / 3, 1]);
  });

  test('the log holds the history as JSON lines', async () => {
    const log = join(temporaryFolder(), 'log.jsonl');
    const { history } = await train(smallModel(), shortRun({ device, log }));
    const lines = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ event: 'start', configuration: { seed: 5, batch: 8 } });
    const of = (event: string) => lines.filter((l) => l.event === event).map(({ event: _, ...rest }) => rest);
    expect(of('step')).toEqual(history.steps);
    expect(of('evaluation')).toEqual(history.evaluations);
    expect(lines.at(-1)).toMatchObject({ event: 'end', reason: 'steps', step: 15 });
  });

  describe('a number that is not finite stops the run and is named:', () => {
    test('in the batch', async () => {
      const windows = learnableWindows(50, 1);
      windows.x[100] = Number.NaN;
      const run = train(smallModel(), shortRun({ device, train: windows }));
      await expect(run).rejects.toMatchObject({ code: 'NUMERIC' });
      await expect(run).rejects.toThrowError(/at step \d+: the loss is NaN; .* NaN in the batch, feature column 1/);
    });

    test('in a parameter', async () => {
      const initial = initialise(smallModel(), 5);
      initial.get('heads.1.layers.0.bias')!.fill(Number.POSITIVE_INFINITY, 2, 3);
      const run = train(smallModel(), shortRun({ device, initial }));
      await expect(run).rejects.toThrowError(
        /at step 1: the loss is .*; the first non-finite tensor is the parameter heads/,
      );
    });

    test('in a gradient', async () => {
      // Logits of 1e38 are finite, their loss is too; products with them in the backward pass are not.
      const initial = initialise(smallModel(), 5);
      for (const [name, values] of initial) if (/weight$/.test(name) && name.startsWith('heads')) values.fill(1e25);
      const run = train(smallModel(), shortRun({ device, initial }));
      await expect(run).rejects.toMatchObject({ code: 'NUMERIC', details: { step: 1 } });
    });
  });

  describe('checkpoints', () => {
    test.each([1, 3, 4, 7, 14])(
      'a run stopped after step %i and resumed gives the bits of one that was not',
      async (stop) => {
        const whole = await train(smallModel(), shortRun({ device }));
        const checkpoint = join(temporaryFolder(), 'run.ckpt');
        const log = join(temporaryFolder(), 'log.jsonl');
        const controller = new AbortController();
        const stopped = train(
          smallModel(),
          shortRun({
            device,
            checkpoint,
            log,
            signal: controller.signal,
            onProgress: ({ phase, step }) => {
              if (phase === 'train' && step === stop) controller.abort();
            },
          }),
        );
        await expect(stopped).rejects.toMatchObject({ code: 'ABORTED', details: { step: stop } });
        const resumed = await train(smallModel(), shortRun({ device, checkpoint, log, resume: true }));
        expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
        expect(resumed.history).toEqual(whole.history);
        expect([resumed.bestStep, resumed.bestLoss]).toEqual([whole.bestStep, whole.bestLoss]);
        const steps = readFileSync(log, 'utf8').match(/"event":"step"/g);
        expect(steps).toHaveLength(15);
      },
    );

    test('a run stopped in the middle of an evaluation makes that evaluation when resumed', async () => {
      const whole = await train(smallModel(), shortRun({ device }));
      const checkpoint = join(temporaryFolder(), 'run.ckpt');
      const controller = new AbortController();
      const onProgress = ({ phase, step, fraction }: TrainProgress) => {
        if (phase === 'evaluate' && step === 8 && fraction! < 0.5) controller.abort();
      };
      const stopped = train(smallModel(), shortRun({ device, checkpoint, signal: controller.signal, onProgress }));
      await expect(stopped).rejects.toMatchObject({ code: 'ABORTED', details: { step: 8 } });
      const resumed = await train(smallModel(), shortRun({ device, checkpoint, resume: true }));
      expect(resumed.history).toEqual(whole.history);
      expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
    });

    test('a finished run gives its result again at once', async () => {
      const checkpoint = join(temporaryFolder(), 'run.ckpt');
      const whole = await train(smallModel(), shortRun({ device, checkpoint }));
      const steps: number[] = [];
      const again = await train(
        smallModel(),
        shortRun({ device, checkpoint, resume: true, onProgress: ({ step }) => void steps.push(step) }),
      );
      expect(steps).toEqual([]);
      expect(again.history).toEqual(whole.history);
      expect(bitsOf(again.parameters)).toBe(bitsOf(whole.parameters));
    });

    test('are written every so many steps, and every so many seconds of the clock', async () => {
      for (const [options, expected] of [
        [{ checkpointEverySteps: 5, checkpointEverySeconds: 1e9 }, [1, 6, 11]],
        [{ checkpointEverySeconds: 4 }, [1, 5, 9, 13]],
      ] as const) {
        const checkpoint = join(temporaryFolder(), 'run.ckpt');
        let now = 0;
        let last = '';
        const writtenBefore: number[] = [];
        await train(
          smallModel(),
          shortRun({
            device,
            ...options,
            checkpoint,
            clock: () => now,
            onProgress: ({ phase, step }) => {
              if (phase !== 'train') return;
              now += 1000;
              const bytes = existsSync(checkpoint) ? readFileSync(checkpoint, 'latin1') : '';
              if (bytes !== last) writtenBefore.push(step);
              last = bytes;
            },
          }),
        );
        expect(writtenBefore, JSON.stringify(options)).toEqual(expected);
      }
    });

    test('of another configuration are refused, with the difference named', async () => {
      const checkpoint = join(temporaryFolder(), 'run.ckpt');
      await train(smallModel(), shortRun({ device, checkpoint }));
      const resume = (overrides: object, model = smallModel()) =>
        train(model, shortRun({ device, checkpoint, resume: true, ...overrides }));
      await expect(resume({ learningRate: 0.02 })).rejects.toThrowError(
        /schedule\.learningRate was 0\.01 and is now 0\.02/,
      );
      await expect(resume({ seed: 9 })).rejects.toThrowError(/seed was 5 and is now 9/);
      await expect(resume({ weightDecay: 0.5 })).rejects.toThrowError(/optimizer\.weightDecay/);
      await expect(resume({ horizonWeights: [1, 2] })).rejects.toThrowError(
        /horizonWeights was \[1,1\] and is now \[1,2\]/,
      );
      await expect(resume({}, smallModel({ dropout: 0.3 }))).rejects.toThrowError(
        /model\.dropout was 0\.1 and is now 0\.3/,
      );
      await expect(resume({ train: learnableWindows(50, 77) })).rejects.toThrowError(/train\.digest/);
      await expect(resume({ seed: 9 })).rejects.toMatchObject({ code: 'OPTION' });
    });

    test('that are damaged are refused', async () => {
      const checkpoint = join(temporaryFolder(), 'run.ckpt');
      await train(smallModel(), shortRun({ device, checkpoint }));
      const bytes = readFileSync(checkpoint);
      bytes[bytes.length >> 1] ^= 1;
      writeFileSync(checkpoint, bytes);
      await expect(train(smallModel(), shortRun({ device, checkpoint, resume: true }))).rejects.toMatchObject({
        code: 'FORMAT',
        message: expect.stringContaining(checkpoint),
      });
    });

    test('and logs that cannot be written stop the run before its first step', async () => {
      const nowhere = join(temporaryFolder(), 'missing', 'run');
      for (const place of [{ checkpoint: nowhere }, { log: nowhere }]) {
        const steps: number[] = [];
        const run = train(
          smallModel(),
          shortRun({ device, ...place, onProgress: ({ step }) => void steps.push(step) }),
        );
        await expect(run).rejects.toMatchObject({ code: 'FILE', message: expect.stringContaining(nowhere) });
        expect(steps).toEqual([]);
      }
    });

    test('resuming without a file begins anew', async () => {
      const whole = await train(smallModel(), shortRun({ device }));
      const fresh = await train(
        smallModel(),
        shortRun({ device, resume: true, checkpoint: join(temporaryFolder(), 'none.ckpt') }),
      );
      expect(bitsOf(fresh.parameters)).toBe(bitsOf(whole.parameters));
    });
  });
});

/** A device that writes down when its sequences begin and end to run. */
function watched(device: Device, events: string[]): Device {
  return {
    name: device.name,
    createState: (specs) => device.createState(specs),
    createPlan: (...args) => device.createPlan(...args),
    async runSequence(runs) {
      events.push('run');
      const made = await device.runSequence(runs);
      events.push('ran');
      return made;
    },
  };
}

/** A device that counts what it makes and what of it is disposed. */
function counted(device: Device, counts: { made: number; disposed: number }): Device {
  const count = <T extends object>(made: T): T => {
    counts.made++;
    return new Proxy(made, {
      get(target, name) {
        if (name === 'dispose') counts.disposed++;
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  const originals = new WeakMap<State | Plan, State | Plan>();
  const wrapped = <T extends State | Plan>(made: T): T => {
    const proxy = count(made);
    originals.set(proxy, made);
    return proxy;
  };
  const original = <T extends State | Plan>(proxy: T) => originals.get(proxy) as T;
  return {
    name: device.name,
    createState: (specs) => wrapped(device.createState(specs)),
    createPlan: (spec, state, options) => wrapped(device.createPlan(spec, original(state), options)),
    runSequence: (runs) => device.runSequence(runs.map((run) => ({ ...run, plan: original(run.plan) }))),
  };
}
