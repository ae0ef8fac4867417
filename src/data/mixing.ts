import { finite } from '../core/options.js';
import type { Random } from '../core/random.js';
import type { WindowShape } from './augmentation.js';

/** How the windows of a batch were mixed: window i keeps the share `own` of its label, the rest is that of window `partner[i]`. */
export interface Mix {
  readonly own: number;
  readonly partner: Int32Array;
}

/**
 * Mixup: every window becomes λ x_i + (1 − λ) x_j, with one λ ~ Beta(α, α) a batch and j a shuffling of it, and its label the
 * same mixture. Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", eq. 1 and the authors' code.
 */
export function mixup(x: Float32Array, windows: number, alpha: number, random: Random): Mix {
  const own = beta(alpha, random);
  const partner = shuffled(windows, random);
  const source = x.slice();
  const size = x.length / windows;
  for (let i = 0, at = 0; i < windows; i++) {
    for (let k = 0, from = partner[i] * size; k < size; k++, at++, from++)
      x[at] = own * source[at] + (1 - own) * source[from];
  }
  return { own, partner };
}

/**
 * CutMix for series: a stretch of rows of every window is replaced by the same rows of another, of the length (1 − λ) T, λ ~ Beta(α, α);
 * the label is mixed by the share of rows that are left. Source: Yun et al. 2019, "CutMix", eq. 1 and 2, with rows for the box.
 */
export function cutmix(
  x: Float32Array,
  windows: number,
  { steps, columns }: WindowShape,
  alpha: number,
  random: Random,
): Mix {
  const partner = shuffled(windows, random);
  const cut = Math.round((1 - beta(alpha, random)) * steps);
  const first = random.below(steps - cut + 1);
  const source = x.slice();
  const size = steps * columns;
  const [from, to] = [first * columns, (first + cut) * columns];
  for (let i = 0; i < windows; i++) {
    x.set(source.subarray(partner[i] * size + from, partner[i] * size + to), i * size + from);
  }
  return { own: 1 - cut / steps, partner };
}

/** A draw from Beta(α, α), as X/(X + Y) of two gamma draws. */
export function beta(alpha: number, random: Random): number {
  finite('alpha', alpha, Number.MIN_VALUE);
  const x = gamma(alpha, random);
  const y = gamma(alpha, random);
  return x + y === 0 ? (random.float() < 0.5 ? 0 : 1) : x / (x + y);
}

/** A draw from Gamma(shape, 1). Source: Marsaglia & Tsang 2000, "A Simple Method for Generating Gamma Variables". */
function gamma(shape: number, random: Random): number {
  if (shape < 1) return gamma(shape + 1, random) * (1 - random.float()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const normal = random.normal();
    const v = (1 + c * normal) ** 3;
    if (v > 0 && Math.log(1 - random.float()) < 0.5 * normal * normal + d - d * v + d * Math.log(v)) return d * v;
  }
}

function shuffled(count: number, random: Random): Int32Array {
  return random.shuffle(Int32Array.from({ length: count }, (_, i) => i));
}
