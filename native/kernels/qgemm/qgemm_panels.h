// The fast path of qgemm.h, compiled once for AVX2, AVX-512 and AVX-512 VNNI.
//
// Idea. A register tile of int32 sums, 14×32 or 6×16, as in gemm.cc. The rows of a tile are quantised into scratch, which
// stays in L1 and serves all panels of w. One instruction multiplies a broadcast group of G neighbours in k with the same
// group of each column:
//   VNNI   G = 4: vpdpbusd, unsigned × signed. q goes in as q + 128; −128·Σ_k w of each column is computed at packing and is
//          what the sums start from. It adds without saturation, so that the result is exact.
//   else   G = 2: both sides widened to int16 at packing, vpmaddwd and vpaddd. vpmaddubsw would saturate.
// The rows of the next tile and the lines of the result are fetched while a tile is computed.
// Measured by `flashbook bench --filter gemm/int8` on one thread of a Granite Rapids core with VNNI (976 Gop/s), rows quantised and sums
// dequantised within: 1024³ 91 %, 100×512×512 88 %, 100×1024×128 75 %, 100×384×128 71 %, 100×128×128 60 %.
// A panel: first the start values of its columns, then for each group of k the G neighbours of each column together.
#pragma once

#include "kernels/gemm/fetch_ahead.h"
#include "kernels/qgemm/qgemm.h"
#include "kernels/qgemm/qgemm_epilogue.h"
#include "kernels/qgemm/quantise.h"
#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {

extern const QGemmKernels qgemm_kernels;

namespace {

using qgemm::Problem;

constexpr int kTileRows = W == 16 ? 14 : 6;
constexpr int kTileColumns = 2 * W;

#if defined(FB_ISA_avx512vnni)
constexpr double kProductsPerCycle = 128;   // of two ports, one a cycle
constexpr const char* kLayout = "qgemm.i8.panels32.groups4";
using Level = uint8_t;        // a quantised activation as the dot product wants it
using Weight = int8_t;
constexpr int32_t kOffset = 128;
FB_INLINE VecI dot(VecI acc, VecI a, VecI b) { return {_mm512_dpbusd_epi32(acc.v, a.v, b.v)}; }
FB_INLINE float quantise_levels(const float* x, int64_t k, Level* to) {
  return quantise_row_bytes(x, k, reinterpret_cast<int8_t*>(to), static_cast<int8_t>(0x80));
}
#else
constexpr double kProductsPerCycle = 2 * W;
constexpr const char* kLayout = W == 16 ? "qgemm.i16.panels32.groups2" : "qgemm.i16.panels16.groups2";
using Level = int16_t;
using Weight = int16_t;
constexpr int32_t kOffset = 0;
#if defined(FB_SIMD_512)
FB_INLINE VecI dot(VecI acc, VecI a, VecI b) { return acc + VecI{_mm512_madd_epi16(a.v, b.v)}; }
#else
FB_INLINE VecI dot(VecI acc, VecI a, VecI b) { return acc + VecI{_mm256_madd_epi16(a.v, b.v)}; }
#endif
FB_INLINE float quantise_levels(const float* x, int64_t k, Level* to) {
  return quantise_row(x, k, [to](int64_t i, VecI q) { store_i16(to + i, q); });
}
#endif
constexpr int G = 4 / static_cast<int>(sizeof(Weight));   // a group fills 32 bits

int64_t groups(int64_t k) { return (k + G - 1) / G; }
// int32 words of a panel of `width` columns.
int64_t panel_words(int64_t k, int width) { return width * (1 + groups(k)); }

// ---------------------------------------------------------------------------------------------------------------------
// Packing

int64_t packed_bytes(int64_t n, int64_t k) { return (n + W - 1) / W * W * (1 + groups(k)) * 4; }

void pack_panel(const Problem& p, int64_t j0, int columns, int width, int32_t* panel) {
  Weight* to = reinterpret_cast<Weight*>(panel + width);
  for (int j = 0; j < width; j++) {
    int32_t sum = 0;
    for (int64_t k = 0; k < groups(p.k) * G; k++) {
      const int32_t w = j < columns && k < p.k ? p.w[(j0 + j) * p.k + k] : 0;
      to[(k / G * width + j) * G + k % G] = static_cast<Weight>(w);
      sum += w;
    }
    panel[j] = -kOffset * sum;
  }
}

void pack(const Problem& p, int64_t n0, int64_t n1, void* packed) {
  int32_t* panel = static_cast<int32_t*>(packed) + n0 * (1 + groups(p.k));
  for (int64_t j = n0; j < n1; j += kTileColumns) {
    const int columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
    const int width = columns > W ? kTileColumns : W;
    pack_panel(p, j, columns, width, panel);
    panel += panel_words(p.k, width);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The register tile

FB_INLINE int32_t group_at(const Level* p) {
  int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  return bits;
}

// Rows of levels go in threes on one pointer, as in gemm.cc.
template <int MR, int NV>
void tile(int64_t count, const Level* levels, int64_t stride, const int32_t* panel, Ahead& ahead, const TileOut& out) {
  constexpr int kPointers = (MR + 2) / 3;
  const Level* p[kPointers];
#pragma GCC unroll 8
  for (int q = 0; q < kPointers; q++) p[q] = levels + 3 * q * stride;
  VecI acc[MR][NV];
#pragma GCC unroll 2
  for (int v = 0; v < NV; v++) {
    const VecI start = load(panel + v * W);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) acc[i][v] = start;
  }
  const int32_t* b = panel + NV * W;
  const auto sum = [&](auto groups) __attribute__((always_inline)) {
    constexpr int n = decltype(groups)::value;
#pragma GCC unroll 4
    for (int u = 0; u < n; u++) {
      VecI row[NV];
#pragma GCC unroll 2
      for (int v = 0; v < NV; v++) row[v] = load(b + (u * NV + v) * W);
#pragma GCC unroll 16
      for (int i = 0; i < MR; i++) {
        const VecI a = set1i(group_at(p[i / 3] + (i % 3) * stride + u * G));
#pragma GCC unroll 2
        for (int v = 0; v < NV; v++) acc[i][v] = dot(acc[i][v], a, row[v]);
      }
    }
    b += n * NV * W;
#pragma GCC unroll 8
    for (int q = 0; q < kPointers; q++) p[q] += n * G;
  };
  ResultAhead<kTileColumns> result = {out.y, out.n, MR};
  for (int64_t left = count; left >= 8; left -= 8) {
    result.fetch();
    ahead.fetch<3, 64>();
#pragma GCC unroll 1
    for (int u = 0; u < 2; u++) sum(Count<4>{});
  }
#pragma GCC unroll 1
  for (int64_t g = 0; g < count % 8; g++) sum(Count<1>{});
  if (out.columns == NV * W && out.activation == Activation::none) {
    const TileColumns<NV, true> columns(out);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) finish_row<NV, true, Activation::none>(acc[i], i, columns, out);
    return;
  }
  VecI spilled[MR * NV];   // a copy: an array whose address leaves would not stay in registers above
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) spilled[i * NV + v] = acc[i][v];
  }
  if (out.columns == NV * W) {
    finish<NV, true>(spilled, MR, out);
  } else {
    finish<NV, false>(spilled, MR, out);
  }
}

