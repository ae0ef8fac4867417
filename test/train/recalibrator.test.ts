import { expect, test } from 'vitest';
import { selectStep, type Tensor } from '../../src/graph/index.js';
import { BatchNorm, type ForwardOptions, Linear, Module } from '../../src/nn/index.js';
import { adamW, ema } from '../../src/optim/index.js';
import { evaluate, train } from '../../src/train/index.js';
import { fastestDevice } from './devices.js';
import { COLUMNS, learnableWindows, shortRun } from './fixture.js';

const device = fastestDevice[1]();

/** A linear layer, batch normalisation, and heads. */
class Normed extends Module {
  readonly options = { model: 'normed' };
  readonly first = this.child('first', new Linear(COLUMNS, 6));
  readonly norm = this.child('norm', new BatchNorm(6));
  readonly heads = this.children('heads', [new Linear(6, 3), new Linear(6, 3)]);

  forward(x: Tensor, options: ForwardOptions = {}): Tensor[] {
    const last = this.norm.forward(this.first.forward(selectStep(x, -1)), options).relu();
    return this.heads.map((head) => head.forward(last));
  }
}

test('averaged weights are kept with the statistics of their own activations', async () => {
  const windows = learnableWindows(64, 1);
  const options = shortRun({ device, train: windows, batch: 32, steps: 40, evaluateEvery: 40, learningRate: 0.05 });
  const { parameters, bestLoss, bestStep } = await train(new Normed(), {
    ...options,
    optimizer: ema(adamW(), { decay: 0.9 }),
  });
  expect(bestStep).toBe(40);
  // The mean of the layer's outputs over all training windows, by hand.
  const [weight, bias] = [parameters.get('first.weight')!, parameters.get('first.bias')!];
  const means = new Float64Array(6);
  for (let w = 0; w < 64; w++) {
    const row = windows.x.subarray((w * 5 + 4) * COLUMNS, (w * 5 + 5) * COLUMNS);
    for (let o = 0; o < 6; o++) {
      means[o] += (bias[o] + row.reduce((sum, v, c) => sum + v * weight[o * COLUMNS + c], 0)) / 64;
    }
  }
  const running = parameters.get('norm.runningMean')!;
  const scale = Math.max(...means.map(Math.abs));
  // Two batches an epoch take turns: their moving average is within a part of their difference.
  means.forEach((mean, o) => void expect(Math.abs(running[o] - mean)).toBeLessThan(0.1 * Math.max(scale, 0.3)));
  const measured = await evaluate(new Normed(), parameters, options.validation, {
    device,
    batch: 21,
    labelSmoothing: 0.1,
  });
  expect(measured.loss).toBeCloseTo(bestLoss, 5);
});
