import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { Graph, interpret } from '../../src/graph/index.js';
import { horizonLoss, LossSum } from '../../src/train/losses.js';

const CLASSES = 3;
const random = new Random(4);
const logitsOf = (rows: number) => Float32Array.from({ length: rows * CLASSES }, () => 3 * random.normal());

/** −Σ_c q_c log p_c from the definition. */
function smoothed(logits: ArrayLike<number>, row: number, target: number, epsilon: number): number {
  const x = Array.from({ length: CLASSES }, (_, c) => logits[row * CLASSES + c]);
  const total = x.reduce((sum, v) => sum + Math.exp(v), 0);
  return -x.reduce((sum, v, c) => {
    const q = (c === target ? 1 - epsilon : 0) + epsilon / CLASSES;
    return sum + q * Math.log(Math.exp(v) / total);
  }, 0);
}

describe('losses', () => {
  test.each([0, 0.1, 1])('measured from logits they are those of the definition, with smoothing %f', (epsilon) => {
    const logits = logitsOf(7);
    const targets = Int32Array.of(0, 1, -1, 2, 2, -1, 0);
    const sum = new LossSum(epsilon);
    sum.add(logits, targets, 7, CLASSES);
    let want = 0;
    targets.forEach((target, row) => {
      if (target >= 0) want += smoothed(logits, row, target, epsilon);
    });
    expect(sum.rows).toBe(5);
    expect(sum.loss).toBeCloseTo(want, 10);
  });

  test('large logits do not overflow', () => {
    const sum = new LossSum(0);
    sum.add(Float32Array.of(3e38, 0, -3e38), Int32Array.of(0), 1, CLASSES);
    expect(sum.loss).toBe(0);
    sum.add(Float32Array.of(Number.NaN, 0, 0), Int32Array.of(0), 1, CLASSES);
    expect(sum.loss).toBeNaN();
  });

  test('rows past the count are not read', () => {
    const sum = new LossSum(0);
    sum.add(Float32Array.of(5, 0, 0, 0, 5, 0), Int32Array.of(0, 0), 1, CLASSES);
    expect([sum.rows, sum.hits]).toEqual([1, 1]);
  });

  test('accuracy: the first of equal largest logits is the prediction; rows without label do not count', () => {
    const logits = Float32Array.of(1, 1, 0, 0, 2, 2, 0, 0, 9);
    const sum = new LossSum(0);
    sum.add(logits, Int32Array.of(0, 2, -1), 3, CLASSES);
    expect([sum.hits, sum.rows]).toEqual([1, 2]);
  });

  test('in a graph: the weighted sum over horizons of the mean over labelled rows', () => {
    const rows = 5;
    const graph = new Graph();
    const logits = [0, 1, 2].map((h) => graph.input(`logits.${h}`, [rows, CLASSES]));
    const targets = [0, 1, 2].map((h) => graph.input(`target.${h}`, [rows], 'i32'));
    const weights = [1, 0, 2.5];
    graph.output('loss', horizonLoss(logits, targets, { labelSmoothing: 0.1, horizonWeights: weights }));
    const inputs: Record<string, ArrayLike<number>> = {};
    let want = 0;
    for (const [h, weight] of weights.entries()) {
      inputs[`logits.${h}`] = logitsOf(rows);
      inputs[`target.${h}`] = Int32Array.of(2, -1, 1, 0, h === 2 ? -1 : 1);
      const sum = new LossSum(Math.fround(0.1));
      sum.add(inputs[`logits.${h}`] as Float32Array, inputs[`target.${h}`] as Int32Array, rows, CLASSES);
      want += (weight * sum.loss) / sum.rows;
    }
    expect(interpret(graph, { inputs, state: {} }).outputs.loss.data[0]).toBeCloseTo(want, 6);
  });
});