using TileFunction = void (*)(int64_t count, const Level* levels, int64_t stride, const int32_t* panel, Ahead& ahead,
                              const TileOut& out);

#define FB_QTILES_6(NV) tile<1, NV>, tile<2, NV>, tile<3, NV>, tile<4, NV>, tile<5, NV>, tile<6, NV>
#if defined(FB_SIMD_512)
#define FB_QTILES(NV) \
  FB_QTILES_6(NV), tile<7, NV>, tile<8, NV>, tile<9, NV>, tile<10, NV>, tile<11, NV>, tile<12, NV>, tile<13, NV>, tile<14, NV>
#else
#define FB_QTILES(NV) FB_QTILES_6(NV)
#endif
// [vectors − 1][rows − 1]
constexpr TileFunction kTiles[2][kTileRows] = {{FB_QTILES(1)}, {FB_QTILES(2)}};

// ---------------------------------------------------------------------------------------------------------------------
// A block of y

int64_t scratch_bytes(const Problem& p) { return level_stride(p.k) * kTileRows * static_cast<int64_t>(sizeof(Level)); }

void block(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  if (m1 <= m0 || n1 <= n0) return;
  Level* const levels = static_cast<Level*>(scratch);
  const int64_t stride = level_stride(p.k);
  const int64_t tiles = (m1 - m0 + kTileRows - 1) / kTileRows;
  const int32_t* const first_panel = static_cast<const int32_t*>(p.packed_w) + n0 * (1 + groups(p.k));
  float row_scales[kTileRows];
  Ahead ahead;
  TileOut out;
  out.n = p.n;
  out.row_scales = row_scales;
  out.activation = p.activation;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t i0 = m0 + (m1 - m0) * t / tiles;
    const int rows = static_cast<int>(m0 + (m1 - m0) * (t + 1) / tiles - i0);
    for (int i = 0; i < rows; i++) {
      row_scales[i] = quantise_levels(p.x + (i0 + i) * p.k, p.k, levels + i * stride);
    }
    const int64_t next = m0 + (m1 - m0) * (t + 1) / tiles, after = t + 2 <= tiles ? m0 + (m1 - m0) * (t + 2) / tiles : next;
    ahead.start({p.x + next * p.k, p.k, p.k, after - next}, {});
    const int32_t* panel = first_panel;
    for (int64_t j = n0; j < n1; j += kTileColumns) {
      out.columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
      const int vectors = out.columns > W ? 2 : 1;
      out.y = p.y + i0 * p.n + j;
      out.w_scale = p.w_scale + j;
      out.bias = p.bias != nullptr ? p.bias + j : nullptr;
      out.residual = p.residual != nullptr ? p.residual + i0 * p.n + j : nullptr;
      kTiles[vectors - 1][rows - 1](groups(p.k), levels, stride, panel, ahead, out);
      panel += panel_words(p.k, vectors * W);
    }
  }
}

}  // namespace

const QGemmKernels qgemm_kernels = {kLayout, kTileRows, kTileColumns, kProductsPerCycle, packed_bytes, pack, scratch_bytes, block, quantise_rows};

}  // namespace FB_ISA
}  // namespace flashbook
