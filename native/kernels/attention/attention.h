// Fused multi-head self-attention, forward and backward, without a steps × steps matrix.
//
// Vaswani et al. 2017 (arXiv:1706.03762); online softmax and recomputation after FlashAttention-2 (Dao 2023,
// arXiv:2307.08691, algorithms 1 and 2). One call works on the rows of one head of one sequence that see each other:
//
//   forward       S = q·kᵀ/√head_dim − slope·|t − s|, o = softmax(S)·v, lse = log Σ exp S
//   backward      P = exp(S − lse), δ = rowsum(do∘o), dS = P∘(do·vᵀ − δ)/√head_dim
//                 dv = Pᵀ·do, dq = dS·k, dk = dSᵀ·q
//
// With dropout of the weights, M of 0 or 1/(1 − p) for each of them (kernels/dropout/dropout.h; drawn where it is used, in both passes, and
// never stored): o = (softmax(S)∘M)·v, lse as without; dS = P∘((do·vᵀ)∘M − δ)/√head_dim, dv = (P∘M)ᵀ·do.
//
// queries = steps (query t is row t) or 1 (the last row alone; dq of the others is 0). Causal: query t sees keys 0 … t; a window w: of
// these t − w + 1 … t, or |t − s| < w when not causal. The slope is that of ALiBi (Press et al. 2022, arXiv:2108.12409). A head that
// looks at every n-th step is n dense ones side by side: the caller passes rows at n times the distance.
//
// Numerics
//   - Keys that a row does not see never reach its sums: a NaN in the future does not reach the past.
//   - NaN and infinity propagate as in the formula (a dropped weight is a factor of 0: of an infinite value it makes NaN), but a row whose scores are all −∞ gives zeros and lse = −∞ (gradients 0).
//   - Probabilities below 2⁻¹²⁵ of the row's largest are flushed to 0.
//   - Error against float64: o ≤ 1e-6·max|v|·(1 + max|S|), lse ≤ 1e-6·(1 + |lse| + max|S|);
//     dq, dk, dv ≤ 4e-6 of the same sums over magnitudes, times (1 + max|S|).
//   - bf16: q, k, v, do, P and dS are rounded to bf16, half to even, where they are multiplied; sums, δ and the softmax are float32.
//     At most twice as wrong as the plain computation that does the same. AVX512_BF16 and AMX take subnormal operands for 0.
//   - Bits depend on nothing but the shape, the instruction set and the random numbers of dropout: each (query, column) is summed over
//     keys in rising order, in blocks of keys that start at multiples of the block; dk, dv over queries in rising order. A forward call may take any range of
//     queries that starts at a multiple of 32; the backward pass is one call, so that nothing is added by two threads.
//
// Idea of the fast path: one register tile, acc += coefficient[r][t]·row[t], serves all seven products: 12 rows × 2 vectors forward, where
// keys and values come from L2 and twelve rows read them less often, 8 × 3 backward. K (and V in the backward pass) are packed in
// panels with keys in the lanes, once for 2048 queries; a tile of scores lives in L1 until its exponentials have been
// used. Blocks that no row of a tile sees are skipped, so that cost falls with the window; on the border, where rows of a tile see
// different keys, all go over the same keys with coefficients of 0, unless an operand is not finite: then each goes over its own.
// The last row alone (last.h) packs nothing: it reads each key and value once.
// bf16 on AVX512_BF16 and AMX has products of its own (bf16_forward.h, bf16_backward.h); elsewhere, and with dropout, operands are rounded
// while they are packed, and multiplied in float32.
// Memory: forward constant in T from 2048 steps on, backward linear: 3·T·head_dim floats a thread.
// Measured on one core of a Granite Rapids (FMA peak 248 GFLOP/s), useful work alone, in shares of that peak:
//                        float32, AVX-512: forward, backward, both    bf16, AMX: forward, backward, both
//   2048 × 64 causal     73 %, 72 %, 72 %                             2.1, 2.7, 2.5 times
//   2048 × 64 full       76 %, 75 %, 75 %                             2.4, 3.2, 2.9 times
//   1024 × 128 causal    76 %, 72 %, 73 %                             2.4, 2.5, 2.5 times
//   100 × 32 causal      46 %, 50 %, 49 %                             62 %, 70 %, 67 %
//   100 × 32 full        57 %, 60 %, 59 %                             83 %, 107 %, 99 %
// Of 100 × 32 causal, a fifth is keys behind the diagonal in the tiles on it; with 64 such windows, which no cache holds, 39 % and 47 %.
#pragma once

#include <cstdint>

#include "kernels/dropout/dropout.h"

namespace flashbook {

enum class Isa : uint8_t;

constexpr int64_t kMaxHeadDim = 256;

// The rows of one head of one sequence that see each other. Row t of k and v is at t·ld, query r at r·ld; it is row steps − queries + r.
struct AttentionRows {
  int64_t steps, queries;   // queries = steps, or 1: the last row alone
  int64_t head_dim;
  const float *q, *k, *v;
  int64_t ld;
  bool causal;
  int64_t window;           // keys within window − 1 rows are seen; 0: all
  bool bf16;                // operands of products are rounded to bf16
  float slope;              // ALiBi: − slope·|t − s| on the scores
  DropoutDraw dropout;      // of the weights; threshold 0: none
  uint64_t first_element, element_ld;   // the weight of key s for row t is element first_element + t·element_ld + s; multiples of 8

  __attribute__((always_inline)) bool drops() const { return dropout.threshold != 0; }
  __attribute__((always_inline)) uint64_t element(int64_t query, int64_t key) const {
    return first_element + static_cast<uint64_t>(row_of(query)) * element_ld + static_cast<uint64_t>(key);
  }
  __attribute__((always_inline)) int64_t row_of(int64_t query) const { return steps - queries + query; }
  // Keys that a query sees: first_key … end_key − 1.
  __attribute__((always_inline)) int64_t first_key(int64_t query) const {
    const int64_t first = window == 0 ? 0 : row_of(query) - window + 1;
    return first > 0 ? first : 0;
  }
  __attribute__((always_inline)) int64_t end_key(int64_t query) const {
    const int64_t end = causal ? row_of(query) + 1 : window == 0 ? steps : row_of(query) + window;
    return end < steps ? end : steps;
  }
  // Queries that see a key, where queries = steps: first_query … end_query − 1.
  __attribute__((always_inline)) int64_t first_query(int64_t key) const {
    const int64_t first = causal ? key : window == 0 ? 0 : key - window + 1;
    return first > 0 ? first : 0;
  }
  __attribute__((always_inline)) int64_t end_query(int64_t key) const {
    const int64_t end = window == 0 ? steps : key + window;
    return end < steps ? end : steps;
  }
};

struct AttentionKernels {
  // Floats of scratch memory for one call, 64-byte aligned.
  int64_t (*forward_scratch)(const AttentionRows& shape);
  int64_t (*backward_scratch)(const AttentionRows& shape);
  // Queries first … last−1 of o (row length o_ld) and lse (distance lse_ld; may be null).
  void (*forward)(const AttentionRows& rows, int64_t first, int64_t last, float* o, int64_t o_ld, float* lse, int64_t lse_ld,
                  float* scratch);
  // dq, dk, dv: row length as that of q, k and v.
  void (*backward)(const AttentionRows& rows, const float* d_o, const float* o, int64_t o_ld, const float* lse, int64_t lse_ld,
                   float* dq, float* dk, float* dv, float* scratch);
};

const AttentionKernels& attention_table(Isa isa);

}  // namespace flashbook
