/**
 * The published update rules in float64, one parameter tensor at a time, straight from the papers and from the forms that the
 * docstrings name. `t` is 1 at the first step.
 */
export interface Weights {
  value: Float64Array;
  shape: readonly number[];
  decay: boolean;
}
export type Rule = (weights: Weights[], gradients: Float64Array[], t: number, rate: number) => void;
/** Gradients at the weights as they are. */
export type GradientsAt = (weights: Weights[]) => Float64Array[];

const zeros = (like: Float64Array[]) => like.map((array) => new Float64Array(array.length));
export const normOf = (arrays: Float64Array[]) =>
  Math.sqrt(arrays.reduce((s, a) => a.reduce((t, x) => t + x * x, s), 0));

/** torch.nn.utils.clip_grad_norm_. */
export function clipped(gradients: Float64Array[], limit: number): Float64Array[] {
  const factor = limit > 0 ? Math.min(1, limit / (normOf(gradients) + 1e-6)) : 1;
  return gradients.map((g) => g.map((x) => x * factor));
}

export function adamRule({ b1 = 0.9, b2 = 0.999, eps = 1e-8, decoupled = 0, l2 = 0, clip = 1 }): Rule {
  let m: Float64Array[];
  let v: Float64Array[];
  return (weights, gradients, t, rate) => {
    m ??= zeros(gradients);
    v ??= zeros(gradients);
    for (const [p, g] of clipped(gradients, clip).entries()) {
      const { value, decay } = weights[p];
      for (let i = 0; i < g.length; i++) {
        const gi = g[i] + (decay ? l2 * value[i] : 0);
        if (decay) value[i] -= rate * decoupled * value[i];
        m[p][i] = b1 * m[p][i] + (1 - b1) * gi;
        v[p][i] = b2 * v[p][i] + (1 - b2) * gi * gi;
        value[i] -= (rate * (m[p][i] / (1 - b1 ** t))) / (Math.sqrt(v[p][i] / (1 - b2 ** t)) + eps);
      }
    }
  };
}

export function sgdRule({ momentum = 0.9, nesterov = false, l2 = 0, clip = 1 }): Rule {
  let buffer: Float64Array[];
  return (weights, gradients, t, rate) => {
    buffer ??= zeros(gradients);
    for (const [p, g] of clipped(gradients, clip).entries()) {
      const { value, decay } = weights[p];
      for (let i = 0; i < g.length; i++) {
        const d = g[i] + (decay ? l2 * value[i] : 0);
        buffer[p][i] = t === 1 ? d : momentum * buffer[p][i] + d;
        value[i] -= rate * (nesterov ? d + momentum * buffer[p][i] : buffer[p][i]);
      }
    }
  };
}

export function lambRule({ b1 = 0.9, b2 = 0.999, eps = 1e-6, lambda = 0.01, clip = 1, adaptAll = true }): Rule {
  let m: Float64Array[];
  let v: Float64Array[];
  return (weights, gradients, t, rate) => {
    m ??= zeros(gradients);
    v ??= zeros(gradients);
    for (const [p, g] of clipped(gradients, clip).entries()) {
      const { value, decay } = weights[p];
      const update = g.map((gi, i) => {
        m[p][i] = b1 * m[p][i] + (1 - b1) * gi;
        v[p][i] = b2 * v[p][i] + (1 - b2) * gi * gi;
        const direction = m[p][i] / (1 - b1 ** t) / (Math.sqrt(v[p][i] / (1 - b2 ** t)) + eps);
        return direction + (decay ? lambda * value[i] : 0);
      });
      const [a, b] = [normOf([value]), normOf([update])];
      const ratio = (adaptAll || decay) && a > 0 && b > 0 ? a / b : 1;
      for (const [i, u] of update.entries()) value[i] -= rate * ratio * u;
    }
  };
}

export function lookaheadRule(inner: Rule, k: number, alpha: number): Rule {
  let slow: Float64Array[];
  return (weights, gradients, t, rate) => {
    slow ??= weights.map(({ value }) => value.slice());
    inner(weights, gradients, t, rate);
    if (t % k !== 0) return;
    for (const [p, { value }] of weights.entries()) {
      for (let i = 0; i < value.length; i++) slow[p][i] += alpha * (value[i] - slow[p][i]);
      value.set(slow[p]);
    }
  };
}

export function centralisedRule(inner: Rule): Rule {
  return (weights, gradients, t, rate) => {
    const centred = gradients.map((gradient, p) => {
      const { shape } = weights[p];
      if (shape.length < 2) return gradient;
      const columns = gradient.length / shape[0];
      return gradient.map((x, i) => {
        const first = i - (i % columns);
        return x - gradient.subarray(first, first + columns).reduce((a, b) => a + b) / columns;
      });
    });
    inner(weights, centred, t, rate);
  };
}

export function valueClippedRule(inner: Rule, limit: number): Rule {
  return (weights, gradients, t, rate) =>
    inner(
      weights,
      gradients.map((g) => g.map((x) => Math.max(-limit, Math.min(limit, x)))),
      t,
      rate,
    );
}

export function samRule(inner: Rule, at: GradientsAt, rho: number, adaptive: boolean, eta = 0.01): Rule {
  return (weights, gradients, t, rate) => {
    const before = weights.map(({ value }) => value.slice());
    const scale = weights.map(({ value, decay }) => value.map((w) => (adaptive && decay ? Math.abs(w) + eta : 1)));
    const norm = normOf(gradients.map((g, p) => g.map((x, i) => x * scale[p][i])));
    for (const [p, { value }] of weights.entries()) {
      for (let i = 0; i < value.length; i++) value[i] += (rho * scale[p][i] ** 2 * gradients[p][i]) / (norm + 1e-12);
    }
    const sharp = at(weights);
    for (const [p, { value }] of weights.entries()) value.set(before[p]);
    inner(weights, sharp, t, rate);
  };
}
