import { describe, expect, test } from 'vitest';
import { train } from '../../src/train/index.js';
import { resolveOptions, type TrainOptions } from '../../src/train/options.js';
import { learnableWindows, MemoryWindows, shortRun, smallModel } from './fixture.js';
import { referenceDevice } from './reference-device.js';

const device = referenceDevice();
const resolve = (overrides: Partial<TrainOptions>) => resolveOptions(shortRun({ device, ...overrides }));

describe('options of training', () => {
  test.each<[Partial<TrainOptions>, RegExp]>([
    [{ learningrate: 1 } as never, /no option 'learningrate'; did you mean 'learningRate'/],
    [{ seed: -1 }, /an integer .*seed.* -1/],
    [{ seed: 0.5 }, /seed/],
    [{ batch: 0 }, /batch/],
    [{ steps: 5, epochs: 2 }, /'steps' or 'epochs'/],
    [{ steps: 0 }, /steps/],
    [{ learningRate: Number.NaN }, /learningRate/],
    [{ warmupSteps: 99 }, /warmupSteps/],
    [{ minLearningRate: 1 }, /minLearningRate/],
    [{ labelSmoothing: 1.5 }, /labelSmoothing/],
    [{ horizonWeights: [1] }, /2 numbers/],
    [{ horizonWeights: [0, 0] }, /above 0/],
    [{ horizonWeights: [1, -1] }, /horizonWeights\[1\]/],
    [{ clipNorm: -1 }, /clipNorm/],
    [{ evaluateEvery: 0 }, /evaluateEvery/],
    [{ maxValidationWindows: 0 }, /maxValidationWindows/],
    [{ checkpointEverySteps: 1.5 }, /checkpointEverySteps/],
    [{ checkpointEverySeconds: -1 }, /checkpointEverySeconds/],
    [{ precision: 'float16' as 'bf16' }, /one of 'f32', 'bf16' for precision/],
    [{ resume: true }, /checkpoint/],
    [{ train: undefined }, /train/],
    [
      { train: new MemoryWindows(new Float32Array(0), [new Int32Array(0), new Int32Array(0)]) },
      /at least one window in train/,
    ],
  ])('%o is refused', (overrides, message) => {
    expect(() => resolve(overrides)).toThrowError(message);
  });

  test('a batch larger than the data is the data', () => {
    expect(resolve({ batch: 1000 }).batch).toBe(50);
  });

  test('epochs become steps of whole batches', () => {
    expect(resolve({ steps: undefined, epochs: 3 }).steps).toBe(3 * Math.floor(50 / 8));
  });

  test('labels of one class, of none, and out of range are refused by name', async () => {
    const relabel = (label: number) => {
      const windows = learnableWindows(20, 1);
      windows.targets[1].fill(label);
      return windows;
    };
    const run = (overrides: Partial<TrainOptions>) => train(smallModel(), shortRun({ device, ...overrides }));
    await expect(run({ train: relabel(2) })).rejects.toThrowError(
      /two classes|2 classes in train, horizon 1, but found only class 2/,
    );
    await expect(run({ validation: relabel(-1) })).rejects.toThrowError(
      /1 class in validation, horizon 1, but found none/,
    );
    await expect(run({ train: relabel(3) })).rejects.toThrowError(/horizon 1, but window 0 has 3/);
    await expect(run({ train: relabel(2) })).rejects.toMatchObject({ code: 'DATA' });
  });
});
