// Transposes of float32 blocks, for packing. Included by kernel files after vec.h.
#pragma once

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

#if defined(FB_SIMD_256) || defined(FB_SIMD_512)
// Eight rows of eight, through registers.
FB_INLINE void transpose_8x8(const float* in, int64_t in_ld, float* out, int64_t out_ld) {
  __m256 r[8], t[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(in + i * in_ld);
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(out + i * out_ld, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(out + (i + 4) * out_ld, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}
#endif

// out[c][r] = in[r][c]; columns rows … padded_rows−1 of out become 0.
FB_INLINE void transpose(const float* in, int64_t in_ld, int64_t rows, int64_t columns, float* out, int64_t out_ld,
                         int64_t padded_rows) {
  int64_t r = 0;
#if defined(FB_SIMD_256) || defined(FB_SIMD_512)
  for (; r + 8 <= rows; r += 8) {
    int64_t c = 0;
    for (; c + 8 <= columns; c += 8) transpose_8x8(in + r * in_ld + c, in_ld, out + c * out_ld + r, out_ld);
    for (; c < columns; ++c) {
      for (int64_t i = 0; i < 8; ++i) out[c * out_ld + r + i] = in[(r + i) * in_ld + c];
    }
  }
#endif
  for (; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) out[c * out_ld + r] = in[r * in_ld + c];
  }
  for (; r < padded_rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) out[c * out_ld + r] = 0.0f;
  }
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
