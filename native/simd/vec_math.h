// exp, normal CDF and density, tanh over VecF. Included by vec.h.
//
// The same operations in the same order for every width, all fused multiply-adds written out: the results are the same
// bits on every instruction set. Coefficients are minimax fits of the relative error (Lawson's iteration), rounded to
// float32. The bounds are measured against float64 over every 1009th float32 of all four billion.
#pragma once

namespace flashbook {
namespace FB_ISA {
namespace {

// 2^n · p for integer n in −252 … 254, rounded once: two exact powers of two, so that subnormal results are right.
FB_INLINE VecF scale_by_power(VecF p, VecI n) {
  const VecI half = shift_right_signed<1>(n);
  const VecI bias = set1i(127);
  const VecF a = as_float(shift_left<23>(half + bias));
  const VecF b = as_float(shift_left<23>(n - half + bias));
  return (p * a) * b;
}

// eˣ. Error ≤ 1 ulp, subnormal results included. exp(−∞) = 0, above 88.7228 +∞, NaN stays NaN.
// x = n·ln 2 + r with |r| ≤ ln 2 / 2 (Cody & Waite, ln 2 in two parts), eʳ = 1 + r + r²·q(r), q of degree 4.
FB_INLINE VecF exp(VecF x) {
  x = max(set1(-104.0f), min(set1(89.0f), x));   // the order keeps a NaN of x
  const VecF n = round_nearest(x * set1(1.44269504f));
  VecF r = fnma(n, set1(0.693359375f), x);
  r = fnma(n, set1(-2.12194440e-4f), r);
  VecF q = set1(0.0013814597623422742f);
  q = fma(q, r, set1(0.008368716575205326f));
  q = fma(q, r, set1(0.04166838899254799f));
  q = fma(q, r, set1(0.1666652113199234f));
  q = fma(q, r, set1(0.4999999403953552f));
  const VecF p = fma(r * r, q, r) + set1(1.0f);
  // NaN: to_int gives INT32_MIN, whatever power that makes, NaN times it stays NaN.
  return scale_by_power(p, to_int(n));
}

// The standard normal distribution function and density at once: Φ(x) = erfc(−x/√2)/2, φ(x) = exp(−x²/2)/√(2π).
struct Normal { VecF cdf; VecF density; };

// Error: cdf ≤ 7 ulp, density ≤ 3 ulp, down to the subnormals, so that tails keep their digits. Φ(−∞) = 0, Φ(+∞) = 1.
// For t = |x|: Φ(−t) = exp(−t²/2)·g(t), g(t) = erfcx(t/√2)/2 = u·P(u) with u = 1/(1 + 0.3·t), P of degree 9.
// t² is split by a fused multiply-add so that its rounding does not show in the exponential.
FB_INLINE Normal normal(VecF x) {
  const VecF t = min(set1(14.5f), abs(x));
  const VecF square = t * t;
  const VecF lost = fma(t, t, -square);
  const VecF e = exp(square * set1(-0.5f));
  const VecF gauss = fnma(e, lost * set1(0.5f), e);
  const VecF u = set1(1.0f) / fma(t, set1(0.3f), set1(1.0f));
  VecF p = set1(-0.020623551681637764f);
  p = fma(p, u, set1(0.11243606358766556f));
  p = fma(p, u, set1(-0.22821465134620667f));
  p = fma(p, u, set1(0.19178593158721924f));
  p = fma(p, u, set1(-0.07942463457584381f));
  p = fma(p, u, set1(0.09615743905305862f));
  p = fma(p, u, set1(0.07838944345712662f));
  p = fma(p, u, set1(0.11023546755313873f));
  p = fma(p, u, set1(0.11957181245088577f));
  p = fma(p, u, set1(0.11968669295310974f));
  const VecF tail = gauss * (u * p);
  return {select(gt(x, zero()), set1(1.0f) - tail, tail), gauss * set1(0.3989422804f)};
}

FB_INLINE VecF normal_cdf(VecF x) { return normal(x).cdf; }

// erf(x) = 2·Φ(√2·x) − 1: absolute error ≤ 4e-7. For GELU use normal_cdf, which keeps the tail.
FB_INLINE VecF erf(VecF x) {
  const VecF tail = normal_cdf(abs(x) * set1(-1.41421356f));
  return copysign(fnma(set1(2.0f), tail, set1(1.0f)), x);
}

// GELU x·Φ(x) and its derivative Φ(x) + x·φ(x). Both Φ and the derivative are ½ plus an odd function, here z·P(z²)/Q(z²) with one
// Q and z = x clamped to where float32 hardly tells the limit: a division and two dozen multiply-adds for both, and no
// exponential.
// Error of gelu ≤ 2e-7·|x|, less than twice that of x/2·(1 + erf(x/√2)) computed in float32; of the derivative ≤ 2.2e-7.
// normal_cdf above keeps the relative precision of the left tail, at twice the cost. gelu(−∞) and the derivative at ±∞ are NaN
// (0·∞), as the formulas have it.
struct Gelu { VecF y, slope; };

FB_INLINE Gelu gelu_with_slope(VecF x) {
  const VecF z = max(set1(-5.9f), min(set1(5.9f), x));
  const VecF s = z * z;
  VecF q = set1(8.360268566320883e-08f);
  q = fma(q, s, set1(5.921551291976357e-06f));
  q = fma(q, s, set1(0.000165820267284289f));
  q = fma(q, s, set1(0.0030950908549129963f));
  q = fma(q, s, set1(0.03803999349474907f));
  q = fma(q, s, set1(0.2850911021232605f));
  q = fma(q, s, set1(1.0f));
  const VecF over = z / q;
  VecF p = set1(-3.648238829090378e-12f);
  p = fma(p, s, set1(2.159385559252769e-09f));
  p = fma(p, s, set1(4.2040494463435607e-07f));
  p = fma(p, s, set1(1.6963933376246132e-05f));
  p = fma(p, s, set1(0.00036089480272494256f));
  p = fma(p, s, set1(0.006194389425218105f));
  p = fma(p, s, set1(0.0472438782453537f));
  p = fma(p, s, set1(0.39894241094589233f));
  VecF d = set1(-2.205502620811206e-11f);
  d = fma(d, s, set1(5.7881952564287076e-09f));
  d = fma(d, s, set1(1.097302657626642e-07f));
  d = fma(d, s, set1(3.2002943044062704e-05f));
  d = fma(d, s, set1(-8.572620572522283e-05f));
  d = fma(d, s, set1(0.014368696138262749f));
  d = fma(d, s, set1(-0.03849100321531296f));
  d = fma(d, s, set1(0.7978844046592712f));
  const VecF cdf = fma(over, p, set1(0.5f));
  const VecF slope = fma(over, d, fma(x, zero(), set1(0.5f)));   // x·0 is NaN where x is infinite
  const Mask tail = lt(x, set1(-5.9f));
  return {x * select(tail, zero(), cdf), select(tail, x * zero(), slope)};
}

FB_INLINE VecF gelu(VecF x) { return gelu_with_slope(x).y; }
FB_INLINE VecF gelu_slope(VecF x) { return gelu_with_slope(x).slope; }

// max(x, 0) that keeps NaN.
FB_INLINE VecF relu(VecF x) { return max(zero(), x); }

// tanh(x). Error ≤ 2 ulp. |x| < 0.625: x + x³·P(x²); else 1 − 2/(e^{2|x|} + 1).
FB_INLINE VecF tanh(VecF x) {
  const VecF z = x * x;
  VecF p = set1(-0.005704987794160843f);
  p = fma(p, z, set1(0.02063908614218235f));
  p = fma(p, z, set1(-0.05373971536755562f));
  p = fma(p, z, set1(0.13331441581249237f));
  p = fma(p, z, set1(-0.3333328068256378f));
  const VecF near = fma(x * z, p, x);
  const VecF t = min(set1(10.0f), abs(x));
  const VecF far = set1(1.0f) - set1(2.0f) / (exp(t + t) + set1(1.0f));
  return select(lt(t, set1(0.625f)), near, copysign(far, x));
}

// 1/(1 + e⁻ˣ). Error ≤ 3 ulp; 0 below −89.
FB_INLINE VecF sigmoid(VecF x) { return set1(1.0f) / (set1(1.0f) + exp(-x)); }

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
