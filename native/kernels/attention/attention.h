// Fused multi-head self-attention, forward and backward, without a steps × steps matrix.
//
// Vaswani et al. 2017 (arXiv:1706.03762); online softmax and recomputation after FlashAttention-2 (Dao 2023,
// arXiv:2307.08691, algorithms 1 and 2). One call works on one head of one sequence:
//
//   qkv (T, 3·D)  rows q | k | v, D = heads·head_dim, this head at columns head·head_dim of each
//   forward       S = q·kᵀ/√head_dim, o = softmax(S)·v, lse = log Σ exp S            o (queries, D), lse (queries)
//   backward      P = exp(S − lse), δ = rowsum(do∘o), dS = P∘(do·vᵀ − δ)/√head_dim
//                 dv = Pᵀ·do, dq = dS·k, dk = dSᵀ·q                                  dqkv (T, 3·D), this head's columns
//
// queries = T (query t is row t) or 1 (the last row alone; dq of the others is 0). Causal: query t sees keys 0 … t.
//
// Numerics
//   - Keys beyond a causal row are never read into its sums: a NaN in the future does not reach the past.
//   - NaN and infinity propagate as in the formula, but a row whose scores are all −∞ gives zeros and lse = −∞ (gradients 0).
//   - Probabilities below 2⁻¹²⁵ of the row's largest are flushed to 0.
//   - Error against float64: o ≤ 1e-6·max|v|·(1 + max|S|), lse ≤ 1e-6·(1 + |lse| + max|S|);
//     dq, dk, dv ≤ 4e-6 of the same sums over magnitudes, times (1 + max|S|).
//   - Bits depend on nothing but the shape and the instruction set: each (query, column) is summed over keys in rising order,
//     in blocks of kKeyBlock keys that start at 0; dk, dv over queries in rising order. A call may take any range of
//     queries; the backward pass of a head is one call, so that nothing is added by two threads.
//
// Idea of the fast path: one register tile, R rows × 2 vectors, acc += coefficient[r][t]·row[t], serves all seven products. K (and V
// in the backward pass) are transposed block by block, so that scores have keys in lanes; a tile of scores lives in L1 until
// its exponentials have been used. exp2 takes √head_dim and log2(e) in one factor.
// Memory: forward constant in T, backward linear: 3·T·head_dim floats a thread.
// Measured on one head of 100 × 32, useful work only (Zen 4, one core, AVX-512, FMA peak 109 GFLOP/s): forward 57 GFLOP/s
// causal, 71 full (52 and 65 % of peak); backward 64 and 78 (59 and 72 %). AVX2: 50, 63, 64, 65 GFLOP/s.
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct AttentionShape {
  int64_t steps, heads, head_dim, queries;
  bool causal;

  __attribute__((always_inline)) int64_t width() const { return heads * head_dim; }
};

struct AttentionKernels {
  // Floats of scratch memory for one call, 64-byte aligned.
  int64_t (*forward_scratch)(const AttentionShape& shape);
  int64_t (*backward_scratch)(const AttentionShape& shape);
  // Rows first … last−1 of o and lse (lse may be null) of one head. qkv, o: of this sequence; lse: of this head.
  void (*forward)(const AttentionShape& shape, const float* qkv, int64_t head, int64_t first, int64_t last, float* o,
                  float* lse, float* scratch);
  void (*backward)(const AttentionShape& shape, const float* d_o, const float* qkv, const float* o, const float* lse,
                   int64_t head, float* dqkv, float* scratch);
};

const AttentionKernels& attention_table(Isa isa);

}  // namespace flashbook
