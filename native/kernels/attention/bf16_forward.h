// The forward pass of attention.h with operands in bf16, where the processor multiplies them. bf16_pack.h has the tiles.
//
// 32 queries at a time meet a block of keys: their scores, tiles of float32 in L1, become weights in place, which are tiles of bf16 as
// the product with the values wants them. Values that are not finite are left out of that product, where even a weight of 0
// would let them spoil a row, and are added one by one to the rows that see them.
#pragma once

#include "kernels/attention/bf16_pack.h"

namespace flashbook {
namespace FB_ISA {
namespace {
namespace bf16 {

constexpr int64_t kKeyBlock = 256;     // keys whose scores are kept at once: 32 KiB
constexpr int64_t kQueryBlock = 2048;  // queries that share one packing of a key block
constexpr int64_t kGroup = 32;         // queries multiplied at once: two tiles

FB_INLINE int64_t key_block(const AttentionRows& rows) { return least(kKeyBlock, steps_of(rows.steps) * kStep); }
FB_INLINE int64_t query_block(const AttentionRows& rows) { return least(kQueryBlock, steps_of(rows.queries) * kStep); }

struct ForwardScratch {
  int32_t *queries, *keys, *values;
  float *scores, *sums, *top, *total;

  ForwardScratch(float* memory, const AttentionRows& rows) {
    const int64_t block = key_block(rows), count = query_block(rows), dim = steps_of(rows.head_dim) * kStep;
    queries = reinterpret_cast<int32_t*>(memory);   // A, summed over head_dim
    keys = queries + count * dim / 2;               // B, summed over head_dim
    values = keys + block * dim / 2;                // B, summed over keys
    scores = reinterpret_cast<float*>(values + block * padded(rows.head_dim) / 2);   // two rows of tiles, one for each 16 keys
    sums = scores + kGroup * block;                 // queries × padded(head_dim): Σ p·v
    top = sums + count * padded(rows.head_dim);     // queries: largest score
    total = top + count;                            // queries: Σ p
  }
};

int64_t forward_floats(const AttentionRows& rows) {
  const int64_t block = key_block(rows), count = query_block(rows), dim = steps_of(rows.head_dim) * kStep, ld = padded(rows.head_dim);
  return (count + block) * dim / 2 + block * ld / 2 + kGroup * block + count * (ld + 2);
}

// Eight rows of a tile of scores: their weights, and what they leave in top, total and the sums so far.
FB_INLINE void weigh(const AttentionRows& h, const ForwardScratch& s, float* scores, int64_t query, int64_t row, int64_t k0,
                     int64_t count, int64_t first_step, int64_t end_step, bool fresh) {
  constexpr int R = 8;
  const int64_t ld = padded(h.head_dim);
  const View<R> view(h, query, k0, count);
  const bool empty = view.begin() >= view.end();
  const int64_t first = empty ? end_step : view.begin() / kStep, end = empty ? end_step : steps_of(view.end());
  for (int64_t step = first_step; step < end_step; ++step) {
    if (step >= first && step < end) continue;
    for (int r = 0; r < R; ++r) store_words(reinterpret_cast<int32_t*>(scores + step * 2 * kTileWords + r * 16), _mm512_setzero_si512());
  }
  VecF best[R], sum[R], shift[R];
  float before[R], top[R], total[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    before[r] = fresh ? -kInfinity : s.top[row + r];
    best[r] = set1(before[r]);
    sum[r] = zero();
  }
  const VecF slope = set1(h.slope / score_factor(h));
  for (int64_t v = 2 * first; v < 2 * end; ++v) {
    float* const tile = scores + v * kTileWords;
    if (h.slope != 0.0f) {
      for (int r = 0; r < R; ++r) {
        const VecI distance = set1i(static_cast<int32_t>(h.row_of(query + r) - k0 - v * W)) - lane_index();
        store(tile + r * 16, fnma(abs(to_float(distance)), slope, load(tile + r * 16)));
      }
    }
    if (!view.whole(v * W, W)) {
      for (int r = 0; r < R; ++r) store(tile + r * 16, select(view.lanes(r, v * W), load(tile + r * 16), set1(-kInfinity)));
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) best[r] = max(best[r], load(tile + r * 16));
  }
  max_of_rows<R>(best, top);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    s.top[row + r] = top[r];
    shift[r] = set1(top[r] == -kInfinity ? 0.0f : top[r]);
  }
  const VecF factor = set1(score_factor(h) * kLog2e);
  for (int64_t step = first; step < end; ++step) {
    float* const tile = scores + step * 2 * kTileWords;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const VecF low = exp2_of_nonpositive(load(tile + r * 16) - shift[r], factor);
      const VecF high = exp2_of_nonpositive(load(tile + kTileWords + r * 16) - shift[r], factor);
      sum[r] = sum[r] + low;
      sum[r] = sum[r] + high;
      store_words(reinterpret_cast<int32_t*>(tile + r * 16), pack_bf16(low, high));
    }
  }
  sum_of_rows<R>(sum, total);
  carry_sums<R>(fresh, before, top, factor, s.sums + row * ld, ld, s.total + row, total);
}

// Adds what the product left out: values that are not finite.
void add_not_finite(const AttentionRows& h, const ForwardScratch& s, int64_t query, int64_t row, int64_t rows, int64_t k0, int64_t count) {
  const int64_t ld = padded(h.head_dim), block = key_block(h);
  for_not_finite(h.v + k0 * h.ld, h.ld, count, h.head_dim, [&](int64_t key, int64_t column, float x) {
    for (int64_t r = 0; r < rows; ++r) {
      if (k0 + key < h.first_key(query + r) || k0 + key >= h.end_key(query + r)) continue;
      const float* const tile = s.scores + r / 16 * 16 * block + key / kStep * 2 * kTileWords;
      const int32_t word = reinterpret_cast<const int32_t*>(tile)[r % 16 * 16 + key % kStep / 2];
      s.sums[(row + r) * ld + column] += half_of(word, key % 2) * x;
    }
  });
}

template <class Multiplier>
void forward_block(const AttentionRows& h, int64_t first_query, int64_t last_query, float* o, int64_t o_ld, float* lse, int64_t lse_ld,
                   const ForwardScratch& s) {
  const int64_t dim = h.head_dim, rows = last_query - first_query, ld = padded(dim), block = key_block(h);
  const int64_t steps = steps_of(dim), columns = tiles_of(dim);
  const int64_t first_key = h.first_key(first_query) / kStep * kStep, end_key = h.end_key(last_query - 1);
  pack_a(h.q + first_query * h.ld, h.ld, rows, dim, s.queries);
  for (int64_t start = first_key / block * block; start < end_key; start += block) {
    const int64_t k0 = most(start, first_key), count = least(start + block, end_key) - k0;
    pack_b_of_columns(h.k + k0 * h.ld, h.ld, count, dim, s.keys);
    const bool finite = pack_b_of_rows(h.v + k0 * h.ld, h.ld, count, dim, s.values);
    for (int64_t row = 0; row < rows; row += kGroup) {
      const int64_t query = first_query + row, group = least(kGroup, rows - row);
      const int64_t begin = most(0, h.first_key(query) - k0) / kStep;
      const int64_t end = steps_of(most(0, least(count, h.end_key(query + group - 1) - k0)));
      if (begin >= end) continue;
      const bool fresh = h.first_key(query) >= k0;   // no earlier block had keys of these queries
      multiply<Multiplier>(true, 2, 2 * (end - begin), steps,
                               {s.queries + row / 16 * steps * kTileWords, steps * kTileWords, kTileWords},
                               {s.keys + 2 * begin * steps * kTileWords, steps * kTileWords, kTileWords},
                               {s.scores + 2 * begin * kTileWords, 16 * block, kTileWords, 16});
      for (int64_t r = 0; r < group; r += 8) {
        weigh(h, s, s.scores + r / 16 * 16 * block + r % 16 * 16, query + r, row + r, k0, count, begin, end, fresh);
      }
      multiply<Multiplier>(fresh, 2, columns, end - begin,
                               {reinterpret_cast<const int32_t*>(s.scores + 2 * begin * kTileWords), 16 * block, 2 * kTileWords},
                               {s.values + begin * columns * kTileWords, kTileWords, columns * kTileWords},
                               {s.sums + row * ld, 16 * ld, 16, ld});
      if (!finite) add_not_finite(h, s, query, row, group, k0, count);
    }
  }
  if (lse) write_lse(h, s.top, s.total, rows, lse + first_query * lse_ld, lse_ld);
  for (int64_t r = 0; r < rows; ++r) s.total[r] = s.total[r] == 0.0f ? 0.0f : 1.0f / s.total[r];
  unpack_rows(s.sums, rows, dim, o + first_query * o_ld, o_ld, s.total);
}

template <class Multiplier>
void forward(const AttentionRows& rows, int64_t first_query, int64_t last_query, float* o, int64_t o_ld, float* lse, int64_t lse_ld,
             float* scratch) {
  const ForwardScratch s(scratch, rows);
  const int64_t block = query_block(rows);
  for (int64_t query = first_query; query < last_query; query += block) {
    forward_block<Multiplier>(rows, query, least(last_query, query + block), o, o_ld, lse, lse_ld, s);
  }
}

}  // namespace bf16
}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
