// The backward pass of attention.h.
#pragma once

#include "kernels/attention/drop.h"
#include "kernels/attention/view.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int64_t kGradKeyBlock = 256;
constexpr int64_t kGradQueryBlock = 64;     // P and dS of 64 × 256 fill 128 KiB of L2
constexpr int64_t kGradLd = kGradKeyBlock + W; // no power of two, so that rows do not meet in the cache

struct BackwardScratch {
  float *queries, *d_o, *dq, *delta, *log2_sum, *keys_t, *values_t, *keys, *dk, *dv, *p, *ds;
  bool finite;   // q, k and dO

  BackwardScratch(float* memory, const AttentionRows& rows) {
    const int64_t dim = rows.head_dim, ld = padded(dim), queries_padded = padded(rows.queries);
    queries = memory;                              // queries × ld
    d_o = queries + rows.queries * ld;             // queries × ld
    dq = d_o + rows.queries * ld;                  // queries × ld
    delta = dq + rows.queries * ld;                // queries
    log2_sum = delta + queries_padded;             // queries: lse·log2(e), +∞ for a row of −∞
    keys_t = log2_sum + queries_padded;            // kGradKeyBlock × head_dim, in panels
    values_t = keys_t + dim * kGradKeyBlock;
    keys = values_t + dim * kGradKeyBlock;         // kGradKeyBlock × ld
    dk = keys + kGradKeyBlock * ld;
    dv = dk + kGradKeyBlock * ld;
    p = dv + kGradKeyBlock * ld;                   // kGradQueryBlock × kGradLd
    ds = p + kGradQueryBlock * kGradLd;
    finite = true;
  }
};

int64_t backward_floats(const AttentionRows& rows) {
  const int64_t ld = padded(rows.head_dim);
  return 3 * rows.queries * ld + 2 * padded(rows.queries) + (2 * rows.head_dim + 3 * ld) * kGradKeyBlock +
         2 * kGradQueryBlock * kGradLd;
}

// P∘M and dS of R queries against a block of keys, and dq += dS·k. M stands where dS comes to stand.
template <int R>
FB_INLINE void query_tile(const AttentionRows& h, const BackwardScratch& s, int64_t query, int64_t row, int64_t k0, int64_t count) {
  const int64_t dim = h.head_dim, ld = padded(dim);
  const View<R> view(h, query, k0, count);
  if (view.begin() >= view.end()) return;
  const float natural = score_factor(h);
  const VecF log2_factor = set1(natural * kLog2e), factor = set1(natural), one = set1(1.0f);
  float* p = s.p + row * kGradLd;
  float* ds = s.ds + row * kGradLd;
  const bool drops = h.drops();
  if (drops) write_masks<R>(h, view, query, k0, ds, kGradLd);
  for_vectors_of_tile<R>(view.end_vector() - view.first_vector(), [&]<int V>(int64_t vector) __attribute__((always_inline)) {
    const int64_t lane = (view.first_vector() + vector) * W;
    const bool whole = view.whole(lane, V * W);
    VecF sum[R][V];
    scores<R, V>(h, query, s.queries + query * ld, ld, s.keys_t + lane * dim, k0 + lane, sum);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const VecF shift = set1(-s.log2_sum[query + r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        // lse is rounded, so that large scores could leave a large positive rest here: P is never above 1.
        VecF e = exp2_of_nonpositive(min(zero(), fma(sum[r][v], log2_factor, shift)), one);
        if (!whole) e = select(view.lanes(r, lane + v * W), e, zero());
        store(p + r * kGradLd + lane + v * W, e);
      }
    }
    set_zero(sum);
    accumulate<R, V>(sum, s.d_o + query * ld, ld, 1, s.values_t + lane * dim, W, W * dim, dim);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const VecF delta = set1(s.delta[query + r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        const int64_t at = r * kGradLd + lane + v * W;
        const VecF weight = load(p + at);
        if (drops) {
          const VecF mask = load(ds + at);
          sum[r][v] = sum[r][v] * mask;
          store(p + at, weight * mask);
        }
        VecF e = weight * (sum[r][v] - delta) * factor;
        if (!whole) e = select(view.lanes(r, lane + v * W), e, zero());
        store(ds + at, e);
      }
    }
  });
  if (h.bf16) {
    round_lanes<R>(view, p, kGradLd);
    round_lanes<R>(view, ds, kGradLd);
  }
  add_visible_products<R>(view, s.finite, h.first_key(query) >= k0, s.dq + query * ld, ds, kGradLd, s.keys, ld);
}

