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

template <int NV, bool FULL, Activation ACT>
FB_INLINE void finish_rows(const VecI* acc, int rows, const TileOut& out) {
  Mask masks[NV];
  VecF scales[NV], bias[NV];
#pragma GCC unroll 2
  for (int v = 0; v < NV; v++) {
    const int left = out.columns - v * W;
    masks[v] = first(left >= W ? W : left > 0 ? left : 0);
    scales[v] = FULL ? load(out.w_scale + v * W) : maskload(out.w_scale + v * W, masks[v]);
    bias[v] = out.bias == nullptr ? zero() : FULL ? load(out.bias + v * W) : maskload(out.bias + v * W, masks[v]);
  }
  for (int i = 0; i < rows; i++) {
    const VecF s = set1(out.row_scales[i]);
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) {
      VecF y = to_float(acc[i * NV + v]) * (s * scales[v]);
      if (out.bias != nullptr) y = y + bias[v];
      if constexpr (ACT == Activation::relu) y = relu(y);
      if constexpr (ACT == Activation::gelu) y = gelu(y);
      const int64_t at = i * out.n + v * W;
      if (out.residual != nullptr) y = y + (FULL ? load(out.residual + at) : maskload(out.residual + at, masks[v]));
      if constexpr (FULL) {
        store(out.y + at, y);
      } else {
        maskstore(out.y + at, y, masks[v]);
      }
    }
  }
}

// The epilogue works from memory: it needs registers of its own.
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
