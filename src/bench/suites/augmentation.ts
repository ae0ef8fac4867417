/**
 * Augmentations that draw much: a batch of the small model, windows copied as training gathers them. Below is what the same draws cost in
 * plain code. The floor is the copy, a fortieth of a step.
 */
import { Random } from '../../core/random.js';
import { type Augmentation, jitter, warpMagnitude } from '../../data/index.js';
import { plainNormals } from '../../data/normals.js';
import { cubicSplines } from '../../data/spline.js';
import { type BenchCase, timed } from '../case.js';
import { normals } from '../random-values.js';
import { once, type SuiteOptions } from '../suite.js';
import { SMALL_MODEL } from './training-step.js';

const WINDOWS = 64;
const SHAPE = { steps: SMALL_MODEL.steps, columns: SMALL_MODEL.features };
const SIZE = SHAPE.steps * SHAPE.columns;
const DEVIATION = 0.1;
const KNOTS = 4;

/** By their names: the function of the library, and what it makes of a window, said plainly. */
const CASES: Record<string, { augmentation: Augmentation; plain: (window: Float32Array, key: Uint32Array) => void }> = {
  'jitter of a batch': {
    augmentation: jitter({ deviation: DEVIATION }),
    plain: (window, key) => {
      const noise = plainNormals(SIZE, key);
      for (let i = 0; i < SIZE; i++) window[i] += DEVIATION * noise[i];
    },
  },
  'magnitude warping of a batch': {
    augmentation: warpMagnitude({ deviation: DEVIATION, knots: KNOTS }),
    plain: (window, key) => {
      const noise = plainNormals((KNOTS + 2) * SHAPE.columns, key);
      const curves = new Float32Array(SIZE);
      cubicSplines(
        Float32Array.from(noise, (n) => 1 + DEVIATION * n),
        SHAPE.columns,
        curves,
      );
      for (let i = 0; i < SIZE; i++) window[i] *= curves[i];
    },
  },
};

export function augmentationCases({ threads }: SuiteOptions): BenchCase[] {
  if (threads > 1) return []; // they run on the thread of JavaScript
  return Object.keys(CASES).map((name) => augmentationCase(name, threads));
}

function augmentationCase(name: string, threads: number): BenchCase {
  const { augmentation, plain } = CASES[name];
  const x = once(() => normals(WINDOWS * SIZE, 1));
  const scratch = new Float32Array(SIZE);
  const contender = (role: 'fast' | 'naive', apply: (window: Float32Array, random: Random) => void) => ({
    role,
    name: role === 'fast' ? 'flashbook' : 'JavaScript',
    tolerance: 1e-5,
    open: () => {
      const batch = new Float32Array(WINDOWS * SIZE);
      return {
        run: () =>
          timed(() => {
            const random = new Random(1, 2);
            batch.set(x());
            for (let at = 0; at < batch.length; at += SIZE) apply(batch.subarray(at, at + SIZE), random);
          }),
        output: () => batch,
        close: () => {},
      };
    },
  });
  const plainly = (window: Float32Array, random: Random) =>
    plain(
      window,
      Uint32Array.from({ length: 4 }, () => random.uint32()),
    );
  return {
    suite: 'augmentation',
    name,
    threads,
    bound: 'none',
    operations: 0,
    bytes: 0,
    items: { unit: 'values', count: WINDOWS * SIZE },
    contenders: [
      contender('fast', (window, random) => augmentation.apply(window, scratch, SHAPE, random)),
      contender('naive', plainly),
    ],
    expected: () => {
      const values = x().slice(0, SIZE);
      plainly(values, new Random(1, 2));
      return { values };
    },
  };
}
