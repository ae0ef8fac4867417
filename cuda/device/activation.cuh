// The activations of the epilogues, with the operations and coefficients of native/simd/vec_math.h in their order: on finite values
// the bits of the CPU's.
#pragma once

namespace flashbook::cuda {

struct Gelu {
  float y, slope;
};

// x·Φ(x) and its slope Φ(x) + x·φ(x): ½ plus odd functions, z·P(z²)/Q(z²) with one Q. Error ≤ 2e-7·|x| and ≤ 2.2e-7. The slope at ±∞
// is NaN, as ∞·φ(∞) is in the formula.
__device__ __forceinline__ Gelu gelu_with_slope(float x) {
  const float z = fmaxf(-5.9f, fminf(5.9f, x));
  const float s = __fmul_rn(z, z);
  float q = 8.360268566320883e-08f;
  q = fmaf(q, s, 5.921551291976357e-06f);
  q = fmaf(q, s, 0.000165820267284289f);
  q = fmaf(q, s, 0.0030950908549129963f);
  q = fmaf(q, s, 0.03803999349474907f);
  q = fmaf(q, s, 0.2850911021232605f);
  q = fmaf(q, s, 1.0f);
  const float over = __fdiv_rn(z, q);
  float p = -3.648238829090378e-12f;
  p = fmaf(p, s, 2.159385559252769e-09f);
  p = fmaf(p, s, 4.2040494463435607e-07f);
  p = fmaf(p, s, 1.6963933376246132e-05f);
  p = fmaf(p, s, 0.00036089480272494256f);
  p = fmaf(p, s, 0.006194389425218105f);
  p = fmaf(p, s, 0.0472438782453537f);
  p = fmaf(p, s, 0.39894241094589233f);
  float d = -2.205502620811206e-11f;
  d = fmaf(d, s, 5.7881952564287076e-09f);
  d = fmaf(d, s, 1.097302657626642e-07f);
  d = fmaf(d, s, 3.2002943044062704e-05f);
  d = fmaf(d, s, -8.572620572522283e-05f);
  d = fmaf(d, s, 0.014368696138262749f);
  d = fmaf(d, s, -0.03849100321531296f);
  d = fmaf(d, s, 0.7978844046592712f);
  const float cdf = fmaf(over, p, 0.5f);
  const float slope = fmaf(over, d, fmaf(x, 0.0f, 0.5f));
  const bool tail = x < -5.9f;
  return {__fmul_rn(x, tail ? 0.0f : cdf), tail ? __fmul_rn(x, 0.0f) : slope};   // NaN stays NaN through x
}

__device__ __forceinline__ float gelu(float x) { return gelu_with_slope(x).y; }
__device__ __forceinline__ float gelu_slope(float x) { return gelu_with_slope(x).slope; }

// max(x, 0) that keeps NaN.
__device__ __forceinline__ float relu(float x) { return x > 0.0f || x != x ? x : 0.0f; }

}  // namespace flashbook::cuda
