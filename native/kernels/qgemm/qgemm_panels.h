// The fast path of qgemm.h, compiled once for AVX2, AVX-512 and AVX-512 VNNI.
//
// Idea. A register tile of int32 sums, 14×32 or 6×16, as in gemm.cc. The rows of a tile are quantised into scratch, which
// stays in L1 and serves all panels of w. One instruction multiplies a broadcast group of G neighbours in k with the same
// group of each column:
//   VNNI   G = 4: vpdpbusd, unsigned × signed. Signed q goes in as q + 128, levels u as they are; −Σ_k w of each column is computed at
//          packing, and 128 or the zero point times that is what the sums start from. It adds without saturation, so that the result is
//          exact.
//   else   G = 2: both sides widened to int16 at packing, levels less their zero point, vpmaddwd and vpaddd. vpmaddubsw would saturate.
// The rows of the next tile and the lines of the result are fetched while a tile is computed.
// Measured by `flashbook bench --filter gemm/int8` on one thread of a Granite Rapids core with VNNI (976 Gop/s), rows quantised and sums
// dequantised within: 1024³ 91 %, 100×512×512 88 %, 100×1024×128 75 %, 100×384×128 71 %, 100×128×128 60 %.
// A panel: first −Σ_k w of its columns, then for each group of k the G neighbours of each column together.
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
FB_INLINE VecI dot(VecI acc, VecI a, VecI b) { return {_mm512_dpbusd_epi32(acc.v, a.v, b.v)}; }
// What a level is more than the number that is meant.
FB_INLINE int32_t offset_of(const Problem& p) { return p.is_static ? p.x_affine.zero : 128; }
FB_INLINE float quantise_levels(const float* x, int64_t k, int32_t peak, Level* to) {
  return quantise_row_bytes(x, k, peak, reinterpret_cast<int8_t*>(to), static_cast<int8_t>(0x80));
}
FB_INLINE float static_levels(const float* x, int64_t k, float scale, const Leveller& level, Level* to) {
  return level_row_bytes(x, k, scale, level, to, 0);
}
// Levels that can be read where they lie: whole groups, and rows that do not all fall on the same lines of the cache.
FB_INLINE const Level* levels_in_place(const Problem& p, int64_t row) {
  return p.k % 4 == 0 && p.k % 4096 != 0 ? p.levels + row * p.k : nullptr;
}
FB_INLINE void copy_levels(const uint8_t* u, int64_t k, int32_t, Level* to) { __builtin_memcpy(to, u, static_cast<size_t>(k)); }
#else
constexpr double kProductsPerCycle = 2 * W;
constexpr const char* kLayout = W == 16 ? "qgemm.i16.panels32.groups2" : "qgemm.i16.panels16.groups2";
using Level = int16_t;
using Weight = int16_t;
FB_INLINE int32_t offset_of(const Problem&) { return 0; }
#if defined(FB_SIMD_512)
FB_INLINE VecI dot(VecI acc, VecI a, VecI b) { return acc + VecI{_mm512_madd_epi16(a.v, b.v)}; }
#else
FB_INLINE VecI dot(VecI acc, VecI a, VecI b) { return acc + VecI{_mm256_madd_epi16(a.v, b.v)}; }
#endif
FB_INLINE float quantise_levels(const float* x, int64_t k, int32_t peak, Level* to) {
  return quantise_row(x, k, peak, [to](int64_t i, VecI q) { store_i16(to + i, q); });
}
FB_INLINE float static_levels(const float* x, int64_t k, float scale, const Leveller& level, Level* to) {
  return level_row(x, k, scale, [&](int64_t i, VecF lanes) { store_i16(to + i, level.centred(lanes)); });
}
FB_INLINE const Level* levels_in_place(const Problem&, int64_t) { return nullptr; }
FB_INLINE void copy_levels(const uint8_t* u, int64_t k, int32_t zero, Level* to) {
  for (int64_t i = 0; i < k; i++) to[i] = static_cast<Level>(u[i] - zero);
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
    panel[j] = -sum;
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
void tile(int64_t count, const Level* levels, int64_t stride, const int32_t* panel, int32_t offset, Ahead& ahead, const TileOut& out) {
  constexpr int kPointers = (MR + 2) / 3;
  const Level* p[kPointers];
#pragma GCC unroll 8
  for (int q = 0; q < kPointers; q++) p[q] = levels + 3 * q * stride;
  VecI acc[MR][NV];
#pragma GCC unroll 2
  for (int v = 0; v < NV; v++) {
    const VecI start = load(panel + v * W) * set1i(offset);
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
  ResultAhead<kTileColumns> result = {out.y, out.n, out.y != nullptr ? MR : 0};
  for (int64_t left = count; left >= 8; left -= 8) {
    result.fetch();
    ahead.fetch<3, 64>();
#pragma GCC unroll 1
    for (int u = 0; u < 2; u++) sum(Count<4>{});
  }
#pragma GCC unroll 1
  for (int64_t g = 0; g < count % 8; g++) sum(Count<1>{});
  if (out.columns == NV * W && out.activation == Activation::none && out.levels == nullptr && out.tops == nullptr) {
    const TileColumns<NV, true> columns(out);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
      VecF y[NV];
      finish_row<NV, true, Activation::none, false>(acc[i], i, columns, out, y);
      store_row<NV, true>(out.y + i * out.n, columns, y);
    }
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

using TileFunction = void (*)(int64_t count, const Level* levels, int64_t stride, const int32_t* panel, int32_t offset, Ahead& ahead,
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

// Rows i0 … as levels: where they lie, and how far apart.
struct Rows {
  const Level* levels;
  int64_t stride;
};
FB_INLINE Rows rows_of(const Problem& p, int64_t i0, int rows, Level* scratch, float* row_scales) {
  const int64_t stride = level_stride(p.k);
  if (p.levels != nullptr) {
    for (int i = 0; i < rows; i++) row_scales[i] = p.x_affine.scale;
    if (const Level* in_place = levels_in_place(p, i0)) return {in_place, p.k};
    for (int i = 0; i < rows; i++) copy_levels(p.levels + (i0 + i) * p.k, p.k, p.x_affine.zero, scratch + i * stride);
  } else if (p.is_static) {
    const Leveller level(p.x_affine);
    for (int i = 0; i < rows; i++) {
      row_scales[i] = static_levels(p.x + (i0 + i) * p.k, p.k, p.x_affine.scale, level, scratch + i * stride);
    }
  } else {
    for (int i = 0; i < rows; i++) {
      const float* const x = p.x + (i0 + i) * p.k;
      row_scales[i] = quantise_levels(x, p.k, p.x_peaks != nullptr ? p.x_peaks[i0 + i] : row_peak(x, p.k), scratch + i * stride);
    }
  }
  return {scratch, stride};
}

void block(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  if (m1 <= m0 || n1 <= n0) return;
  const int32_t offset = offset_of(p);
  const int64_t tiles = (m1 - m0 + kTileRows - 1) / kTileRows;
  const int32_t* const first_panel = static_cast<const int32_t*>(p.packed_w) + n0 * (1 + groups(p.k));
  float row_scales[kTileRows];
  alignas(64) int32_t tops[kTileRows * W];
  if (p.y_peaks != nullptr) __builtin_memset(tops, 0, sizeof tops);
  Ahead ahead;
  TileOut out;
  out.n = p.n;
  out.row_scales = row_scales;
  out.activation = p.activation;
  out.affine = p.y_affine;
  out.tops = p.y_peaks != nullptr ? tops : nullptr;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t i0 = m0 + (m1 - m0) * t / tiles;
    const int rows = static_cast<int>(m0 + (m1 - m0) * (t + 1) / tiles - i0);
    const Rows from = rows_of(p, i0, rows, static_cast<Level*>(scratch), row_scales);
    const int64_t next = m0 + (m1 - m0) * (t + 1) / tiles, after = t + 2 <= tiles ? m0 + (m1 - m0) * (t + 2) / tiles : next;
    if (p.x != nullptr) ahead.start({p.x + next * p.k, p.k, p.k, after - next}, {});
    const int32_t* panel = first_panel;
    for (int64_t j = n0; j < n1; j += kTileColumns) {
      out.columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
      const int vectors = out.columns > W ? 2 : 1;
      out.y = p.y != nullptr ? p.y + i0 * p.n + j : nullptr;
      out.levels = p.y_levels != nullptr ? p.y_levels + i0 * p.n + j : nullptr;
      out.w_scale = p.w_scale + j;
      out.bias = p.bias != nullptr ? p.bias + j : nullptr;
      out.residual = p.residual != nullptr ? p.residual + i0 * p.n + j : nullptr;
      kTiles[vectors - 1][rows - 1](groups(p.k), from.levels, from.stride, panel, offset, ahead, out);
      panel += panel_words(p.k, vectors * W);
    }
    if (p.y_peaks != nullptr) raise_peaks(tops, rows, p.y_peaks + i0);
  }
}

}  // namespace

const QGemmKernels qgemm_kernels = {kLayout, kTileRows, kTileColumns, kProductsPerCycle, packed_bytes, pack, scratch_bytes, block, quantise_rows};

}  // namespace FB_ISA
}  // namespace flashbook
