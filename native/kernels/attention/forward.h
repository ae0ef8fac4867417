// The forward pass of attention.h.
#pragma once

#include "kernels/attention/drop.h"
#include "kernels/attention/view.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int64_t kKeyBlock = W == 16 ? 1024 : 256;   // keys whose scores are kept at once; they fit L2 with their values
constexpr int64_t kQueryBlock = 2048;                 // queries that share one packing of a key block
constexpr int64_t kQueryLd = kMaxHeadDim + W;         // of the queries of a tile
constexpr int64_t kScoresLd = kKeyBlock + W;          // no power of two, so that rows do not meet in the cache

FB_INLINE int64_t key_block(const AttentionRows& rows) { return least(kKeyBlock, padded(rows.steps)); }
FB_INLINE int64_t query_block(const AttentionRows& rows) { return least(kQueryBlock, padded(rows.queries)); }

struct ForwardScratch {
  float *keys, *values, *scores, *sums, *top, *total, *queries, *tile;

  ForwardScratch(float* memory, const AttentionRows& rows) {
    const int64_t ld = padded(rows.head_dim), block = key_block(rows), queries = query_block(rows);
    keys = memory;                         // keys × head_dim, in panels
    values = keys + rows.head_dim * block; // keys × ld
    scores = values + ld * block;          // kLongTileRows × kScoresLd
    tile = scores + kLongTileRows * kScoresLd;   // kLongTileRows × kQueryLd
    sums = tile + kLongTileRows * kQueryLd;      // queries × ld: Σ p·v
    top = sums + ld * queries;             // queries: largest score
    total = top + queries;                 // queries: Σ p
    this->queries = total + queries;       // queries × ld: q in bf16, where it is rounded
  }
};

int64_t forward_floats(const AttentionRows& rows) {
  const int64_t block = key_block(rows), queries = query_block(rows);
  return (rows.head_dim + padded(rows.head_dim)) * block + kLongTileRows * (kScoresLd + kQueryLd) +
         ((rows.bf16 ? 2 : 1) * padded(rows.head_dim) + 2) * queries;
}

FB_INLINE void copy_row(const float* in, int64_t n, float* out) {
  int64_t c = 0;
  for (; c + W <= n; c += W) store(out + c, load(in + c));
  if (c < n) maskstore(out + c, maskload(in + c, first(static_cast<int>(n - c))), first(static_cast<int>(n - c)));
}

// The scores of R queries against the keys that any of them sees, −∞ where a row does not see the key.
template <int R>
FB_INLINE void score_tile(const AttentionRows& h, const ForwardScratch& s, const View<R>& view, int64_t query, int64_t row, int64_t k0) {
  const float* q = h.bf16 ? s.queries + row * padded(h.head_dim) : h.q + query * h.ld;
  const int64_t q_ld = h.bf16 ? padded(h.head_dim) : h.ld;
  // Queries at a distance that the compiler knows: the addresses of twelve rows need one register then.
  for (int r = 0; r < R; ++r) copy_row(q + r * q_ld, h.head_dim, s.tile + r * kQueryLd);
  for_vectors_of_tile<R>(view.end_vector() - view.first_vector(), [&]<int V>(int64_t vector) __attribute__((always_inline)) {
    const int64_t lane = (view.first_vector() + vector) * W;
    VecF score[R][V];
    scores<R, V>(h, query, s.tile, kQueryLd, s.keys + lane * h.head_dim, k0 + lane, score);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 12
      for (int v = 0; v < V; ++v) store(s.scores + r * kScoresLd + lane + v * W, score[r][v]);
    }
  });
  for (int64_t lane = view.first_vector() * W; lane < view.end_vector() * W; lane += W) {
    if (view.whole(lane, W)) continue;
    // Not unrolled: the few masks would be made ahead, for all tiles, and kept in memory.
#pragma GCC unroll 1
    for (int r = 0; r < R; ++r) maskstore(s.scores + r * kScoresLd + lane, set1(-kInfinity), not_(view.lanes(r, lane)));
  }
}