// dk and dv of R keys: += Σ over the queries q0 … q1−1 that see them.
template <int R>
FB_INLINE void key_tile(const AttentionRows& h, const BackwardScratch& s, int64_t key, int64_t k0, int64_t q0, int64_t q1) {
  const int64_t ld = padded(h.head_dim);
  const auto add = [&]<int N>(int64_t first, int64_t from, int64_t to) __attribute__((always_inline)) {
    from = most(from, q0);
    to = least(to, q1);
    if (from >= to) return;
    const bool fresh = h.first_query(k0 + first) >= q0;   // no earlier block had queries of these keys
    const int64_t at = (from - q0) * kGradLd + first;
    add_products<N>(fresh, s.dv + first * ld, s.p + at, 1, kGradLd, s.d_o + from * ld, ld, to - from);
    add_products<N>(fresh, s.dk + first * ld, s.ds + at, 1, kGradLd, s.queries + from * ld, ld, to - from);
  };
  if (s.finite) {
    add.template operator()<R>(key, h.first_query(k0 + key), h.end_query(k0 + key + R - 1));
  } else {
    for (int r = 0; r < R; ++r) {
      add.template operator()<1>(key + r, h.first_query(k0 + key + r), h.end_query(k0 + key + r));
    }
  }
}

void backward_all(const AttentionRows& h, const float* d_o, const float* o, int64_t o_ld, const float* lse, int64_t lse_ld,
              float* dq, float* dk, float* dv, float* scratch) {
  BackwardScratch s(scratch, h);
  const int64_t dim = h.head_dim, ld = padded(dim), queries = h.queries;
  s.finite = pack_rows(h.q, h.ld, queries, dim, s.queries) & pack_rows(d_o, o_ld, queries, dim, s.d_o);
  if (h.bf16) s.finite = round_to_bf16(s.queries, queries * ld) & round_to_bf16(s.d_o, queries * ld);
  for (int64_t query = 0; query < queries; ++query) {
    VecF sum = zero();
    for (int64_t c = 0; c < dim; c += W) {
      const Mask m = first(static_cast<int>(least(W, dim - c)));
      sum = fma(load(s.d_o + query * ld + c), maskload(o + query * o_ld + c, m), sum);
    }
    s.delta[query] = reduce_add(sum);
    const float l = lse[query * lse_ld];
    s.log2_sum[query] = l == -kInfinity ? kInfinity : l * kLog2e;
  }

  for (int64_t k0 = 0; k0 < h.steps; k0 += kGradKeyBlock) {
    const int64_t count = least(kGradKeyBlock, h.steps - k0);
    pack_panels(h.k + k0 * h.ld, h.ld, count, dim, s.keys_t);
    pack_panels(h.v + k0 * h.ld, h.ld, count, dim, s.values_t);
    const bool before = s.finite;
    s.finite = pack_rows(h.k + k0 * h.ld, h.ld, count, dim, s.keys) & before;
    if (h.bf16) {
      round_to_bf16(s.keys_t, padded(count) * dim);
      round_to_bf16(s.values_t, padded(count) * dim);
      s.finite = round_to_bf16(s.keys, count * ld) & before;
    }
    const int64_t first_query = h.first_query(k0), end_query = h.end_query(k0 + count - 1);
    for (int64_t q0 = first_query / kGradQueryBlock * kGradQueryBlock; q0 < end_query; q0 += kGradQueryBlock) {
      const int64_t q1 = least(queries, q0 + kGradQueryBlock);
      for_row_tiles(q0, q1, [&]<int R>(int64_t query) __attribute__((always_inline)) {
        query_tile<R>(h, s, query, query - q0, k0, count);
      });
      const int64_t from = most(0, h.first_key(q0) - k0) / W * W, end = h.end_key(q1 - 1) - k0;
      const int64_t to = least(count, (end + kTileRows - 1) / kTileRows * kTileRows);   // the same tiles for all queries
      for_row_tiles(from, to, [&]<int R>(int64_t key) __attribute__((always_inline)) { key_tile<R>(h, s, key, k0, q0, q1); });
    }
    s.finite = before;
    unpack_rows(s.dk, count, dim, dk + k0 * h.ld, h.ld);
    unpack_rows(s.dv, count, dim, dv + k0 * h.ld, h.ld);
  }
  unpack_rows(s.dq, queries, dim, dq, h.ld);
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
