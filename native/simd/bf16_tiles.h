// Matrices of bf16 in pairs of k, one pair a 32-bit word, as vdpbf16ps and the tiles of AMX multiply them. A tile is 16 × 16 words:
//
//   of A   16 rows × 32 k: row after row
//   of B   32 k × 16 columns: pair of k after pair, in a pair column after column
//
// Included by kernel files of the sets avx512bf16 and amx.
#pragma once

#include "simd/bf16.h"

namespace flashbook {
namespace FB_ISA {
namespace {

FB_INLINE Mask first_of(int64_t left) { return first(static_cast<int>(left < 0 ? 0 : left > 16 ? 16 : left)); }

// 32 neighbours in memory, of which `count` exist.
FB_INLINE __m512i load_step(const float* p, int64_t count) {
  if (count >= 32) return pack_bf16(load(p), load(p + 16));
  return pack_bf16(maskload(p, first_of(count)), maskload(p + 16, first_of(count - 16)));
}

// Lane by lane the pair (even, odd).
FB_INLINE __m512i pair_up(VecF even, VecF odd) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4,
                                         19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, pack_bf16(even, odd));
}

// r[i] word j ↔ r[j] word i.
FB_INLINE void transpose_words(__m512i (&r)[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // r[4q + c] has, in its 128-bit lane l, words 4q … 4q+3 of column 4l + c.
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    t[c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);
    t[4 + c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);
    t[8 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
    t[12 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    r[c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0x88);
    r[8 + c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0xdd);
    r[4 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0x88);
    r[12 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0xdd);
  }
}

FB_INLINE void store_words(int32_t* p, __m512i x) { _mm512_storeu_si512(p, x); }

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
