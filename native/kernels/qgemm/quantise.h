// The one quantise function: float32 rows to symmetric int8, in the kernels of every instruction set to the same bits.
//
//   amax = max |x|        q = round half to even(x · (127 / amax)), −127 … 127        scale = amax / 127
//
// in float32, one rounding an operation, so that x ≈ q · scale. An all-zero row, and one so small that 127 / amax is not
// finite (amax < 3.74e-37), gives q = 0 and scale = 0. A row with NaN or infinity gives q = 0 and scale = NaN.
#pragma once

#include <cstdint>

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

struct RowScale {
  float scale;     // amax / 127, 0 or NaN
  float inverse;   // 127 / amax, 0 where all q are 0
};

// The bits of max |x|. Those of |x| as an integer rise with |x|, and NaN lies above infinity: an integer maximum sees them all.
FB_INLINE int32_t row_peak(const float* x, int64_t k) {
  constexpr int W = VecF::width;
  const VecI magnitude = set1i(0x7fffffff);
  VecI top0 = set1i(0), top1 = top0, top2 = top0, top3 = top0;
  int64_t i = 0;
  for (; i + 4 * W <= k; i += 4 * W) {
    top0 = max(top0, as_int(load(x + i)) & magnitude);
    top1 = max(top1, as_int(load(x + i + W)) & magnitude);
    top2 = max(top2, as_int(load(x + i + 2 * W)) & magnitude);
    top3 = max(top3, as_int(load(x + i + 3 * W)) & magnitude);
  }
  for (; i < k; i += W) {
    const Mask m = first(k - i < W ? static_cast<int>(k - i) : W);
    top0 = max(top0, as_int(maskload(x + i, m)) & magnitude);
  }
  return reduce_max(max(max(top0, top1), max(top2, top3)));
}

FB_INLINE RowScale row_scale(int32_t bits) {
  constexpr int32_t kInfinity = 0x7f800000;
  if (bits >= kInfinity) return {__builtin_nanf(""), 0.0f};
  float amax;
  __builtin_memcpy(&amax, &bits, 4);
  const float inverse = 127.0f / amax;
  int32_t inverse_bits;
  __builtin_memcpy(&inverse_bits, &inverse, 4);
  if (inverse_bits >= kInfinity) return {0.0f, 0.0f};
  return {amax / 127.0f, inverse};
}

// No clamp: |x| ≤ amax, and amax · (127 / amax) differs from 127 by roundings alone, far from 127.5.
FB_INLINE VecI quantised(VecF x, VecF inverse) { return to_int(x * inverse); }

// Quantises k values whose largest magnitude has the bits `peak`; store(i, q) takes a vector of results at element i, the lanes past the end
// being 0.
template <class Store>
FB_INLINE float quantise_row(const float* x, int64_t k, int32_t peak, Store store_lanes) {
  constexpr int W = VecF::width;
  const RowScale row = row_scale(peak);
  const VecF inverse = set1(row.inverse);
  if (row.inverse == 0.0f) {
    for (int64_t i = 0; i < k; i += W) store_lanes(i, set1i(0));
    return row.scale;
  }
  int64_t i = 0;
  for (; i + W <= k; i += W) store_lanes(i, quantised(load(x + i), inverse));
  if (i < k) store_lanes(i, quantised(maskload(x + i, first(static_cast<int>(k - i))), inverse));
  return row.scale;
}

#if defined(FB_SIMD_512)
// 64 levels at a time, their bits changed by `flip`: 0x80 makes q + 128 of them. Whole vectors of 16 are written.
FB_INLINE float quantise_row_bytes(const float* x, int64_t k, int32_t peak, int8_t* q, int8_t flip) {
  constexpr int W = VecF::width;
  const RowScale row = row_scale(peak);
  const __m512i change = _mm512_set1_epi8(flip);
  if (row.inverse == 0.0f) {
    for (int64_t i = 0; i < k; i += W) _mm_storeu_si128(reinterpret_cast<__m128i*>(q + i), _mm512_castsi512_si128(change));
    return row.scale;
  }
  const VecF inverse = set1(row.inverse);
  // Packing works within quarters of a register: the words of the four vectors come out quarter by quarter.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  int64_t i = 0;
  for (; i + 4 * W <= k; i += 4 * W) {
    const VecI a = quantised(load(x + i), inverse), b = quantised(load(x + i + W), inverse);
    const VecI c = quantised(load(x + i + 2 * W), inverse), d = quantised(load(x + i + 3 * W), inverse);
    const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(a.v, b.v), _mm512_packs_epi32(c.v, d.v));
    _mm512_storeu_si512(q + i, _mm512_xor_si512(_mm512_permutexvar_epi32(order, bytes), change));
  }
  for (; i < k; i += W) {
    const VecF rest = i + W <= k ? load(x + i) : maskload(x + i, first(static_cast<int>(k - i)));
    const __m128i bytes = _mm512_cvtepi32_epi8(quantised(rest, inverse).v);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q + i), _mm_xor_si128(bytes, _mm512_castsi512_si128(change)));
  }
  return row.scale;
}
#endif

// Levels from row to row: whole vectors, and never a multiple of 4 KiB apart.
FB_INLINE int64_t level_stride(int64_t k) { return (k + 63) / 64 * 64 + 64; }

// `rows` rows to dense int8, one scale a row.
[[maybe_unused]] void quantise_rows(const float* x, int64_t rows, int64_t k, int8_t* q, float* scale) {
  constexpr int W = VecF::width;
  for (int64_t i = 0; i < rows; i++) {
    int8_t* const to = q + i * k;
    scale[i] = quantise_row(x + i * k, k, row_peak(x + i * k, k), [to, k](int64_t at, VecI lanes) {
      if (at + W <= k) {
        store_i8(to + at, lanes);
      } else {
        int8_t last[W];
        store_i8(last, lanes);
        for (int64_t l = 0; l < k - at; l++) to[at + l] = last[l];
      }
    });
  }
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
