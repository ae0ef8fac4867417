// Int8 matrix product with dynamic activations and a fused epilogue:
//
//   y = activation(acc · (s · wscale) + bias) + residual,   acc[r][n] = Σ_k q[r][k] · wq[n][k]
//
// x is M×K float32, quantised row by row (quantise.h) to q with scale s; wq is N×K int8, wscale N, y and residual are M×N.
//
// Numerics. acc is exact on every path (K ≤ 132,104; modulo 2³² inside). The epilogue is one rounding an operation, in the
// order written, with the same GELU everywhere: all instruction sets give the same bits, for any number of threads and any
// split. A row of x with NaN or infinity gives a row of NaN.
#pragma once

#include <cstdint>

#include "kernels/gemm/gemm.h"

namespace flashbook {

namespace qgemm {

constexpr int64_t kMaxInner = 132104;   // 127 · 128 · K < 2³¹: wq may hold −128

struct Problem {
  int64_t m = 0, n = 0, k = 0;
  const float* x = nullptr;
  const int8_t* w = nullptr;
  const float* w_scale = nullptr;
  float* y = nullptr;                    // must not overlap the operands
  const float* bias = nullptr;           // may be absent
  const float* residual = nullptr;       // may be absent
  gemm::Activation activation = gemm::Activation::none;
  const void* packed_w = nullptr;        // w in the table's panels; always there if packed_bytes() > 0
};

}  // namespace qgemm

struct QGemmKernels {
  const char* layout;        // names the panel layout of w
  int64_t tile_rows;
  int64_t tile_columns;
  double products_per_cycle;   // of whole tiles, about
  // Bytes of all of w in panels; 0: this table reads w in place.
  int64_t (*packed_bytes)(int64_t n, int64_t k);
  // Packs the columns (rows of w) n0 … n1. n0 is a multiple of tile_columns, n1 too or n.
  void (*pack)(const qgemm::Problem& problem, int64_t n0, int64_t n1, void* packed);
  int64_t (*scratch_bytes)(const qgemm::Problem& problem);
  // Computes rows m0 … m1 of columns n0 … n1, single-threaded. n0 as for pack; m0 and m1 are free.
  void (*block)(const qgemm::Problem& problem, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch);
  // Quantises `rows` rows of k values: q dense, one scale a row.
  void (*quantise_rows)(const float* x, int64_t rows, int64_t k, int8_t* q, float* scale);
};

const QGemmKernels& qgemm_table(Isa isa);

}  // namespace flashbook
