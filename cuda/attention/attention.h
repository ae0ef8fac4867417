// Fused multi-head self-attention, forward and backward, without a steps × steps matrix: the twin of native/kernels/attention.
//
//   qkv (B, T, 3·D)  rows q | k | v, D = heads·head_dim        o (B, Tq, D), lse (B, heads, Tq), Tq = T or 1 (the last row alone)
//   forward          S = q·kᵀ/√head_dim − slope·|t − s|,  o = softmax(S)·v,  lse = log Σ exp S
//   backward         P = exp(S − lse), δ = rowsum(do∘o), dS = P∘(do·vᵀ − δ), dv = Pᵀ·do, dq = dS·k/√head_dim, dk = dSᵀ·q/√head_dim
//
// FlashAttention-2 (Dao 2023, arXiv:2307.08691). Query t sees key s where s ≤ t (causal), |t − s| < window (0: no limit) and
// (t − s) modulo stride = 0. A head of stride n is n dense heads over the rows r, r + n, r + 2n, …: masked pairs cost nothing.
//
// Numerics
//   f32        fused multiply-adds in float32
//   bf16, f16  q, k, v and do rounded to nearest, P and dS rounded before they are multiplied; sums, softmax and δ in float32
//   NaN and infinity propagate as in the formula; a row whose scores are all −∞ gives zeros and lse = −∞. In the forward pass a NaN in
//   a masked row never reaches a query; in the backward pass a masked row that is NaN may reach gradients of its tile.
//   Probabilities below 2⁻¹²⁶ of the row's largest are flushed to 0.
//   The bits depend on the shape alone: every sum goes over tiles in rising order, in one block. No atomics.
#pragma once

#include "cuda/gemm/gemm.h"

namespace flashbook::cuda::attention {

constexpr int kMaxHeadDim = 128;
constexpr int kMaxPatternHeads = 64;
constexpr int kMaxSteps = 1 << 28;

// What the heads may see. Passed to the kernels by value, so that nothing has to be uploaded.
struct Patterns {
  bool causal = false;
  bool per_head = false;              // else the arrays below are not read: all heads dense, unlimited, without ALiBi
  int window[kMaxPatternHeads] = {};  // 0: unlimited
  int stride[kMaxPatternHeads] = {};  // ≥ 1
  float slope[kMaxPatternHeads] = {};
};

struct Problem {
  int64_t batch = 0;
  int heads = 0, steps = 0, queries = 0, head_dim = 0;   // queries: steps, or 1 for the last row alone
  Patterns patterns;
  Precision precision = Precision::f32;                  // f32, bf16 or f16
  const float* qkv = nullptr;                            // with `q`: kv (B, T, 2·D)
  const float* q = nullptr;                              // the last query (B, D) where it lies apart; forward only
  float* o = nullptr;                                    // written forward, read backward
  float* lse = nullptr;                                  // likewise; may be absent forward
  const float* d_o = nullptr;                            // backward only
  float* dqkv = nullptr;
};

size_t forward_workspace_bytes(const Problem& problem);
size_t backward_workspace_bytes(const Problem& problem);
cudaError_t forward(const Problem& problem, void* workspace, cudaStream_t stream);
cudaError_t backward(const Problem& problem, void* workspace, cudaStream_t stream);

}  // namespace flashbook::cuda::attention
