// The activations of the epilogues, with the operations and coefficients of native/simd/vec_math.h in their order: on finite values
// the bits of the CPU's.
#pragma once

namespace flashbook::cuda {

// x·Φ(x): ½ plus an odd function, z·P(z²)/Q(z²). Error ≤ 2e-7·|x|.
__device__ __forceinline__ float gelu(float x) {
  const float z = fmaxf(-5.5f, fminf(5.5f, x));
  const float s = __fmul_rn(z, z);
  float p = 2.2749308214997654e-08f;
  p = fmaf(p, s, 6.352102900564205e-06f);
  p = fmaf(p, s, 0.00016882560157682747f);
  p = fmaf(p, s, 0.00467725982889533f);
  p = fmaf(p, s, 0.033852655440568924f);
  p = fmaf(p, s, 0.398942232131958f);
  float q = 1.1975012057519052e-06f;
  q = fmaf(q, s, 7.364740304183215e-05f);
  q = fmaf(q, s, 0.0018844445003196597f);
  q = fmaf(q, s, 0.028645873069763184f);
  q = fmaf(q, s, 0.2515219449996948f);
  q = fmaf(q, s, 1.0f);
  const float cdf = fmaf(z, __fdiv_rn(p, q), 0.5f);
  return __fmul_rn(x, x < -5.5f ? 0.0f : cdf);   // NaN stays NaN through x
}

// Its slope: Φ(x) + x·φ(x). Error ≤ 3e-7; NaN at ±∞, as ∞·φ(∞) is in the formula.
__device__ __forceinline__ float gelu_slope(float x) {
  return fmaf(x, 0.39894228f * expf(-0.5f * x * x), 0.5f + 0.5f * erff(x * 0.70710678f));
}

// max(x, 0) that keeps NaN.
__device__ __forceinline__ float relu(float x) { return x > 0.0f || x != x ? x : 0.0f; }

}  // namespace flashbook::cuda
