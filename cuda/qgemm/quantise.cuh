// The one quantise function, as native/kernels/qgemm/quantise.h has it and to the same bits:
//
//   amax = max |x|        q = clamp(round half to even(x · (127 / amax)), −127, 127)        scale = amax / 127
//
// in float32, one rounding an operation. An all-zero row, and one so small that 127 / amax is not finite, gives q = 0 and
// scale = 0. A row with NaN or infinity gives q = 0 and scale = NaN.
#pragma once

#include <cstdint>

namespace flashbook::cuda::qgemm {

struct RowScale {
  float scale;     // amax / 127, 0 or NaN
  float inverse;   // 127 / amax, 0 where all q are 0
};

// The bits of |x| as an integer rise with |x|, and NaN lies above infinity: an integer maximum sees them all.
__device__ __forceinline__ int magnitude_bits(float x) { return __float_as_int(x) & 0x7fffffff; }

__device__ __forceinline__ RowScale row_scale(int top) {
  constexpr int kInfinity = 0x7f800000;
  if (top >= kInfinity) return {__int_as_float(0x7fc00000), 0.0f};
  const float amax = __int_as_float(top), inverse = __fdiv_rn(127.0f, amax);
  if (__float_as_int(inverse) >= kInfinity) return {0.0f, 0.0f};
  return {__fdiv_rn(amax, 127.0f), inverse};
}

// A row with inverse 0 may hold NaN, so that is asked for first. Within the row of `inverse` nothing is left to clamp: |x| ≤ amax, and
// 127/amax and the product are each at most 2⁻²⁴ too large, so that 127 is the largest integer they round to.
__device__ __forceinline__ int quantised(float x, float inverse) {
  return inverse == 0.0f ? 0 : __float2int_rn(__fmul_rn(x, inverse));
}

__device__ __forceinline__ uint32_t quantised_word(float4 x, float inverse) {
  if (inverse == 0.0f) return 0;
  const auto integer = [inverse](float value) { return static_cast<uint32_t>(__float2int_rn(__fmul_rn(value, inverse))); };
  // Low bytes of two, twice, then the low halves of these.
  return __byte_perm(__byte_perm(integer(x.x), integer(x.y), 0x0040), __byte_perm(integer(x.z), integer(x.w), 0x0040), 0x5410);
}

// Values at … at+3 of a row of k, zeros past its end; `aligned`: k is a multiple of 4.
__device__ __forceinline__ float4 four_of_row(const float* row, int64_t at, int64_t k, bool aligned) {
  if (aligned && at < k) return *reinterpret_cast<const float4*>(row + at);
  return {at < k ? row[at] : 0.0f, at + 1 < k ? row[at + 1] : 0.0f, at + 2 < k ? row[at + 2] : 0.0f,
          at + 3 < k ? row[at + 3] : 0.0f};
}

// The largest of the magnitudes of four values and `top`.
__device__ __forceinline__ int top_of(float4 x, int top) {
  return max(max(max(top, magnitude_bits(x.x)), magnitude_bits(x.y)), max(magnitude_bits(x.z), magnitude_bits(x.w)));
}

}  // namespace flashbook::cuda::qgemm
