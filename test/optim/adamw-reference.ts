/**
 * torch.optim.AdamW (algorithm box of its documentation, amsgrad false, maximize false) after
 * torch.nn.utils.clip_grad_norm_, in float64, straight from the published formulas.
 */
export interface ReferenceParameter {
  value: Float64Array;
  decay: boolean;
  m: Float64Array;
  v: Float64Array;
}

export interface ReferenceOptions {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  clipNorm: number;
}

export function referenceParameter(values: ArrayLike<number>, decay: boolean): ReferenceParameter {
  const value = Float64Array.from(values);
  return { value, decay, m: new Float64Array(value.length), v: new Float64Array(value.length) };
}

/** Makes step `t` (1, 2, …) in place and returns the gradients' norm before clipping. */
export function referenceStep(
  parameters: readonly ReferenceParameter[],
  gradients: readonly ArrayLike<number>[],
  t: number,
  learningRate: number,
  { beta1, beta2, epsilon, weightDecay, clipNorm }: ReferenceOptions,
): number {
  let squares = 0;
  for (const gradient of gradients) for (let i = 0; i < gradient.length; i++) squares += gradient[i] * gradient[i];
  const norm = Math.sqrt(squares);
  const clip = clipNorm > 0 ? Math.min(1, clipNorm / (norm + 1e-6)) : 1;
  for (const [p, { value, decay, m, v }] of parameters.entries()) {
    for (let i = 0; i < value.length; i++) {
      const g = gradients[p][i] * clip;
      if (decay) value[i] -= learningRate * weightDecay * value[i];
      m[i] = beta1 * m[i] + (1 - beta1) * g;
      v[i] = beta2 * v[i] + (1 - beta2) * g * g;
      const mHat = m[i] / (1 - beta1 ** t);
      const vHat = v[i] / (1 - beta2 ** t);
      value[i] -= (learningRate * mHat) / (Math.sqrt(vHat) + epsilon);
    }
  }
  return norm;
}
