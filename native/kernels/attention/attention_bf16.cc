// Attention with operands in bf16 for AVX512_BF16: register tiles of 8×32 sums, one vdpbf16ps for two products of each of 16 columns.
// What is not bf16, the last row alone, and what drops weights is computed as for avx512.
#include "kernels/attention/bf16_table.h"

namespace flashbook {
namespace FB_ISA {
namespace {

struct DotProducts {
  template <bool fresh>
  FB_INLINE static void multiply(int64_t columns, int64_t steps, TilesOfBf16 a, TilesOfBf16 b, TilesOfSums sums) {
    for (int64_t column = 0; column < columns; column += 2) {
      if (column + 1 < columns) two_tiles<2, fresh>(steps, a, b, sums);
      else two_tiles<1, fresh>(steps, a, b, sums);
      b.at += 2 * b.tile;
      sums.at += 2 * sums.column_tile;
    }
  }

 private:
  template <int Columns, bool fresh>
  FB_INLINE static void two_tiles(int64_t steps, TilesOfBf16 a, TilesOfBf16 b, TilesOfSums sums) {
    for (int tile = 0; tile < 2; ++tile) {
      for (int first = 0; first < 16; first += 8) {
        float* const out = sums.at + tile * sums.row_tile + first * sums.row;
        __m512 sum[8][Columns];
#pragma GCC unroll 8
        for (int r = 0; r < 8; ++r) {
#pragma GCC unroll 2
          for (int c = 0; c < Columns; ++c) {
            sum[r][c] = fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(out + r * sums.row + c * sums.column_tile);
          }
        }
        const int32_t *rows = a.at + tile * a.tile + first * 16, *columns = b.at;
        for (int64_t s = 0; s < steps; ++s) {
          for (int pair = 0; pair < 16; ++pair) {
            __m512i column[Columns];
#pragma GCC unroll 2
            for (int c = 0; c < Columns; ++c) column[c] = _mm512_loadu_si512(columns + c * b.tile + pair * 16);
#pragma GCC unroll 8
            for (int r = 0; r < 8; ++r) {
              const __m512i x = _mm512_set1_epi32(rows[r * 16 + pair]);
#pragma GCC unroll 2
              for (int c = 0; c < Columns; ++c) sum[r][c] = _mm512_dpbf16_ps(sum[r][c], (__m512bh)x, (__m512bh)column[c]);
            }
          }
          rows += a.step;
          columns += b.step;
        }
#pragma GCC unroll 8
        for (int r = 0; r < 8; ++r) {
#pragma GCC unroll 2
          for (int c = 0; c < Columns; ++c) _mm512_storeu_ps(out + r * sums.row + c * sums.column_tile, sum[r][c]);
        }
      }
    }
  }
};

}  // namespace

extern const AttentionKernels attention_kernels;
const AttentionKernels attention_kernels = bf16::table<DotProducts>();

}  // namespace FB_ISA
}  // namespace flashbook
