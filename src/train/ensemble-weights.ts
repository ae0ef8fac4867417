import { invalid } from '../core/errors.js';

/**
 * The weights of a mixture that make the targets most probable: max Σ_i log Σ_m w_m p_m(y_i) over the simplex, by the EM algorithm,
 * which stays in it and never makes the likelihood smaller:
 *
 *     w_m ← 1/n Σ_i  w_m p_m(y_i) / Σ_k w_k p_k(y_i)
 *
 * Concave: there is one maximum. Source: Dempster, Laird & Rubin 1977, "Maximum Likelihood from Incomplete Data via the EM Algorithm",
 * §4.3, with fixed components.
 *
 * @param probabilities what each member gives to the class that came true, one a row; of rows without a target nothing
 */
export function mixtureWeights(probabilities: readonly Float64Array[]): number[] {
  const members = probabilities.length;
  const rows = probabilities[0]?.length ?? 0;
  if (members === 0 || rows === 0 || probabilities.some(({ length }) => length !== rows)) {
    throw invalid('probabilities', 'as many rows for every member, at least one', rows);
  }
  let weights = new Array<number>(members).fill(1 / members);
  for (let iteration = 0; iteration < 2000; iteration++) {
    const next = new Array<number>(members).fill(0);
    for (let i = 0; i < rows; i++) {
      let total = 0;
      for (let m = 0; m < members; m++) total += weights[m] * probabilities[m][i];
      // A row that all members hold for impossible says nothing about them.
      if (total > 0) for (let m = 0; m < members; m++) next[m] += (weights[m] * probabilities[m][i]) / total;
    }
    const sum = next.reduce((a, b) => a + b, 0);
    if (sum === 0) return weights;
    const normed = next.map((w) => w / sum);
    const moved = Math.max(...normed.map((w, m) => Math.abs(w - weights[m])));
    weights = normed;
    if (moved < 1e-9) break;
  }
  return weights;
}
