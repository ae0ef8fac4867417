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

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
