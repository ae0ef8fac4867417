// Attention with operands in bf16 for AMX.
// What is not bf16, the last row alone, and what drops weights is computed as for avx512.
#include "kernels/attention/bf16_table.h"
#include "simd/amx.h"

namespace flashbook {
namespace FB_ISA {
namespace {

// The tile registers, for as long as a call runs: 0 1 2 3 are sums, 4 5 of A, 6 7 of B.
struct Tiles {
  Tiles() {
    TileConfig config;
    for (int i = 0; i < 8; ++i) config.set(i, 16, 64);
    tile_configure(config);
  }
  ~Tiles() { tile_release(); }

  // Columns in turn have sums 0 1 and 2 3: those of one are stored while the next is multiplied.
  template <bool fresh>
  FB_INLINE static void multiply(int64_t columns, int64_t steps, TilesOfBf16 a, TilesOfBf16 b, TilesOfSums sums) {
    float* out = sums.at;
    int64_t column = 0;
    for (; column + 2 <= columns; column += 2) {
      accumulate<0, 6, fresh>(steps, a, b.at, b.step, sums, out);
      if (column > 0) put<2>(sums, out - sums.column_tile);
      accumulate<2, 7, fresh>(steps, a, b.at + b.tile, b.step, sums, out + sums.column_tile);
      put<0>(sums, out);
      b.at += 2 * b.tile;
      out += 2 * sums.column_tile;
    }
    if (column < columns) accumulate<0, 6, fresh>(steps, a, b.at, b.step, sums, out);
    if (column > 0) put<2>(sums, out - sums.column_tile);
    if (column < columns) put<0>(sums, out);
  }

 private:
  template <int Sum, int Column, bool fresh>
  FB_INLINE static void accumulate(int64_t steps, TilesOfBf16 a, const int32_t* b, int64_t b_step, const TilesOfSums& sums,
                                   const float* out) {
    if constexpr (fresh) {
      tile_zero<Sum>();
      tile_zero<Sum + 1>();
    } else {
      tile_load<Sum>(out, 4 * sums.row);
      tile_load<Sum + 1>(out + sums.row_tile, 4 * sums.row);
    }
    for (int64_t s = 0; s < steps; ++s) {
      tile_load<Column>(b, 64);
      tile_load<4>(a.at, 64);
      tile_dot_bf16<Sum, 4, Column>();
      tile_load<5>(a.at + a.tile, 64);
      tile_dot_bf16<Sum + 1, 5, Column>();
      a.at += a.step;
      b += b_step;
    }
  }
  template <int Sum> FB_INLINE static void put(const TilesOfSums& sums, float* out) {
    tile_store<Sum>(out, 4 * sums.row);
    tile_store<Sum + 1>(out + sums.row_tile, 4 * sums.row);
  }
};

}  // namespace

extern const AttentionKernels attention_kernels;
const AttentionKernels attention_kernels = bf16::table<Tiles>();

}  // namespace FB_ISA
}  // namespace flashbook
