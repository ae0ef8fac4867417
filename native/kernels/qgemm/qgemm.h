// Int8 matrix product with quantised activations and a fused epilogue:
//
//   y = activation(acc · (s · wscale) + bias) + residual,   acc[r][n] = Σ_k q[r][k] · wq[n][k]
//
// wq is N×K int8, wscale N, y and residual are M×N. The rows q come in three forms:
//   dynamic    x is M×K float32, quantised row by row (quantise.h) to q, signed, with a scale s of each row. Where max|x| of each row is
//              known, the product that made x having gathered it, the row is read once instead of twice.
//   static     x is M×K float32, and q = u − zero with u the levels of one scale s (levels.h).
//   levels     u itself is given, M×K uint8: signed weights times unsigned activations with a zero point.
// y is float32, and max|y| of each row may be gathered with it; or it is written as levels of the scale of who reads it (requantised).
//
// Numerics. acc is exact on every path (K ≤ 132,104, and 65,793 with levels; modulo 2³² inside). The epilogue is one rounding an
// operation, in the order written, with the same GELU everywhere (a coarser one where levels are written): all instruction sets give the same bits, for any number of threads and any
// split. A row of x with NaN gives a row of NaN, and so does infinity where the scale is dynamic; levels have neither.
#pragma once

#include <cstdint>

#include "kernels/gemm/gemm.h"

namespace flashbook {

namespace qgemm {

constexpr int64_t kMaxInner = 132104;        // 127 · 128 · K < 2³¹: wq may hold −128
constexpr int64_t kMaxInnerLevels = 65793;   // 255 · 128 · K < 2³¹

// A fixed scale of unsigned levels: x ≈ (u − zero) · scale.
struct Affine {
  float scale = 1;
  float inverse = 1;     // 1 / scale, rounded
  int32_t zero = 0;      // 0 … 255
};

struct Problem {
  int64_t m = 0, n = 0, k = 0;
  const float* x = nullptr;              // or:
  const uint8_t* levels = nullptr;
  bool is_static = false;                // x has the scale x_affine; always with levels
  Affine x_affine;
  const int32_t* x_peaks = nullptr;      // bits of max|x| of each row, for the dynamic form; may be absent
  const int8_t* w = nullptr;
  const float* w_scale = nullptr;
  float* y = nullptr;                    // must not overlap the operands; or:
  uint8_t* y_levels = nullptr;
  Affine y_affine;                       // of y_levels
  int32_t* y_peaks = nullptr;            // raised to the bits of max|y| of each row; may be absent, and is so with y_levels
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
