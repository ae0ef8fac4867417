// Which keys of a block the rows of a tile see, and products that touch no others.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/attention/tile.h"

namespace flashbook {
namespace FB_ISA {
namespace {

// Keys of a block of `count` keys at k0 that R queries see: row r from[r] … to[r] − 1. Both rise with r.
template <int R> struct View {
  int32_t from[R], to[R];

  FB_INLINE View(const AttentionRows& rows, int64_t query, int64_t k0, int64_t count) {
    for (int r = 0; r < R; ++r) {
      from[r] = static_cast<int32_t>(most(0, least(count, rows.first_key(query + r) - k0)));
      to[r] = static_cast<int32_t>(most(from[r], least(count, rows.end_key(query + r) - k0)));
    }
  }
  FB_INLINE int64_t begin() const { return from[0]; }           // keys that some row sees lie in begin … end − 1,
  FB_INLINE int64_t end() const { return to[R - 1]; }
  FB_INLINE int64_t first_vector() const { return begin() / W; }
  FB_INLINE int64_t end_vector() const { return (end() + W - 1) / W; }
  // Whether all rows see all lanes from `lane` to lane + lanes − 1.
  FB_INLINE bool whole(int64_t lane, int64_t lanes) const { return from[R - 1] <= lane && lane + lanes <= to[0]; }
  // Lanes lane … lane+W−1 that row r sees.
  FB_INLINE Mask lanes(int r, int64_t lane) const {
    const VecI key = lane_index() + set1i(static_cast<int32_t>(lane));
    const Mask end = gt(set1i(to[r]), key);
    return from[R - 1] <= lane ? end : end & not_(gt(set1i(from[r]), key));
  }
};

// Rounds R rows of coefficients to bf16, where they were computed.
template <int R> FB_INLINE void round_lanes(const View<R>& view, float* rows, int64_t ld) {
  for (int r = 0; r < R; ++r) {
    for (int64_t v = view.first_vector(); v < view.end_vector(); ++v) store(rows + r * ld + v * W, round_bf16(load(rows + r * ld + v * W)));
  }
}

// out[r] += Σ_t coefficient[r][t]·rows[t] over the keys that row r sees. Coefficients of keys that it does not see are 0, so that all
// rows may go over all keys when the rows are finite; otherwise each goes over its own. `fresh`: out is not read.
template <int R>
FB_INLINE void add_visible_products(const View<R>& view, bool finite, bool fresh, float* out, const float* coefficient,
                                    int64_t row_stride, const float* rows, int64_t ld) {
  if (finite) {
    const int64_t t = view.begin();
    add_products<R>(fresh, out, coefficient + t, row_stride, 1, rows + t * ld, ld, view.end() - t);
    return;
  }
  for (int r = 0; r < R; ++r) {
    const int64_t t = view.from[r];
    add_products<1>(fresh, out + r * ld, coefficient + r * row_stride + t, 0, 1, rows + t * ld, ld, view.to[r] - t);
  }
}

// Σ p and Σ p·v of earlier blocks, in `totals` and `sums`, go over to the new maxima; total[r] += Σ p. `fresh`: there were none.
template <int R>
FB_INLINE void carry_sums(bool fresh, const float (&before)[R], const float (&top)[R], VecF factor, float* sums, int64_t ld,
                          float* totals, float (&total)[R]) {
  for (int r = 0; r < R; ++r) {
    if (!fresh) {
      if (top[r] > before[r] && before[r] != -kInfinity) {   // what was summed before shrinks to the new maximum
        const VecF shrink = exp2_of_nonpositive(set1(before[r] - top[r]), factor);
        for (int64_t c = 0; c < ld; c += W) store(sums + r * ld + c, load(sums + r * ld + c) * shrink);
        float one[W];
        store(one, shrink);
        totals[r] *= one[0];
      }
      total[r] += totals[r];
    }
    totals[r] = total[r];
  }
}

FB_INLINE float score_factor(const AttentionRows& rows) { return 1.0f / __builtin_sqrtf(static_cast<float>(rows.head_dim)); }

// lse = factor·top + ln total; −∞ for a row whose scores are all −∞.
FB_INLINE void write_lse(const AttentionRows& h, const float* tops, const float* totals, int64_t rows, float* lse,
                         int64_t lse_ld) {
  const VecF natural = set1(score_factor(h));
  for (int64_t r = 0; r < rows; r += W) {
    const VecF total = load(totals + r), top = load(tops + r);
    const VecF value = select(eq(total, zero()), set1(-kInfinity), fma(top, natural, log_of_sum(total)));
    float each[W];
    store(each, value);
    for (int64_t i = 0; i < least(W, rows - r); ++i) lse[(r + i) * lse_ld] = each[i];
  }
}

// The scores of R queries against V vectors of keys, k·kᵀ in panels, before their factor; ALiBi included.
// −slope·|t − s| is in the same units.
template <int R, int V>
FB_INLINE void scores(const AttentionRows& h, int64_t query, const float* q, int64_t q_ld, const float* panels, int64_t key,
                      VecF (&score)[R][V]) {
  const int64_t dim = h.head_dim;
  set_zero(score);
  accumulate<R, V>(score, q, q_ld, 1, panels, W, W * dim, dim);
  if (h.slope == 0.0f) return;
  const VecF slope = set1(-h.slope / score_factor(h));
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 12
    for (int v = 0; v < V; ++v) {
      const VecI distance = set1i(static_cast<int32_t>(h.row_of(query + r) - key - v * W)) - lane_index();
      score[r][v] = fma(abs(to_float(distance)), slope, score[r][v]);
    }
  }
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
