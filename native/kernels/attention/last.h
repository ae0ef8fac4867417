// Attention of the last row alone, forward and backward: nothing is packed, every key and value is read once, where it lies.
// A score is a dot product with head_dim in the lanes; eight keys share the tree that sums the lanes.
#pragma once

#include "kernels/attention/drop.h"
#include "kernels/attention/view.h"

namespace flashbook {
namespace FB_ISA {
namespace {

template <bool bf16> FB_INLINE VecF operand(VecF x) { return bf16 ? round_bf16(x) : x; }

// out[t] = a·rows[t] for `count` rows.
template <bool bf16>
FB_INLINE void dot_products(const float* a, const float* rows, int64_t ld, int64_t dim, int64_t count, float* out) {
  const int64_t whole = dim / W * W;
  const Mask tail = first(static_cast<int>(dim - whole));
  const auto several = [&]<int R>(int64_t t) __attribute__((always_inline)) {
    const float* row = rows + t * ld;
    VecF sum[R];
    for (int r = 0; r < R; ++r) sum[r] = zero();
    for (int64_t c = 0; c < whole; c += W) {
      const VecF x = operand<bf16>(load(a + c));
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[r] = fma(x, operand<bf16>(load(row + r * ld + c)), sum[r]);
    }
    if (whole < dim) {
      const VecF x = operand<bf16>(maskload(a + whole, tail));
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[r] = fma(x, operand<bf16>(maskload(row + r * ld + whole, tail)), sum[r]);
    }
    sum_of_rows<R>(sum, out + t);
  };
  int64_t t = 0;
  for (; t + 8 <= count; t += 8) several.template operator()<8>(t);
  for (; t < count; ++t) several.template operator()<1>(t);
}

// out = scale·Σ_t coefficient[t]·rows[t], in four sums that take turns.
template <bool bf16>
FB_INLINE void weighted_sum(const float* coefficient, const float* rows, int64_t ld, int64_t dim, int64_t count, float scale,
                            float* out) {
  for (int64_t c = 0; c < dim; c += W) {
    const Mask m = first(static_cast<int>(least(W, dim - c)));
    VecF sum[4] = {zero(), zero(), zero(), zero()};
    int64_t t = 0;
    for (; t + 4 <= count; t += 4) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) sum[i] = fma(set1(coefficient[t + i]), operand<bf16>(maskload(rows + (t + i) * ld + c, m)), sum[i]);
    }
    for (; t < count; ++t) sum[0] = fma(set1(coefficient[t]), operand<bf16>(maskload(rows + t * ld + c, m)), sum[0]);
    maskstore(out + c, ((sum[0] + sum[1]) + (sum[2] + sum[3])) * set1(scale), m);
  }
}

template <bool bf16>
FB_INLINE void write_row(float* out, const float* row, float factor, int64_t dim) {
  const int64_t whole = dim / W * W;
  const VecF f = set1(factor);
  for (int64_t c = 0; c < whole; c += W) store(out + c, operand<bf16>(load(row + c)) * f);
  if (whole < dim) {
    const Mask tail = first(static_cast<int>(dim - whole));
    maskstore(out + whole, operand<bf16>(maskload(row + whole, tail)) * f, tail);
  }
}

FB_INLINE void clear_row(float* out, int64_t dim) {
  const int64_t whole = dim / W * W;
  for (int64_t c = 0; c < whole; c += W) store(out + c, zero());
  if (whole < dim) maskstore(out + whole, zero(), first(static_cast<int>(dim - whole)));
}

// Weights, their gradients, and where they are dropped the masks: from a multiple of 8 on, whole vectors.
int64_t last_floats(const AttentionRows& rows) { return (rows.drops() ? 3 : 2) * padded(rows.steps) + (rows.drops() ? 8 + W : 0); }

// M of the last row from key first_key on, as many as there are weights in whole vectors; null without dropout.
FB_INLINE const float* last_masks(const AttentionRows& h, int64_t first_key, int64_t count, float* scratch) {
  if (!h.drops()) return nullptr;
  float* masks = scratch + 2 * padded(h.steps);
  const int64_t skipped = first_key % 8;
  draw_masks(h.element(0, first_key - skipped), (skipped + padded(count) + W - 1) / W, philox_key(h.dropout), h.dropout,
             [&](int64_t vector, VecF mask) __attribute__((always_inline)) { store(masks + vector * W, mask); });
  return masks + skipped;
}

// The scores of the last row, before their factor, for keys first … first+count−1; lanes up to a whole vector become −∞.
template <bool bf16>
FB_INLINE void last_scores(const AttentionRows& h, int64_t first_key, int64_t count, float* score) {
  dot_products<bf16>(h.q, h.k + first_key * h.ld, h.ld, h.head_dim, count, score);
  if (h.slope != 0.0f) {
    const float slope = h.slope / score_factor(h);
    for (int64_t t = 0; t < count; ++t) score[t] -= slope * static_cast<float>(h.row_of(0) - first_key - t);
  }
  for (int64_t t = count; t < padded(count); ++t) score[t] = -kInfinity;
}

template <bool bf16>
void forward_last(const AttentionRows& h, float* o, float* lse, float* scratch) {
  const int64_t first_key = h.first_key(0), count = h.end_key(0) - first_key;
  float* p = scratch;
  last_scores<bf16>(h, first_key, count, p);
  VecF best = set1(-kInfinity);
  for (int64_t t = 0; t < count; t += W) best = max(best, load(p + t));
  const float top = reduce_max(best);
  const VecF shift = set1(top == -kInfinity ? 0.0f : top), factor = set1(score_factor(h) * kLog2e);
  const float* masks = last_masks(h, first_key, count, scratch);
  VecF sum = zero();
  for (int64_t t = 0; t < count; t += W) {
    const VecF e = exp2_of_nonpositive(load(p + t) - shift, factor);
    store(p + t, operand<bf16>(masks ? e * load(masks + t) : e));
    sum = sum + e;
  }
  const float total = reduce_add(sum);
  if (lse) {
    float each[W];
    store(each, fma(set1(top), set1(score_factor(h)), log_of_sum(set1(total))));
    lse[0] = total == 0.0f ? -kInfinity : each[0];
  }
  weighted_sum<bf16>(p, h.v + first_key * h.ld, h.ld, h.head_dim, count, total == 0.0f ? 0.0f : 1.0f / total, o);
}

// dO·o; o is no operand of a product.
template <bool bf16> FB_INLINE float delta_of(const float* d_o, const float* o, int64_t dim) {
  VecF sum = zero();
  for (int64_t c = 0; c < dim; c += W) {
    const Mask m = first(static_cast<int>(least(W, dim - c)));
    sum = fma(operand<bf16>(maskload(d_o + c, m)), maskload(o + c, m), sum);
  }
  return reduce_add(sum);
}

template <bool bf16>
void backward_last(const AttentionRows& h, const float* d_o, const float* o, const float* lse, float* dq, float* dk, float* dv,
                   float* scratch) {
  const int64_t dim = h.head_dim, first_key = h.first_key(0), count = h.end_key(0) - first_key;
  const float natural = score_factor(h);
  float *p = scratch, *ds = scratch + padded(h.steps);
  last_scores<bf16>(h, first_key, count, p);
  dot_products<bf16>(d_o, h.v + first_key * h.ld, h.ld, dim, count, ds);
  const float delta = delta_of<bf16>(d_o, o, dim);
  const VecF log2_sum = set1(lse[0] == -kInfinity ? kInfinity : lse[0] * kLog2e);
  const float* masks = last_masks(h, first_key, count, scratch);
  for (int64_t t = 0; t < count; t += W) {
    const VecF e = exp2_of_nonpositive(min(zero(), fma(load(p + t), set1(natural * kLog2e), -log2_sum)), set1(1.0f));
    const VecF d_p = masks ? load(ds + t) * load(masks + t) : load(ds + t);
    store(p + t, operand<bf16>(masks ? e * load(masks + t) : e));
    store(ds + t, operand<bf16>(e * (d_p - set1(delta)) * set1(natural)));
  }
  for (int64_t t = 0; t < h.steps; ++t) {
    if (t != h.row_of(0)) clear_row(dq + t * h.ld, dim);
    if (t >= first_key && t < first_key + count) {
      write_row<bf16>(dk + t * h.ld, h.q, ds[t - first_key], dim);
      write_row<bf16>(dv + t * h.ld, d_o, p[t - first_key], dim);
    } else {
      clear_row(dk + t * h.ld, dim);
      clear_row(dv + t * h.ld, dim);
    }
  }
  weighted_sum<bf16>(ds, h.k + first_key * h.ld, h.ld, dim, count, 1.0f, dq + h.row_of(0) * h.ld);
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
