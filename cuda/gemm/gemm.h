// Matrix product with a fused epilogue, the twin of native/kernels/gemm/gemm.h:
//
//   C = activation(A·B + bias)∘factor + residual   A is M×K, B is K×N, C, factor and residual are M×N, bias is N
//
// A and B are float32, seen through strides of which one is 1, so that the three products of a linear layer are one call:
//   forward   y  = x·wᵀ     A = x  (rows contiguous)      B = wᵀ (columns contiguous)
//   backward  dx = dy·w     A = dy (rows contiguous)      B = w  (rows contiguous)
//             dw = dyᵀ·x    A = dyᵀ (columns contiguous)  B = x  (rows contiguous)
//
// Numerics
//   f32    the chains of fused multiply-adds of the CPU kernels (AVX2 and up), chunk by chunk: the same bits as theirs, but for
//          weight gradients over a long K, which the CPU cuts otherwise.
//   bf16, f16, tf32   operands rounded to nearest (tf32: ties away), products exact, summed in float32 by the tensor cores.
//   Then + bias, activation, · factor, + residual, one rounding each. NaN and infinity propagate.
//   The bits depend on the shape alone: where K is split, the parts are added in rising order.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace flashbook::cuda {

enum class Precision : uint8_t { f32, bf16, f16, tf32 };
enum class Activation : uint8_t { none, relu, gelu };

namespace gemm {

constexpr int64_t kMaxColumns = 65535 * int64_t{64};   // of C: what a grid holds
constexpr int64_t kMaxInner = 65535 * int64_t{32};

struct Problem {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  int64_t a_row = 0, a_col = 0;        // element strides; one of the two is 1
  const float* b = nullptr;
  int64_t b_row = 0, b_col = 0;        // likewise
  float* c = nullptr;                  // dense, row stride n; must not overlap the operands
  const float* bias = nullptr;         // may be absent
  const float* factor = nullptr;       // may be absent
  const float* residual = nullptr;     // may be absent
  Activation activation = Activation::none;
  Precision precision = Precision::f32;
  const void* packed_b = nullptr;      // B as pack_b() left it, or null: then run() packs it into the workspace
};

// Bytes of device memory that run() needs, a multiple of 256; `workspace` must be 256-byte aligned.
size_t workspace_bytes(const Problem& problem);
// Bytes of B packed for the tensor cores; 0 with f32, which reads B in place.
size_t packed_b_bytes(const Problem& problem);
cudaError_t pack_b(const Problem& problem, void* packed, cudaStream_t stream);
cudaError_t run(const Problem& problem, void* workspace, cudaStream_t stream);

}  // namespace gemm
}  // namespace flashbook::cuda
