// Unsigned levels of a fixed scale, in the kernels of every instruction set to the same bits:
//
//   u = clamp(round half to even(x · (1 / scale)) + zero, 0, 255)        x ≈ (u − zero) · scale
//
// in float32, one rounding an operation. What lies outside, infinity too, becomes the nearest level; NaN, which has none, level 0.
#pragma once

#include "kernels/qgemm/qgemm.h"
#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

// Vectors of levels.
struct Leveller {
  VecF inverse, low, high;
  VecI zero;
  int32_t zero_point;

  FB_INLINE explicit Leveller(const qgemm::Affine& affine)
      : inverse(set1(affine.inverse)), low(set1(static_cast<float>(-affine.zero))),
        high(set1(static_cast<float>(255 - affine.zero))), zero(set1i(affine.zero)), zero_point(affine.zero) {}
  // u − zero. Clamped before it is rounded: the borders are whole numbers, and no float is too large for an integer then.
  FB_INLINE VecI centred(VecF x) const { return to_int(min(max(x * inverse, low), high)); }
  FB_INLINE VecI operator()(VecF x) const { return centred(x) + zero; }
};

// GELU whose result becomes levels of at least kCoarseStep: x·Φ(x) with Φ as a polynomial, without a division. Error ≤ 8.3e-5 + 4e-6·|x|,
// less than a tenth of a level; the cost is a third of that of gelu().
constexpr float kCoarseStep = 0x1p-10f;

FB_INLINE VecF gelu_for_levels(VecF x) {
  const VecF above = max(set1(-4.2f), x), z = min(set1(4.2f), above);   // both keep NaN
  const VecF s = z * z, s2 = s * s, s4 = s2 * s2;   // Estrin's order: a shorter chain than Horner's
  const VecF p01 = fma(set1(-0.06552819907665253f), s, set1(0.3984658718109131f));
  const VecF p23 = fma(set1(-0.0009506575297564268f), s, set1(0.009298229590058327f));
  const VecF p45 = fma(set1(-3.037931719518383e-06f), s, set1(6.689069414278492e-05f));
  const VecF p67 = fma(set1(-9.017532831556707e-10f), s, set1(7.941339674744086e-08f));
  const VecF p = fma(fma(p67, s2, p45), s4, fma(p23, s2, p01));
  return above * fma(z, p, set1(0.5f));
}

#if defined(FB_SIMD_512)
// Levels of four vectors, or of two. Packing with saturation clamps them, but for what no integer holds: the upper end is clamped before
// rounding, all else and NaN become INT32_MIN, which saturates to level 0. Packing works within quarters of a register: the words of the
// vectors come out quarter by quarter.
FB_INLINE __m512i pack_levels(const Leveller& level, VecF a, VecF b, VecF c, VecF d) {
  const auto whole = [&](VecF x) { return to_int(min(level.high, x * level.inverse)).v; };
  const __m512i zeros = _mm512_set1_epi16(static_cast<int16_t>(level.zero_point));
  const __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(whole(a), whole(b)), zeros);
  const __m512i cd = _mm512_adds_epi16(_mm512_packs_epi32(whole(c), whole(d)), zeros);
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), _mm512_packus_epi16(ab, cd));
}
FB_INLINE __m256i pack_levels(const Leveller& level, VecF a, VecF b) {
  const auto whole = [&](VecF x) { return to_int(min(level.high, x * level.inverse)).v; };
  const __m512i zeros = _mm512_set1_epi16(static_cast<int16_t>(level.zero_point));
  const __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(whole(a), whole(b)), zeros);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, _mm512_packus_epi16(ab, ab)));
}
#endif

// The levels of NV vectors side by side.
template <int NV>
FB_INLINE void store_levels(uint8_t* to, const Leveller& level, const VecF (&x)[NV]) {
#if defined(FB_SIMD_512)
  if constexpr (NV == 2) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), pack_levels(level, x[0], x[1]));
    return;
  }
#endif
#pragma GCC unroll 2
  for (int v = 0; v < NV; v++) store_u8(to + v * VecF::width, level(x[v]));
}

// k values to levels; store(i, x) takes a vector of values at element i, the lanes past the end being 0. Returns the scale, or NaN
// where the row holds one.
template <class Store>
FB_INLINE float level_row(const float* x, int64_t k, float scale, Store store_lanes) {
  constexpr int W = VecF::width;
  Mask nan = first(0);
  int64_t i = 0;
  for (; i + W <= k; i += W) {
    const VecF lanes = load(x + i);
    nan = nan | is_nan(lanes);
    store_lanes(i, lanes);
  }
  if (i < k) {
    const VecF lanes = maskload(x + i, first(static_cast<int>(k - i)));
    nan = nan | is_nan(lanes);
    store_lanes(i, lanes);
  }
  return any(nan) ? __builtin_nanf("") : scale;
}

#if defined(FB_SIMD_512)
// 64 levels at a time, their bits changed by `flip`: 0x80 makes u − 128 of them. Whole vectors of 16 are written.
FB_INLINE float level_row_bytes(const float* x, int64_t k, float scale, const Leveller& level, uint8_t* u, int8_t flip) {
  constexpr int W = VecF::width;
  const __m512i change = _mm512_set1_epi8(flip);
  Mask nan = first(0);
  int64_t i = 0;
  for (; i + 4 * W <= k; i += 4 * W) {
    const VecF a = load(x + i), b = load(x + i + W), c = load(x + i + 2 * W), d = load(x + i + 3 * W);
    nan = nan | Mask{_mm512_cmp_ps_mask(a.v, b.v, _CMP_UNORD_Q)} | Mask{_mm512_cmp_ps_mask(c.v, d.v, _CMP_UNORD_Q)};
    _mm512_storeu_si512(u + i, _mm512_xor_si512(pack_levels(level, a, b, c, d), change));
  }
  for (; i < k; i += W) {
    const VecF rest = i + W <= k ? load(x + i) : maskload(x + i, first(static_cast<int>(k - i)));
    nan = nan | is_nan(rest);
    const __m128i bytes = _mm512_cvtepi32_epi8(level(rest).v);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(u + i), _mm_xor_si128(bytes, _mm512_castsi512_si128(change)));
  }
  return any(nan) ? __builtin_nanf("") : scale;
}
#endif

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
