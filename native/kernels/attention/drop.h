// Dropout of the weights: the masks of a tile, drawn for four vectors of keys at a time.
#pragma once

#include "kernels/attention/view.h"
#include "kernels/dropout/philox.h"

namespace flashbook {
namespace FB_ISA {
namespace {

// f(vector, mask) for each of `count` vectors of weights from `element`, a multiple of 8, on: 0 where one is dropped, else the factor.
template <class F> FB_INLINE void draw_masks(uint64_t element, int64_t count, const PhiloxKey& key, const DropoutDraw& draw, F f) {
  const Threshold threshold(draw.threshold);
  const VecF factor = set1(draw.scale);
  for (int64_t vector = 0; vector < count; vector += 4) {
    const Kept kept = draw_blocks((element + static_cast<uint64_t>(vector * W)) / 8, key, threshold);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      if (vector + i < count) f(vector + i, select(kept.at[i], factor, zero()));
    }
  }
}

FB_INLINE PhiloxKey philox_key(const DropoutDraw& draw) { return PhiloxKey(draw.seed_low, draw.seed_high, draw.stream, draw.step); }

// f(place, mask) over the vectors of R rows of `ld` floats that a view has, place being where the vector begins.
template <int R, class F>
FB_INLINE void for_masks(const AttentionRows& h, const View<R>& view, int64_t query, int64_t k0, int64_t ld, F f) {
  const PhiloxKey key = philox_key(h.dropout);
  const int64_t lane = view.first_vector() * W;
  for (int r = 0; r < R; ++r) {
    draw_masks(h.element(query + r, k0 + lane), view.end_vector() - view.first_vector(), key, h.dropout,
               [&](int64_t vector, VecF mask) __attribute__((always_inline)) { f(r * ld + lane + vector * W, mask); });
  }
}

// weights ∘= M.
template <int R>
FB_INLINE void drop_weights(const AttentionRows& h, const View<R>& view, int64_t query, int64_t k0, float* weights, int64_t ld) {
  for_masks<R>(h, view, query, k0, ld, [&](int64_t at, VecF mask) __attribute__((always_inline)) {
    store(weights + at, load(weights + at) * mask);
  });
}

// out = M.
template <int R>
FB_INLINE void write_masks(const AttentionRows& h, const View<R>& view, int64_t query, int64_t k0, float* out, int64_t ld) {
  for_masks<R>(h, view, query, k0, ld, [&](int64_t at, VecF mask) __attribute__((always_inline)) { store(out + at, mask); });
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
