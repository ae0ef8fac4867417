// Attention with operands in bf16 for AMX: 32×32 sums in four tile registers, from two tiles of each operand for each step of k.
// What is not bf16, and the last row alone, is computed as for avx512.
#include "kernels/attention/bf16_table.h"
#include "simd/amx.h"

namespace flashbook {
namespace FB_ISA {
namespace {

// The tile registers, for as long as a call runs: 0 1 2 3 are sums, 4 5 are of A, 6 7 of B.
struct Tiles {
  Tiles() {
    TileConfig config;
    for (int i = 0; i < 8; ++i) config.set(i, 16, 64);
    tile_configure(config);
  }
  ~Tiles() { tile_release(); }

  template <int Rows, int Columns>
  FB_INLINE static void multiply(bool fresh, int64_t steps, TilesOfBf16 a, TilesOfBf16 b, TilesOfSums sums) {
    float* const second = sums.at + sums.row_tile;
    const int64_t row = 4 * sums.row;
    if (fresh) {
      tile_zero<0>();
      tile_zero<1>();
      tile_zero<2>();
      tile_zero<3>();
    } else {
      tile_load<0>(sums.at, row);
      if constexpr (Columns > 1) tile_load<1>(sums.at + sums.column_tile, row);
      if constexpr (Rows > 1) tile_load<2>(second, row);
      if constexpr (Rows > 1 && Columns > 1) tile_load<3>(second + sums.column_tile, row);
    }
    for (int64_t s = 0; s < steps; ++s) {
      tile_load<6>(b.at, 64);
      tile_load<4>(a.at, 64);
      tile_dot_bf16<0, 4, 6>();
      if constexpr (Columns > 1) {
        tile_load<7>(b.at + b.tile, 64);
        tile_dot_bf16<1, 4, 7>();
      }
      if constexpr (Rows > 1) {
        tile_load<5>(a.at + a.tile, 64);
        tile_dot_bf16<2, 5, 6>();
        if constexpr (Columns > 1) tile_dot_bf16<3, 5, 7>();
      }
      a.at += a.step;
      b.at += b.step;
    }
    tile_store<0>(sums.at, row);
    if constexpr (Columns > 1) tile_store<1>(sums.at + sums.column_tile, row);
    if constexpr (Rows > 1) tile_store<2>(second, row);
    if constexpr (Rows > 1 && Columns > 1) tile_store<3>(second + sums.column_tile, row);
  }
};

}  // namespace

extern const AttentionKernels attention_kernels;
const AttentionKernels attention_kernels = bf16::table<Tiles>();

}  // namespace FB_ISA
}  // namespace flashbook
