// What is done to a tile of int32 sums: y = activation(acc · (s · wscale) + bias) + residual, one rounding an operation, the same for all
// instruction sets. y leaves as float32, with the largest |y| of each row on the way if they are asked for, or as levels.
#pragma once

#include "kernels/qgemm/levels.h"
#include "kernels/qgemm/qgemm.h"
#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

using gemm::Activation;

constexpr int W = VecF::width;

struct TileOut {
  float* y;                 // first element of the tile, row stride n; or:
  uint8_t* levels;
  qgemm::Affine affine;     // of levels
  int32_t* tops;            // W lanes a row: bits of the largest |y| of its columns so far; may be absent
  int64_t n;
  int columns;              // columns that exist, 1 … NV·W
  const float* row_scales;
  const float* w_scale;
  const float* bias;
  const float* residual;    // first element of the tile
  Activation activation;
};

// What a tile's columns have in common.
template <int NV, bool FULL>
struct TileColumns {
  Mask masks[NV];
  VecF scales[NV], bias[NV];

  FB_INLINE explicit TileColumns(const TileOut& out) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) {
      const int left = out.columns - v * W;
      masks[v] = first(left >= W ? W : left > 0 ? left : 0);
      scales[v] = read(out.w_scale, v);
      bias[v] = out.bias == nullptr ? zero() : read(out.bias, v);
    }
  }
  FB_INLINE VecF read(const float* p, int v) const { return FULL ? load(p + v * W) : maskload(p + v * W, masks[v]); }
};

template <int NV, bool FULL, Activation ACT, bool COARSE>
FB_INLINE void finish_row(const VecI* acc, int row, const TileColumns<NV, FULL>& columns, const TileOut& out, VecF (&y)[NV]) {
  const VecF s = set1(out.row_scales[row]);
#pragma GCC unroll 2
  for (int v = 0; v < NV; v++) y[v] = to_float(acc[v]) * (s * columns.scales[v]);
  if (out.bias != nullptr) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) y[v] = y[v] + columns.bias[v];
  }
  // Both vectors in one stretch without a branch, so that the compiler interleaves the long chains.
#pragma GCC unroll 2
  for (int v = 0; v < NV; v++) {
    if constexpr (ACT == Activation::relu) y[v] = relu(y[v]);
    if constexpr (ACT == Activation::gelu) y[v] = COARSE ? gelu_for_levels(y[v]) : gelu(y[v]);
  }
  if (out.residual != nullptr) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) y[v] = y[v] + columns.read(out.residual + row * out.n, v);
  }
}

template <int NV, bool FULL>
FB_INLINE void store_row(float* to, const TileColumns<NV, FULL>& columns, const VecF (&y)[NV]) {
#pragma GCC unroll 2
  for (int v = 0; v < NV; v++) {
    if constexpr (FULL) {
      store(to + v * W, y[v]);
    } else {
      maskstore(to + v * W, y[v], columns.masks[v]);
    }
  }
}

template <int NV, bool FULL, Activation ACT, bool COARSE>
FB_INLINE void finish_rows_as_levels(const VecI* acc, int rows, const TileOut& out) {
  const TileColumns<NV, FULL> columns(out);
  const Leveller level(out.affine);
  for (int i = 0; i < rows; i++) {
    VecF y[NV];
    finish_row<NV, FULL, ACT, COARSE>(acc + i * NV, i, columns, out, y);
    uint8_t* const to = out.levels + i * out.n;
    if constexpr (FULL) {
      store_levels<NV>(to, level, y);
    } else {
#pragma GCC unroll 2
      for (int v = 0; v < NV; v++) maskstore_u8(to + v * W, level(y[v]), columns.masks[v]);
    }
  }
}

template <int NV, bool FULL, Activation ACT>
FB_INLINE void finish_rows(const VecI* acc, int rows, const TileOut& out) {
  if (out.levels != nullptr) {
    if (ACT == Activation::gelu && out.affine.scale >= kCoarseStep) {
      finish_rows_as_levels<NV, FULL, ACT, true>(acc, rows, out);
    } else {
      finish_rows_as_levels<NV, FULL, ACT, false>(acc, rows, out);
    }
    return;
  }
  const TileColumns<NV, FULL> columns(out);
  if (out.tops == nullptr) {
    for (int i = 0; i < rows; i++) {
      VecF y[NV];
      finish_row<NV, FULL, ACT, false>(acc + i * NV, i, columns, out, y);
      store_row<NV, FULL>(out.y + i * out.n, columns, y);
    }
    return;
  }
  const VecI magnitude = set1i(0x7fffffff);
  for (int i = 0; i < rows; i++) {
    VecF y[NV];
    finish_row<NV, FULL, ACT, false>(acc + i * NV, i, columns, out, y);
    store_row<NV, FULL>(out.y + i * out.n, columns, y);
    VecI top = load(out.tops + i * W);
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) top = max(top, as_int(y[v]) & magnitude);   // past the end 0, or NaN where the whole row is
    store(out.tops + i * W, top);
  }
}

// The rows' peaks, and tops for the next rows. Blocks of other columns of the same rows may do it at the same time: the order of maxima
// changes nothing.
FB_INLINE void raise_peaks(int32_t* tops, int rows, int32_t* peaks) {
  for (int i = 0; i < rows; i++) {
    const int32_t top = reduce_max(load(tops + i * W));
    store(tops + i * W, set1i(0));
    int32_t before = __atomic_load_n(peaks + i, __ATOMIC_RELAXED);
    while (before < top && !__atomic_compare_exchange_n(peaks + i, &before, top, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
  }
}

// Most epilogues work from memory: they need registers of their own.
template <int NV, bool FULL>
__attribute__((noinline)) void finish(const VecI* acc, int rows, const TileOut& out) {
  switch (out.activation) {
    case Activation::none: finish_rows<NV, FULL, Activation::none>(acc, rows, out); break;
    case Activation::relu: finish_rows<NV, FULL, Activation::relu>(acc, rows, out); break;
    case Activation::gelu: finish_rows<NV, FULL, Activation::gelu>(acc, rows, out); break;
  }
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
