// Peaks of the tile registers: four accumulators of 16 × 16, two tiles of rows, two of columns, none of them loaded again. A
// product of tiles is 16 · 16 · 32 multiply-adds of bfloat16 or 16 · 16 · 64 of int8.
#include "kernels/peak/peak_loops.h"

namespace flashbook {
namespace FB_ISA {
namespace {

struct alignas(64) TileConfiguration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Not on the stack: the compiler thinks that loading reads eight bytes of it, and would leave out the others.
constexpr TileConfiguration configuration;

FB_INLINE void begin() {
  _tile_loadconfig(&configuration);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
}

double bf16_tiles(int64_t rounds) {
  begin();
  for (int64_t r = 0; r < rounds; r++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return 4.0 * 2.0 * 16 * 16 * 32 * static_cast<double>(rounds);
}

double int8_tiles(int64_t rounds) {
  begin();
  for (int64_t r = 0; r < rounds; r++) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
  return 4.0 * 2.0 * 16 * 16 * 64 * static_cast<double>(rounds);
}

}  // namespace

const PeakKernels peak_kernels = {f32, bf16_tiles, int8_tiles, read, triad};

}  // namespace FB_ISA
}  // namespace flashbook
