// Rows of float32 as tiles of bf16 for the products of attention (simd/bf16_tiles.h has the tiles), and products of such matrices.
// Rows and columns of a head are contracted over in steps of 32; what is missing in the last step is zeros.
//
// Each set brings its Multiplier:
//   multiply<fresh>(columns, steps, a, b, sums)   two tiles of rows × any number of columns; fresh: sums start at 0
#pragma once

#include "kernels/attention/view.h"
#include "simd/bf16_tiles.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int64_t kStep = 32;          // of what is summed over
constexpr int64_t kTileWords = 256;    // of a tile of A or B; floats of a tile of sums

FB_INLINE int64_t steps_of(int64_t n) { return (n + kStep - 1) / kStep; }
FB_INLINE int64_t tiles_of(int64_t n) { return (n + 15) / 16; }

// A matrix in tiles: tile after tile of its rows (A) or columns (B), and step after step of k, so many words apart.
struct TilesOfBf16 {
  const int32_t* at;
  int64_t tile, step;
};
// Sums: tiles of rows and of columns so many floats apart, and the rows of a tile.
struct TilesOfSums {
  float* at;
  int64_t row_tile, column_tile, row;
};

// sums (+)= a·b for an even number of tiles of rows. Each sum is one chain over the steps, whatever tiles are multiplied together.
template <class Multiplier>
FB_INLINE void multiply(bool fresh, int64_t row_tiles, int64_t column_tiles, int64_t steps, TilesOfBf16 a, TilesOfBf16 b,
                        TilesOfSums sums) {
  for (int64_t i = 0; i < row_tiles; i += 2) {
    if (fresh) Multiplier::template multiply<true>(column_tiles, steps, a, b, sums);
    else Multiplier::template multiply<false>(column_tiles, steps, a, b, sums);
    a.at += 2 * a.tile;
    sums.at += 2 * sums.row_tile;
  }
}

// Zeros in place of what is not finite. Returns whether all were.
FB_INLINE bool take_finite(__m512i& pairs) {
  const __m512i exponent = _mm512_set1_epi16(0x7f80);
  const __mmask32 finite = _mm512_cmpneq_epi16_mask(_mm512_and_si512(pairs, exponent), exponent);
  pairs = _mm512_maskz_mov_epi16(finite, pairs);
  return finite == 0xffffffffu;
}

// A, summed over columns: a tile for each 16 rows, up to a multiple of 32, and step of columns. Tiles of rows lie
// steps_of(columns) tiles apart.
FB_INLINE void pack_a(const float* in, int64_t ld, int64_t rows, int64_t columns, int32_t* out) {
  const int64_t steps = steps_of(columns);
  for (int64_t r = 0; r < steps_of(rows) * kStep; ++r) {
    int32_t* const to = out + r / 16 * steps * kTileWords + r % 16 * 16;
    for (int64_t s = 0; s < steps; ++s) {
      store_words(to + s * kTileWords, r < rows ? load_step(in + r * ld + s * kStep, columns - s * kStep) : _mm512_setzero_si512());
    }
  }
}

// B, summed over columns: a tile for each 16 rows, up to a multiple of 32, and step of columns.
FB_INLINE void pack_b_of_columns(const float* in, int64_t ld, int64_t rows, int64_t columns, int32_t* out) {
  const int64_t steps = steps_of(columns);
  for (int64_t t = 0; t < 2 * steps_of(rows); ++t) {
    const int64_t left = rows - 16 * t;
    for (int64_t s = 0; s < steps; ++s) {
      __m512i r[16];
      if (left >= 16) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) r[i] = load_step(in + (16 * t + i) * ld + s * kStep, columns - s * kStep);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) {
          r[i] = i < left ? load_step(in + (16 * t + i) * ld + s * kStep, columns - s * kStep) : _mm512_setzero_si512();
        }
      }
      transpose_words(r);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) store_words(out + (t * steps + s) * kTileWords + i * 16, r[i]);
    }
  }
}

// B, summed over rows: for each step of rows a tile for each 16 columns. What is not finite becomes 0; returns whether all was.
FB_INLINE bool pack_b_of_rows(const float* in, int64_t ld, int64_t rows, int64_t columns, int32_t* out) {
  const int64_t tiles = tiles_of(columns);
  bool finite = true;
  for (int64_t pair = 0; pair < steps_of(rows) * 16; ++pair) {
    const float *even = in + 2 * pair * ld, *odd = even + ld;
    int32_t* const to = out + pair / 16 * tiles * kTileWords + pair % 16 * 16;
    for (int64_t t = 0; t < tiles; ++t) {
      const Mask m = first_of(columns - t * 16);
      const VecF x0 = 2 * pair < rows ? maskload(even + t * 16, m) : zero();
      const VecF x1 = 2 * pair + 1 < rows ? maskload(odd + t * 16, m) : zero();
      __m512i words = pair_up(x0, x1);
      finite &= take_finite(words);
      store_words(to + t * kTileWords, words);
    }
  }
  return finite;
}

// A, summed over rows: a tile for each 16 columns, up to a multiple of 32, and step of rows; tiles of columns lie steps_of(rows) tiles
// apart. What is not finite becomes 0; returns whether all was.
FB_INLINE bool pack_a_of_rows(const float* in, int64_t ld, int64_t rows, int64_t columns, int32_t* out) {
  const int64_t steps = steps_of(rows);
  bool finite = true;
  for (int64_t t = 0; t < 2 * steps_of(columns); ++t) {
    const Mask m = first_of(columns - t * 16);
    for (int64_t s = 0; s < steps; ++s) {
      __m512i r[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        const int64_t row = s * kStep + 2 * i;
        const VecF x0 = row < rows ? maskload(in + row * ld + t * 16, m) : zero();
        const VecF x1 = row + 1 < rows ? maskload(in + (row + 1) * ld + t * 16, m) : zero();
        r[i] = pair_up(x0, x1);
        finite &= take_finite(r[i]);
      }
      transpose_words(r);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) store_words(out + (t * steps + s) * kTileWords + i * 16, r[i]);
    }
  }
  return finite;
}

// A bf16 of a word.
FB_INLINE float half_of(int32_t word, int64_t half) {
  const uint32_t bits = half == 0 ? static_cast<uint32_t>(word) << 16 : static_cast<uint32_t>(word) & 0xffff0000u;
  return __builtin_bit_cast(float, bits);
}

// f(row, column, x) for every element that is not finite as a bf16: what the tiles hold zeros for.
template <class F> FB_INLINE void for_not_finite(const float* in, int64_t ld, int64_t rows, int64_t columns, F f) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      float rounded[W];
      store(rounded, round_bf16(set1(in[r * ld + c])));
      if (!(rounded[0] - rounded[0] == 0.0f)) f(r, c, rounded[0]);
    }
  }
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
