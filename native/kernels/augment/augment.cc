// Vectorised noise and splines; augment.h has the formulas. Compiled once for each instruction set.
#include "kernels/augment/augment.h"

#include "kernels/dropout/philox.h"
#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const AugmentKernels augment_kernels;

namespace {

constexpr int W = VecF::width;

// −2 ln(k/2²⁴) for k = 1 … 2²⁴: ln m for m in √½ … √2 is 2 artanh s, s = (m − 1)/(m + 1), |s| ≤ 0.1716, by its series.
FB_INLINE VecF minus_two_log(VecI k) {
  const VecI bits = as_int(to_float(k));
  const VecI from_root_half = bits - set1i(0x3f3504f3);
  const VecF exponent = to_float(shift_right_signed<23>(from_root_half) - set1i(24));
  const VecF m = as_float((from_root_half & set1i(0x007fffff)) + set1i(0x3f3504f3));
  const VecF s = (m - set1(1.0f)) / (m + set1(1.0f));
  const VecF q = s * s;
  VecF p = set1(1.0f / 9);
  p = fma(p, q, set1(1.0f / 7));
  p = fma(p, q, set1(1.0f / 5));
  p = fma(p, q, set1(1.0f / 3));
  const VecF artanh = fma(p * q, s, s);
  return fma(exponent, set1(-1.38629436f), artanh * set1(-4.0f));
}

struct SineCosine { VecF sine, cosine; };

// Of 2π·t, |t| ≤ ½: to the nearest quarter turn, then Taylor's series over ±π/4, and back by the quarter's signs.
FB_INLINE SineCosine sine_cosine_of_turns(VecF t) {
  const VecF quarter = round_nearest(t * set1(4.0f));
  const VecF z = fnma(quarter, set1(0.25f), t) * set1(6.2831853f);
  const VecF q = z * z;
  VecF s = set1(1.0f / 362880);
  s = fma(s, q, set1(-1.0f / 5040));
  s = fma(s, q, set1(1.0f / 120));
  s = fma(s, q, set1(-1.0f / 6));
  s = fma(s * q, z, z);
  VecF c = set1(1.0f / 40320);
  c = fma(c, q, set1(-1.0f / 720));
  c = fma(c, q, set1(1.0f / 24));
  c = fma(c, q, set1(-0.5f));
  c = fma(c, q, set1(1.0f));
  const VecI n = to_int(quarter);
  const Mask odd = eq(n & set1i(1), set1i(1));
  const VecI sine_sign = shift_left<30>(n & set1i(2)), cosine_sign = shift_left<30>((n + set1i(1)) & set1i(2));
  return {as_float(as_int(select(odd, c, s)) ^ sine_sign), as_float(as_int(select(odd, s, c)) ^ cosine_sign)};
}

void add_normals(float* x, int64_t n, float deviation, const NormalDraw& draw) {
  const PhiloxKey key(draw.seed_low, draw.seed_high, draw.stream, draw.step);
  const VecF sigma = set1(deviation);
  for (int64_t i = 0; i < n; i += 2 * W) {
    const PhiloxWords words = draw_words(static_cast<uint64_t>(i) / 4, key);
    const VecF radius = sqrt(minus_two_log(shift_right<8>(pair(words.w0, words.w2)) + set1i(1)));
    const VecF turns = to_float(shift_right_signed<8>(pair(words.w1, words.w3))) * set1(0x1p-24f);
    const SineCosine at = sine_cosine_of_turns(turns);
    const VecI cosines = as_int(radius * at.cosine), sines = as_int(radius * at.sine);
    const VecF first_half = as_float(interleave_even(cosines, sines)), second_half = as_float(interleave_odd(cosines, sines));
    if (i + 2 * W <= n) {
      store(x + i, fma(sigma, first_half, load(x + i)));
      store(x + i + W, fma(sigma, second_half, load(x + i + W)));
      continue;
    }
    const int64_t left = n - i;
    const Mask part = rest(left < W ? left : W);
    store(x + i, fma(sigma, first_half, load(x + i, part)), part);
    if (left <= W) return;
    const Mask rest_part = rest(left - W);
    store(x + i + W, fma(sigma, second_half, load(x + i + W, rest_part)), rest_part);
  }
}

void spline_bends(const float* y, float* m, float* ratio, int64_t knots, int64_t columns) {
  ratio[0] = 0;
  for (int64_t i = 1; i < knots - 1; ++i) ratio[i] = 1 / (4 - ratio[i - 1]);
  for_vectors(columns, [=](int64_t c, auto part) {
    store(m + c, zero(), part);
    store(m + (knots - 1) * columns + c, zero(), part);
    for (int64_t i = 1; i < knots - 1; ++i) {
      const float* const at = y + i * columns + c;
      const VecF second = fnma(set1(2.0f), load(at, part), load(at - columns, part) + load(at + columns, part));
      const VecF above = load(m + (i - 1) * columns + c, part);
      store(m + i * columns + c, fma(set1(6.0f), second, -above) * set1(ratio[i]), part);
    }
    for (int64_t i = knots - 2; i > 0; --i) {
      const VecF below = load(m + (i + 1) * columns + c, part);
      store(m + i * columns + c, fnma(set1(ratio[i]), below, load(m + i * columns + c, part)), part);
    }
  });
}

void multiply_splines(float* x, int64_t rows, int64_t columns, const float* y, const float* m, int64_t knots) {
  for (int64_t row = 0; row < rows; ++row) {
    const SplinePlace p = spline_place(row, rows, knots);
    const float *const y0 = y + p.left * columns, *const y1 = y + p.right * columns;
    const float *const m0 = m + p.left * columns, *const m1 = m + p.right * columns;
    float* const at = x + row * columns;
    const VecF a = set1(p.a), b = set1(p.b), bend_a = set1(p.bend_a), bend_b = set1(p.bend_b);
    for_vectors(columns, [=](int64_t c, auto part) {
      VecF curve = a * load(y0 + c, part);
      curve = fma(b, load(y1 + c, part), curve);
      curve = fma(bend_a, load(m0 + c, part), curve);
      curve = fma(bend_b, load(m1 + c, part), curve);
      store(at + c, load(at + c, part) * curve, part);
    });
  }
}

}  // namespace

const AugmentKernels augment_kernels = {add_normals, spline_bends, multiply_splines};

}  // namespace FB_ISA
}  // namespace flashbook
