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

// GELU x·Φ(x) and its derivative Φ(x) + x·φ(x). Both are ½ plus an odd function, here z·P(z²)/Q(z²) with z = x clamped to where
// float32 hardly tells the limit: a division and a dozen multiply-adds instead of an exponential. All coefficients of
// gelu's P and Q are positive: nothing cancels.
// Error of gelu ≤ 2e-7·|x|, less than twice that of x/2·(1 + erf(x/√2)) computed in float32; of the derivative ≤ 2.2e-7.
// normal_cdf above keeps the relative precision of the left tail, at twice the cost. gelu(−∞) and the derivative at ±∞ are NaN
// (0·∞), as the formulas have it.
FB_INLINE VecF gelu(VecF x) {
  const VecF z = max(set1(-5.5f), min(set1(5.5f), x));
  const VecF s = z * z;
  VecF p = set1(2.2749308214997654e-08f);
  p = fma(p, s, set1(6.352102900564205e-06f));
  p = fma(p, s, set1(0.00016882560157682747f));
  p = fma(p, s, set1(0.00467725982889533f));
  p = fma(p, s, set1(0.033852655440568924f));
  p = fma(p, s, set1(0.398942232131958f));
  VecF q = set1(1.1975012057519052e-06f);
  q = fma(q, s, set1(7.364740304183215e-05f));
  q = fma(q, s, set1(0.0018844445003196597f));
  q = fma(q, s, set1(0.028645873069763184f));
  q = fma(q, s, set1(0.2515219449996948f));
  q = fma(q, s, set1(1.0f));
  const VecF cdf = fma(z, p / q, set1(0.5f));
  return x * select(lt(x, set1(-5.5f)), zero(), cdf);
}

FB_INLINE VecF gelu_slope(VecF x) {
  const VecF z = max(set1(-6.0f), min(set1(6.0f), x));
  const VecF s = z * z;
  VecF p = set1(-1.5357484381417486e-11f);
  p = fma(p, s, set1(2.785003561101007e-09f));
  p = fma(p, s, set1(-1.0086972679346218e-07f));
  p = fma(p, s, set1(3.300834578112699e-05f));
  p = fma(p, s, set1(-0.00014815747272223234f));
  p = fma(p, s, set1(0.014529995620250702f));
  p = fma(p, s, set1(-0.04151689261198044f));
  p = fma(p, s, set1(0.7978847622871399f));
  VecF q = set1(5.55672977498034e-06f);
  q = fma(q, s, set1(0.00015020905993878841f));
  q = fma(q, s, set1(0.0029522988479584455f));
  q = fma(q, s, set1(0.036971934139728546f));
  q = fma(q, s, set1(0.2813020944595337f));
  q = fma(q, s, set1(1.0f));
  const VecF slope = fma(z, p / q, fma(x, zero(), set1(0.5f)));   // x·0 is NaN where x is infinite
  return select(lt(x, set1(-6.0f)), x * zero(), slope);
}

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
