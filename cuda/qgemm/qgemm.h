// Int8 matrix product with dynamic activations and a fused epilogue, the twin of native/kernels/qgemm/qgemm.h:
//
//   y = activation(acc · (s · wscale) + bias) + residual,   acc[r][n] = Σ_k q[r][k] · wq[n][k]
//
// x is M×K float32, quantised row by row (quantise.cuh) to q with scale s; wq is N×K int8, wscale N, y and residual are M×N.
//
// Numerics. acc is exact (K ≤ 132,104). The epilogue is one rounding an operation in the order written, with the CPU's GELU: the same
// bits as every instruction set of the CPU. A row of x with NaN or infinity gives a row of NaN.
#pragma once

#include "cuda/gemm/gemm.h"

namespace flashbook::cuda::qgemm {

constexpr int64_t kMaxInner = 132104;   // 127 · 128 · K < 2³¹

struct Problem {
  int64_t m = 0, n = 0, k = 0;
  const float* x = nullptr;
  const int8_t* w = nullptr;
  const float* w_scale = nullptr;
  float* y = nullptr;                    // must not overlap the operands
  const float* bias = nullptr;           // may be absent
  const float* residual = nullptr;       // may be absent
  Activation activation = Activation::none;
  const void* packed_w = nullptr;        // w as pack_w() left it, or null: then run() packs it into the workspace if it must
};

// Bytes of device memory that run() needs; `workspace` must be 256-byte aligned.
size_t workspace_bytes(const Problem& problem);
// Bytes of w with padded rows; 0: w is read in place.
size_t packed_w_bytes(const Problem& problem);
cudaError_t pack_w(const Problem& problem, void* packed, cudaStream_t stream);
cudaError_t run(const Problem& problem, void* workspace, cudaStream_t stream);

// Quantises `rows` rows of k values: q dense, one scale a row.
cudaError_t quantise_rows(const float* x, int64_t rows, int64_t k, int8_t* q, float* scale, cudaStream_t stream);

}  // namespace flashbook::cuda::qgemm
