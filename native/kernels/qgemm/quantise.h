// The one quantise function: float32 rows to symmetric int8, in the kernels of every instruction set to the same bits.
//
//   amax = max |x|        q = clamp(round half to even(x · (127 / amax)), −127, 127)        scale = amax / 127
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

// The bits of |x| as an integer rise with |x|, and NaN lies above infinity: an integer maximum sees them all.
FB_INLINE RowScale row_scale(const float* x, int64_t k) {
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
  const int32_t bits = reduce_max(max(max(top0, top1), max(top2, top3)));
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

FB_INLINE VecI quantised(VecF x, VecF inverse) {
  return max(set1i(-127), min(set1i(127), to_int(x * inverse)));
}

// Quantises k values; store(i, q) takes a vector of results at element i, the lanes past the end being 0.
template <class Store>
FB_INLINE float quantise_row(const float* x, int64_t k, Store store_lanes) {
  constexpr int W = VecF::width;
  const RowScale row = row_scale(x, k);
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

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
