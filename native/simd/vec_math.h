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

// x·Φ(x), error ≤ 9 ulp, and its derivative Φ(x) + x·φ(x), absolute error ≤ 3e-7. gelu(−∞) is NaN (−∞ · 0), as the
// formula has it.
FB_INLINE VecF gelu(VecF x) { return x * normal_cdf(x); }
FB_INLINE VecF gelu_slope(VecF x) {
  const Normal n = normal(x);
  return fma(x, n.density, n.cdf);
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

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