// Scores of R queries against a block of keys, their exponentials, and the sums with the values. With `only`, the block holds all keys of
// all queries: o is written at once.
template <int R, bool only>
FB_INLINE void forward_tile(const AttentionRows& h, const ForwardScratch& s, bool finite, int64_t query, int64_t row, int64_t k0,
                            int64_t count, float* o, int64_t o_ld) {
  const int64_t dim = h.head_dim, ld = padded(dim);
  const View<R> view(h, query, k0, count);
  if (view.begin() >= view.end()) return;
  const bool fresh = only || h.first_key(query) >= k0;   // no earlier block had keys of this tile
  score_tile<R>(h, s, view, query, row, k0);

  const VecF factor = set1(score_factor(h) * kLog2e);
  float before[R], top[R], total[R];
  VecF best[R];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
    before[r] = fresh ? -kInfinity : s.top[row + r];
    best[r] = set1(-kInfinity);
  }
  for (int64_t lane = view.first_vector() * W; lane < view.end_vector() * W; lane += W) {
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) best[r] = max(best[r], load(s.scores + r * kScoresLd + lane));
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) best[r] = max(best[r], set1(before[r]));
  max_of_rows<R>(best, top);
  VecF shift[R], sum[R];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
    s.top[row + r] = top[r];
    shift[r] = set1(top[r] == -kInfinity ? 0.0f : top[r]);
    sum[r] = zero();
  }
  // Half the rows at a time, for the registers.
  constexpr int kHalf = R > 8 ? R / 2 : R;
  for (int first = 0; first < R; first += kHalf) {
    for (int64_t lane = view.first_vector() * W; lane < view.end_vector() * W; lane += W) {
#pragma GCC unroll 8
      for (int r = first; r < first + kHalf; ++r) {
        float* p = s.scores + r * kScoresLd + lane;
        const VecF e = exp2_of_nonpositive(load(p) - shift[r], factor);
        store(p, e);
        sum[r] = sum[r] + e;
      }
    }
  }
  if (h.drops()) drop_weights<R>(h, view, query, k0, s.scores, kScoresLd);
  if (h.bf16) round_lanes<R>(view, s.scores, kScoresLd);
  sum_of_rows<R>(sum, total);
  carry_sums<R>(fresh, before, top, factor, s.sums + row * ld, ld, s.total + row, total);
  if (only && finite) {
    float inverse[W];
    const VecF all = maskload(total, first(R));
    store(inverse, select(eq(all, zero()), zero(), set1(1.0f) / all));
    const int64_t t = view.begin();
    write_products<R>(o + query * o_ld, o_ld, dim, s.scores + t, kScoresLd, s.values + t * ld, ld, view.end() - t, inverse);
  } else {
    add_visible_products<R>(view, finite, fresh, s.sums + row * ld, s.scores, kScoresLd, s.values, ld);
  }
}

void forward_block(const AttentionRows& h, int64_t first_query, int64_t last_query, float* o, int64_t o_ld, float* lse,
                   int64_t lse_ld, const ForwardScratch& s) {
  const int64_t dim = h.head_dim, rows = last_query - first_query, ld = padded(dim), block = key_block(h);
  const int64_t first_key = h.first_key(first_query) / W * W, end_key = h.end_key(last_query - 1);
  const bool only = first_key / block == (end_key - 1) / block;
  bool finite = true;
  if (h.bf16) {
    pack_rows(h.q + first_query * h.ld, h.ld, rows, dim, s.queries);
    round_to_bf16(s.queries, rows * ld);
  }
  for (int64_t start = first_key / block * block; start < end_key; start += block) {
    const int64_t k0 = most(start, first_key), count = least(start + block, end_key) - k0;
    pack_panels(h.k + k0 * h.ld, h.ld, count, dim, s.keys);
    finite = pack_rows(h.v + k0 * h.ld, h.ld, count, dim, s.values);
    if (h.bf16) {
      round_to_bf16(s.keys, padded(count) * dim);
      finite = finite & round_to_bf16(s.values, count * ld);
    }
    for_row_tiles<kLongTileRows>(first_query, last_query, [&]<int R>(int64_t query) __attribute__((always_inline)) {
      if (only) forward_tile<R, true>(h, s, finite, query, query - first_query, k0, count, o, o_ld);
      else forward_tile<R, false>(h, s, finite, query, query - first_query, k0, count, o, o_ld);
    });
  }
  if (lse) write_lse(h, s.top, s.total, rows, lse + first_query * lse_ld, lse_ld);
  if (only && finite) return;
  for (int64_t r = 0; r < rows; ++r) s.total[r] = s.total[r] == 0.0f ? 0.0f : 1.0f / s.total[r];
  unpack_rows(s.sums, rows, dim, o + first_query * o_ld, o_ld, s.total);
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
