// What is done to a tile of int32 sums: y = activation(acc · (s · wscale) + bias) + residual, one rounding an operation, the same for all
// instruction sets.
#pragma once

#include "kernels/qgemm/qgemm.h"
#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

using gemm::Activation;

constexpr int W = VecF::width;

struct TileOut {
  float* y;                 // first element of the tile, row stride n
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

template <int NV, bool FULL, Activation ACT>
FB_INLINE void finish_row(const VecI* acc, int row, const TileColumns<NV, FULL>& columns, const TileOut& out) {
  const VecF s = set1(out.row_scales[row]);
#pragma GCC unroll 2
  for (int v = 0; v < NV; v++) {
    VecF y = to_float(acc[v]) * (s * columns.scales[v]);
    if (out.bias != nullptr) y = y + columns.bias[v];
    if constexpr (ACT == Activation::relu) y = relu(y);
    if constexpr (ACT == Activation::gelu) y = gelu(y);
    const int64_t at = row * out.n;
    if (out.residual != nullptr) y = y + columns.read(out.residual + at, v);
    if constexpr (FULL) {
      store(out.y + at + v * W, y);
    } else {
      maskstore(out.y + at + v * W, y, columns.masks[v]);
    }
  }
}

template <int NV, bool FULL, Activation ACT>
FB_INLINE void finish_rows(const VecI* acc, int rows, const TileOut& out) {
  const TileColumns<NV, FULL> columns(out);
  for (int i = 0; i < rows; i++) finish_row<NV, FULL, ACT>(acc + i * NV, i, columns, out);
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
