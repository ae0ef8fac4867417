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

#if defined(FB_SIMD_512)
// Four columns of sixteen rows, through registers: out[c·16 + r] = rows[r][c], or 0 where `kept` has no row r. A vector gathers the four
// floats of rows j, j+4, j+8 and j+12, so that the rows come out in order.
FB_INLINE void transpose_columns(const float* const* rows, int64_t column, Mask kept, float* out) {
  __m512 t[4];
  for (int j = 0; j < 4; ++j) {
    t[j] = _mm512_castps128_ps512(_mm_loadu_ps(rows[j] + column));
    t[j] = _mm512_mask_broadcast_f32x4(t[j], 0x00f0, _mm_loadu_ps(rows[j + 4] + column));
    t[j] = _mm512_mask_broadcast_f32x4(t[j], 0x0f00, _mm_loadu_ps(rows[j + 8] + column));
    t[j] = _mm512_mask_broadcast_f32x4(t[j], 0xf000, _mm_loadu_ps(rows[j + 12] + column));
  }
  const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(t[0], t[1])), b = _mm512_castps_pd(_mm512_unpacklo_ps(t[2], t[3]));
  const __m512d c = _mm512_castps_pd(_mm512_unpackhi_ps(t[0], t[1])), d = _mm512_castps_pd(_mm512_unpackhi_ps(t[2], t[3]));
  const auto put = [&](float* to, __m512d x) __attribute__((always_inline)) {
    _mm512_storeu_ps(to, _mm512_maskz_mov_ps(kept.v, _mm512_castpd_ps(x)));
  };
  put(out, _mm512_unpacklo_pd(a, b));
  put(out + 16, _mm512_unpackhi_pd(a, b));
  put(out + 32, _mm512_unpacklo_pd(c, d));
  put(out + 48, _mm512_unpackhi_pd(c, d));
}
#elif defined(FB_SIMD_256)
// The same for eight rows: rows j and j+4 in a vector.
FB_INLINE void transpose_columns(const float* const* rows, int64_t column, Mask kept, float* out) {
  __m256 t[4];
  for (int j = 0; j < 4; ++j) {
    t[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[j] + column)), _mm_loadu_ps(rows[j + 4] + column), 1);
  }
  const __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(t[0], t[1])), b = _mm256_castps_pd(_mm256_unpacklo_ps(t[2], t[3]));
  const __m256d c = _mm256_castps_pd(_mm256_unpackhi_ps(t[0], t[1])), d = _mm256_castps_pd(_mm256_unpackhi_ps(t[2], t[3]));
  const auto put = [&](float* to, __m256d x) __attribute__((always_inline)) {
    _mm256_storeu_ps(to, _mm256_and_ps(_mm256_castpd_ps(x), _mm256_castsi256_ps(kept.v)));
  };
  put(out, _mm256_unpacklo_pd(a, b));
  put(out + 8, _mm256_unpackhi_pd(a, b));
  put(out + 16, _mm256_unpacklo_pd(c, d));
  put(out + 24, _mm256_unpackhi_pd(c, d));
}
#endif

// The first `count` (1 … width) of VecF::width rows as one panel: out[c·width + r] = in[r·ld + c]; rows from `count` on become 0.
FB_INLINE void transpose_panel(const float* in, int64_t ld, int64_t count, int64_t columns, float* out) {
  constexpr int64_t width = VecF::width;
  int64_t c = 0;
#if defined(FB_SIMD_512) || defined(FB_SIMD_256)
  const Mask kept = first(static_cast<int>(count));
  const float* rows[width];
  for (int64_t r = 0; r < width; ++r) rows[r] = in + (r < count ? r : count - 1) * ld;   // for a missing row, whatever is there
  for (; c + 4 <= columns; c += 4) transpose_columns(rows, c, kept, out + c * width);
#endif
  for (; c < columns; ++c) {
    for (int64_t r = 0; r < width; ++r) out[c * width + r] = r < count ? in[r * ld + c] : 0.0f;
  }
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
