// Tile registers (AMX): eight matrices of up to 16 rows × 64 bytes. Included by kernel files of the set amx.
//
// Own statements instead of the compiler's intrinsics: those of GCC 12 do not say that loads and stores of tiles touch memory, so that
// stores to what a tile reads could be moved behind it.
#pragma once

#include <cstdint>

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t column_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, int tile_rows, int bytes) {
    rows[tile] = static_cast<uint8_t>(tile_rows);
    column_bytes[tile] = static_cast<uint16_t>(bytes);
  }
};
static_assert(sizeof(TileConfig) == 64);

// Sets the shapes of all tiles, and zeros in them.
FB_INLINE void tile_configure(const TileConfig& config) { __asm__ volatile("ldtilecfg %0" : : "m"(config) : "memory"); }
// To be called when done: a thread without live tiles is switched faster.
FB_INLINE void tile_release() { __asm__ volatile("tilerelease" : : : "memory"); }

template <int T> FB_INLINE void tile_zero() { __asm__ volatile("tilezero %%tmm%c0" : : "i"(T)); }
// Rows lie `stride` bytes apart.
template <int T> FB_INLINE void tile_load(const void* p, int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(T) : "memory");
}
// The same for what is read once from L2 or beyond: it leaves in L1 what is there.
template <int T> FB_INLINE void tile_stream(const void* p, int64_t stride) {
  __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(T) : "memory");
}
template <int T> FB_INLINE void tile_store(void* p, int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(T) : "memory");
}

// C += A·B. A holds rows of pairs of bf16 (fours of int8); B holds, row by row of pairs (fours) of k, those of each column.
template <int C, int A, int B> FB_INLINE void tile_dot_bf16() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}
template <int C, int A, int B> FB_INLINE void tile_dot_s8s8() {
  __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}
template <int C, int A, int B> FB_INLINE void tile_dot_u8s8() {
  __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}

// A product of 32×32 sums takes all tiles: 0 1 2 3 are the sums (upper and lower rows × left and right columns), 4 5 are of A, 6 7 of B.
constexpr int64_t kGroupRows = 32;

class TileShapes {
 public:
  ~TileShapes() { tile_release(); }
  bool are(int rows0, int rows1) const { return rows0 == rows0_ && rows1 == rows1_; }
  void set(int rows0, int rows1) {
    if (are(rows0, rows1)) return;
    rows0_ = rows0;
    rows1_ = rows1;
    TileConfig config;
    const int rows[8] = {rows0, rows0, rows1, rows1, rows0, rows1, 16, 16};
    for (int i = 0; i < 8; i++) config.set(i, rows[i] > 0 ? rows[i] : 1, 64);
    tile_configure(config);
  }

 private:
  int rows0_ = -1, rows1_ = -1;
};

// The rows of a group: one tile, or two of about the same height.
struct GroupRows {
  int64_t first;
  int upper, lower;   // rows of its tiles; 0: no lower tile

  GroupRows(int64_t begin, int64_t end) : first(begin) {
    const int rows = static_cast<int>(end - begin);
    upper = rows > 16 ? (rows + 1) / 2 : rows;
    lower = rows - upper;
  }
  int count() const { return upper + lower; }
};

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
