// What is done to a tile of C on its way to memory: the sums of earlier chunks, bias, activation, factor, residual. Used by all products
// of float32 and bf16 operands.
#pragma once

#include "kernels/gemm/gemm.h"
#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

using gemm::Activation;

constexpr int W = VecF::width;

// Where a tile's result goes and what is done to it on the way.
struct TileOut {
  float* c;                 // first element of the tile, row stride n
  int64_t n;
  int columns;              // columns that exist, 1 … NV·W
  bool add;                 // C holds the sum of earlier chunks
  bool last;                // last chunk: bias, activation, factor, residual
  const float* bias;
  const float* factor;      // first element of the tile
  const float* residual;    // likewise
  Activation activation;
};

template <int NV, bool FULL, Activation ACT>
FB_INLINE void finish_row(const VecF* acc, const TileOut& out, const Mask* masks, int64_t row) {
  float* c = out.c + row * out.n;
#pragma GCC unroll 2
  for (int v = 0; v < NV; v++) {
    const auto read = [&](const float* p) { return FULL ? load(p + v * W) : maskload(p + v * W, masks[v]); };
    VecF x = acc[v];
    if (out.add) x = read(c) + x;
    if (out.last) {
      if (out.bias != nullptr) x = x + read(out.bias);
      if constexpr (ACT == Activation::relu) x = relu(x);
      if constexpr (ACT == Activation::gelu) x = gelu(x);
      if (out.factor != nullptr) x = x * read(out.factor + row * out.n);
      if (out.residual != nullptr) x = x + read(out.residual + row * out.n);
    }
    if constexpr (FULL) {
      store(c + v * W, x);
    } else {
      maskstore(c + v * W, x, masks[v]);
    }
  }
}

// What is not frequent, or needs many registers of its own, works from memory: edges (AVX2 writes under a mask slowly) and GELU.
template <int NV, bool FULL, Activation ACT>
__attribute__((noinline)) void finish_from_memory(const VecF* acc, int rows, const TileOut& out) {
  Mask masks[NV];
  for (int v = 0; v < NV; v++) {
    const int left = out.columns - v * W;
    masks[v] = first(left >= W ? W : left > 0 ? left : 0);
  }
  for (int i = 0; i < rows; i++) finish_row<NV, FULL, ACT>(acc + i * NV, out, masks, i);
}

// The same for any activation; `acc` is rows × NV vectors.
template <int NV, bool FULL>
FB_INLINE void finish_spilled(const VecF* acc, int rows, const TileOut& out) {
  if (out.activation == Activation::gelu && out.last) {
    finish_from_memory<NV, FULL, Activation::gelu>(acc, rows, out);
  } else if (out.activation == Activation::relu && out.last) {
    finish_from_memory<NV, FULL, Activation::relu>(acc, rows, out);
  } else {
    finish_from_memory<NV, FULL, Activation::none>(acc, rows, out);
  }
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
