// The register tile of gemm_blocks.h: MR rows × NV vectors of C as a sum of outer products over one chunk of k.
#pragma once

#include "kernels/gemm/fetch_ahead.h"
#include "kernels/gemm/gemm_epilogue.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int kTileRows = W == 16 ? 14 : 6;
constexpr int kTileColumns = 2 * W;
constexpr int64_t kAStride = W;   // floats from k to k+1 of copied A whose columns were contiguous
static_assert(kTileRows <= kAStride, "a column of a tile is one vector");

template <int MR, int NV, bool FULL>
FB_INLINE void spill_and_finish(const VecF (&acc)[MR][NV], const TileOut& out) {
  VecF spilled[MR * NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) spilled[i * NV + v] = acc[i][v];
  }
  finish_spilled<NV, FULL>(spilled, MR, out);
}

template <int MR, int NV>
FB_INLINE void finish(const VecF (&acc)[MR][NV], const TileOut& out) {
  if (out.columns < NV * W) {
    spill_and_finish<MR, NV, false>(acc, out);
  } else if (!out.last || out.activation == Activation::none) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) finish_row<NV, true, Activation::none>(acc[i], out, nullptr, i);
  } else {
    spill_and_finish<MR, NV, true>(acc, out);
  }
}

// One step of k: acc += column of A × row of B. `at(i)` is the place of A's element of row i.
template <int MR, int NV, class At>
FB_INLINE void outer_product(VecF (&acc)[MR][NV], const float* b, const At& at) {
  VecF row[NV];
#pragma GCC unroll 4
  for (int v = 0; v < NV; v++) row[v] = load(b + v * W);
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
    const VecF x = set1(*at(i));
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) acc[i][v] = fma(x, row[v], acc[i][v]);
  }
}

// The sums over kc of k. sum(n) adds the next n products; every sixteen, lines of C are fetched, and what lies ahead.
template <int MR, int HINT, class Sum>
FB_INLINE void sum_and_fetch(int64_t kc, const TileOut& out, Ahead& ahead, const Sum& sum) {
  ResultAhead<kTileColumns> result = {out.c, out.n, MR};
  for (int64_t left = kc; left >= 16; left -= 16) {
    result.fetch();
    ahead.fetch<HINT, 128>();
#pragma GCC unroll 1
    for (int u = 0; u < 4; u++) sum(Count<4>{});
  }
#pragma GCC unroll 1
  for (int64_t k = 0; k < kc % 16; k++) sum(Count<1>{});
}

// A's element (i, k) is a[i·stride + k]. Rows go in threes on one pointer: +0, +stride, +2·stride are addressing modes.
template <int MR, int NV>
void tile_rows(int64_t kc, const float* a, int64_t stride, const float* b, Ahead& ahead, const TileOut& out) {
  constexpr int kPointers = (MR + 2) / 3;
  const float* p[kPointers];
#pragma GCC unroll 8
  for (int q = 0; q < kPointers; q++) p[q] = a + 3 * q * stride;
  VecF acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) acc[i][v] = zero();
  }
  sum_and_fetch<MR, 3>(kc, out, ahead, [&](auto count) __attribute__((always_inline)) {
    constexpr int n = decltype(count)::value;
#pragma GCC unroll 4
    for (int u = 0; u < n; u++) {
      outer_product<MR, NV>(acc, b + u * NV * W, [&](int i) { return p[i / 3] + (i % 3) * stride + u; });
    }
    b += n * NV * W;
#pragma GCC unroll 8
    for (int q = 0; q < kPointers; q++) p[q] += n;
  });
  finish<MR, NV>(acc, out);
}

// A's element (i, k) is a[k·kAStride + i].
template <int MR, int NV>
void tile_columns(int64_t kc, const float* a, int64_t, const float* b, Ahead& ahead, const TileOut& out) {
  VecF acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) acc[i][v] = zero();
  }
  sum_and_fetch<MR, 2>(kc, out, ahead, [&](auto count) __attribute__((always_inline)) {
    constexpr int n = decltype(count)::value;
#pragma GCC unroll 4
    for (int u = 0; u < n; u++) {
      outer_product<MR, NV>(acc, b + u * NV * W, [&](int i) { return a + u * kAStride + i; });
    }
    a += n * kAStride;
    b += n * NV * W;
  });
  finish<MR, NV>(acc, out);
}

using TileFunction = void (*)(int64_t kc, const float* a, int64_t stride, const float* b, Ahead& ahead,
                              const TileOut& out);

// [layout of A: rows, columns contiguous][vectors − 1][rows − 1]
#define FB_TILES_6(F, NV) F<1, NV>, F<2, NV>, F<3, NV>, F<4, NV>, F<5, NV>, F<6, NV>
#define FB_TILES_14(F, NV) \
  FB_TILES_6(F, NV), F<7, NV>, F<8, NV>, F<9, NV>, F<10, NV>, F<11, NV>, F<12, NV>, F<13, NV>, F<14, NV>
#if defined(FB_SIMD_512)
#define FB_TILES FB_TILES_14
#else
#define FB_TILES FB_TILES_6
#endif
constexpr TileFunction kTiles[2][2][kTileRows] = {
    {{FB_TILES(tile_rows, 1)}, {FB_TILES(tile_rows, 2)}},
    {{FB_TILES(tile_columns, 1)}, {FB_TILES(tile_columns, 2)}},
};

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
