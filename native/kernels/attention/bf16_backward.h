// The backward pass of attention.h with operands in bf16, where the processor multiplies them. bf16_pack.h has the tiles.
//
// The unit is 32 queries × 32 keys, skipped where none of them sees another. Two products give its S and do·vᵀ in L1; from these come P
// and dS, which are stored as tiles for the other three: dS as A for dq = dS·k, and both with pairs of queries as B for the transposes
// dkᵀ = qᵀ·dS and dvᵀ = doᵀ·P, so that no weight is transposed. The pairs come from interleaving two rows within 128 bits, which
// leaves the keys of a unit in the order of column_key.
// Elements of k, q and do that are not finite are left out of these three, where even a weight of 0 would let them spoil a sum, and are
// added one by one to the sums that they belong to.
#pragma once

#include "kernels/attention/bf16_pack.h"

namespace flashbook {
namespace FB_ISA {
namespace {
namespace bf16 {

constexpr int64_t kGradKeyBlock = 256;
constexpr int64_t kGradQueryBlock = 128;   // P and dS of 128 × 256: 192 KiB of L2

// The key, of 32, of column `column` of tile 0 or 1 of a unit.
FB_INLINE int64_t column_key(int64_t tile, int64_t column) { return column / 4 * 8 + tile * 4 + column % 4; }

struct BackwardScratch {
  int32_t *queries, *d_o, *queries_t, *d_o_t, *keys, *values, *key_rows, *p, *ds, *ds_rows;
  float *dq, *delta, *log2_sum, *dk, *dv, *scores, *d_p;
  int64_t key_steps, query_steps;
  bool finite_keys, finite_queries, finite_d_o;

  BackwardScratch(float* memory, const AttentionRows& rows) {
    const int64_t dim = steps_of(rows.head_dim) * kStep, ld = padded(rows.head_dim), count = steps_of(rows.queries) * kStep;
    const int64_t keys_at_once = least(kGradKeyBlock, count), queries_at_once = least(kGradQueryBlock, count);
    key_steps = keys_at_once / kStep;
    query_steps = count / kStep;
    queries = reinterpret_cast<int32_t*>(memory);   // A, summed over head_dim
    d_o = queries + count * dim / 2;
    queries_t = d_o + count * dim / 2;              // A, head_dim × queries
    d_o_t = queries_t + count * dim / 2;
    keys = d_o_t + count * dim / 2;                 // B, summed over head_dim
    values = keys + keys_at_once * dim / 2;
    key_rows = values + keys_at_once * dim / 2;     // B, summed over keys
    p = key_rows + keys_at_once * ld / 2;           // B, summed over queries: for each step of these, two tiles for each 32 keys
    ds = p + queries_at_once * keys_at_once / 2;
    ds_rows = ds + queries_at_once * keys_at_once / 2;   // A of 32 queries, summed over keys
    dq = reinterpret_cast<float*>(ds_rows + kStep * keys_at_once / 2);   // queries × ld
    delta = dq + count * ld;                        // queries
    log2_sum = delta + count;                       // queries: lse·log2(e), +∞ for a row of −∞
    dk = log2_sum + count;                          // for each column tile of keys the tiles of head_dim × keys
    dv = dk + keys_at_once * dim;
    scores = dv + keys_at_once * dim;               // of a unit: two by two tiles
    d_p = scores + 4 * kTileWords;
  }
};

int64_t backward_floats(const AttentionRows& rows) {
  const int64_t dim = steps_of(rows.head_dim) * kStep, ld = padded(rows.head_dim), count = steps_of(rows.queries) * kStep;
  const int64_t keys = least(kGradKeyBlock, count), queries = least(kGradQueryBlock, count);
  return 2 * count * dim + keys * dim + keys * ld / 2 + queries * keys + kStep * keys / 2 + count * (ld + 2) + 2 * keys * dim +
         8 * kTileWords;
}

// Which of 16 keys from `key` on a query sees; none after the last query.
FB_INLINE Mask seen(const AttentionRows& h, int64_t query, int64_t key) {
  if (query >= h.queries) return first(0);
  const VecI lane = lane_index();
  const int64_t from = h.first_key(query) - key, to = h.end_key(query) - key;
  return gt(set1i(static_cast<int32_t>(to)), lane) & not_(gt(set1i(static_cast<int32_t>(from)), lane));
}

// P and dS of a unit from its S and do·vᵀ, rounded, in the tiles of unit (query step of the block, key step).
template <bool whole>
FB_INLINE void weigh_unit(const AttentionRows& h, const BackwardScratch& s, int64_t query, int64_t key, int32_t* p, int32_t* ds,
                          int32_t* ds_rows) {
  const float natural = score_factor(h);
  const VecF log2_factor = set1(natural * kLog2e), factor = set1(natural), one = set1(1.0f), slope = set1(h.slope / natural);
  for (int64_t r = 0; r < kStep; r += 2) {
    __m512i rounded_p[2], rounded_ds[2];
#pragma GCC unroll 2
    for (int64_t i = 0; i < 2; ++i) {
      const int64_t row = r + i, at = row / 16 * 2 * kTileWords + row % 16 * 16;
      const VecF shift = set1(-s.log2_sum[query + row]), delta = set1(s.delta[query + row]);
      VecF weight[2], gradient[2];
#pragma GCC unroll 2
      for (int64_t v = 0; v < 2; ++v) {
        VecF score = load(s.scores + at + v * kTileWords);
        if (h.slope != 0.0f) {
          const VecI distance = set1i(static_cast<int32_t>(query + row - key - v * 16)) - lane_index();
          score = fnma(abs(to_float(distance)), slope, score);
        }
        // lse is rounded, so that large scores could leave a large positive rest here: P is never above 1.
        VecF e = exp2_of_nonpositive(min(zero(), fma(score, log2_factor, shift)), one);
        VecF g = e * (load(s.d_p + at + v * kTileWords) - delta) * factor;
        if constexpr (!whole) {
          const Mask m = seen(h, query + row, key + v * 16);
          e = select(m, e, zero());
          g = select(m, g, zero());
        }
        weight[v] = e;
        gradient[v] = g;
      }
      rounded_p[i] = pack_bf16(weight[0], weight[1]);
      rounded_ds[i] = pack_bf16(gradient[0], gradient[1]);
      store_words(ds_rows + row / 16 * s.key_steps * kTileWords + row % 16 * 16, rounded_ds[i]);
    }
    store_words(p + r / 2 * 16, _mm512_unpacklo_epi16(rounded_p[0], rounded_p[1]));
    store_words(p + kTileWords + r / 2 * 16, _mm512_unpackhi_epi16(rounded_p[0], rounded_p[1]));
    store_words(ds + r / 2 * 16, _mm512_unpacklo_epi16(rounded_ds[0], rounded_ds[1]));
    store_words(ds + kTileWords + r / 2 * 16, _mm512_unpackhi_epi16(rounded_ds[0], rounded_ds[1]));
  }
}

// Steps of keys of a block that some of 32 queries see.
struct KeySteps {
  int64_t begin, end;

  KeySteps(const AttentionRows& h, int64_t query, int64_t k0, int64_t count)
      : begin(most(0, h.first_key(query) - k0) / kStep),
        end(steps_of(most(0, least(count, h.end_key(least(query + kStep, h.queries) - 1) - k0)))) {}
};

// Adds to dq what its product left out: keys that are not finite.
void add_keys_not_finite(const AttentionRows& h, const BackwardScratch& s, int64_t query, int64_t k0, int64_t count) {
  const int64_t ld = padded(h.head_dim);
  for_not_finite(h.k + k0 * h.ld, h.ld, count, h.head_dim, [&](int64_t key, int64_t column, float x) {
    for (int64_t r = 0; r < least(kStep, h.queries - query); ++r) {
      if (k0 + key < h.first_key(query + r) || k0 + key >= h.end_key(query + r)) continue;
      const int32_t word = s.ds_rows[(r / 16 * s.key_steps + key / kStep) * kTileWords + r % 16 * 16 + key % kStep / 2];
      s.dq[(query + r) * ld + column] += half_of(word, key % 2) * x;
    }
  });
}

// Adds to dkᵀ (or dvᵀ) what its product with the weights of queries q0 … q1−1 left out: rows of q (of do) that are not finite.
void add_rows_not_finite(const AttentionRows& h, const BackwardScratch& s, const float* rows, int64_t ld, int64_t q0, int64_t q1,
                         int64_t k0, int64_t count, const int32_t* weights, float* sums) {
  for_not_finite(rows + q0 * ld, ld, q1 - q0, h.head_dim, [&](int64_t r, int64_t column, float x) {
    const int64_t columns = 2 * steps_of(h.head_dim);
    for (int64_t j = 0; j < 32 * s.key_steps; ++j) {
      const int64_t tile = j / 16, key = tile / 2 * kStep + column_key(tile % 2, j % 16);
      if (key >= count || k0 + key < h.first_key(q0 + r) || k0 + key >= h.end_key(q0 + r)) continue;
      const int32_t word = weights[(r / kStep * 2 * s.key_steps + tile) * kTileWords + r % kStep / 2 * 16 + j % 16];
      sums[(tile * columns + column / 16) * kTileWords + column % 16 * 16 + j % 16] += half_of(word, r % 2) * x;
    }
  });
}

// The transposed sums of `count` keys as rows.
FB_INLINE void unpack_transposed(const float* sums, int64_t count, int64_t dim, float* out, int64_t ld) {
  const int64_t columns = 2 * steps_of(dim);
  for (int64_t tile = 0; tile < 2 * steps_of(count); ++tile) {
    for (int64_t t = 0; t < tiles_of(dim); ++t) {
      __m512i r[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_si512(sums + (tile * columns + t) * kTileWords + i * 16);
      transpose_words(r);
      const Mask m = first_of(dim - t * 16);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        const int64_t key = tile / 2 * kStep + column_key(tile % 2, i);
        if (key < count) maskstore(out + key * ld + t * 16, {_mm512_castsi512_ps(r[i])}, m);
      }
    }
  }
}

// Of each query δ = do·o and lse·log2(e).
FB_INLINE void query_sums(const AttentionRows& h, const BackwardScratch& s, const float* d_o, const float* o, int64_t o_ld,
                          const float* lse, int64_t lse_ld) {
  for (int64_t query = 0; query < kStep * s.query_steps; ++query) {
    s.delta[query] = 0.0f;
    s.log2_sum[query] = kInfinity;
    if (query >= h.queries) continue;
    VecF sum = zero();
    for (int64_t c = 0; c < h.head_dim; c += W) {
      const Mask m = first_of(h.head_dim - c);
      sum = fma(round_bf16(maskload(d_o + query * o_ld + c, m)), maskload(o + query * o_ld + c, m), sum);
    }
    s.delta[query] = reduce_add(sum);
    const float l = lse[query * lse_ld];
    if (l != -kInfinity) s.log2_sum[query] = l * kLog2e;
  }
}

// P, dS and dq of 32 queries and a block of keys.
template <class Multiplier>
FB_INLINE void query_group(const AttentionRows& h, const BackwardScratch& s, int64_t query, int64_t step, int64_t k0, int64_t count) {
  const int64_t steps = steps_of(h.head_dim), columns = tiles_of(h.head_dim), ld = padded(h.head_dim);
  const KeySteps seen_steps(h, query, k0, count);
  if (seen_steps.begin >= seen_steps.end) return;
  const int64_t last = query + kStep - 1;
  for (int64_t j = seen_steps.begin; j < seen_steps.end; ++j) {
    const auto unit = [&](const int32_t* rows, const int32_t* keys, float* out) __attribute__((always_inline)) {
      multiply<Multiplier>(true, 2, 2, steps, {rows + query / 16 * steps * kTileWords, steps * kTileWords, kTileWords},
                               {keys + 2 * j * steps * kTileWords, steps * kTileWords, kTileWords},
                               {out, 2 * kTileWords, kTileWords, 16});
    };
    unit(s.queries, s.keys, s.scores);
    unit(s.d_o, s.values, s.d_p);
    const int64_t key = k0 + j * kStep, at = (step * s.key_steps + j) * 2 * kTileWords;
    if (last < h.queries && h.first_key(last) <= key && key + kStep <= h.end_key(query)) {
      weigh_unit<true>(h, s, query, key, s.p + at, s.ds + at, s.ds_rows + j * kTileWords);
    } else {
      weigh_unit<false>(h, s, query, key, s.p + at, s.ds + at, s.ds_rows + j * kTileWords);
    }
  }
  multiply<Multiplier>(h.first_key(query) >= k0, 2, columns, seen_steps.end - seen_steps.begin,
                           {s.ds_rows + seen_steps.begin * kTileWords, s.key_steps * kTileWords, kTileWords},
                           {s.key_rows + seen_steps.begin * columns * kTileWords, kTileWords, columns * kTileWords},
                           {s.dq + query * ld, 16 * ld, 16, ld});
  if (!s.finite_keys) add_keys_not_finite(h, s, query, k0, count);
}

// dkᵀ and dvᵀ of 32 keys: += Σ over the queries q0 … q1−1 that see them.
template <class Multiplier>
FB_INLINE void key_group(const AttentionRows& h, const BackwardScratch& s, int64_t j, int64_t k0, int64_t count, int64_t q0, int64_t q1) {
  const int64_t columns = 2 * steps_of(h.head_dim), key = k0 + j * kStep, last = least(key + kStep, k0 + count) - 1;
  const int64_t begin = most(h.first_query(key), q0) / kStep, end = steps_of(least(h.end_query(last), q1));
  if (begin >= end) return;
  const bool fresh = h.first_query(key) >= q0;   // no earlier block had queries of these keys
  const int64_t at = ((begin - q0 / kStep) * s.key_steps + j) * 2 * kTileWords;
  const auto add = [&](const int32_t* rows, const int32_t* weights, float* sums) __attribute__((always_inline)) {
    multiply<Multiplier>(fresh, columns, 2, end - begin,
                             {rows + begin * kTileWords, s.query_steps * kTileWords, kTileWords},
                             {weights + at, kTileWords, 2 * s.key_steps * kTileWords},
                             {sums + 2 * j * columns * kTileWords, kTileWords, columns * kTileWords, 16});
  };
  add(s.d_o_t, s.p, s.dv);
  add(s.queries_t, s.ds, s.dk);
}

template <class Multiplier>
void backward(const AttentionRows& h, const float* d_o, const float* o, int64_t o_ld, const float* lse, int64_t lse_ld, float* dq,
              float* dk, float* dv, float* scratch) {
  BackwardScratch s(scratch, h);
  const int64_t dim = h.head_dim, queries = h.queries;
  pack_a(h.q, h.ld, queries, dim, s.queries);
  pack_a(d_o, o_ld, queries, dim, s.d_o);
  s.finite_queries = pack_a_of_rows(h.q, h.ld, queries, dim, s.queries_t);
  s.finite_d_o = pack_a_of_rows(d_o, o_ld, queries, dim, s.d_o_t);
  query_sums(h, s, d_o, o, o_ld, lse, lse_ld);
  for (int64_t k0 = 0; k0 < h.steps; k0 += kGradKeyBlock) {
    const int64_t count = least(kGradKeyBlock, h.steps - k0);
    pack_b_of_columns(h.k + k0 * h.ld, h.ld, count, dim, s.keys);
    pack_b_of_columns(h.v + k0 * h.ld, h.ld, count, dim, s.values);
    s.finite_keys = pack_b_of_rows(h.k + k0 * h.ld, h.ld, count, dim, s.key_rows);
    const int64_t end_query = h.end_query(k0 + count - 1);
    for (int64_t q0 = h.first_query(k0) / kGradQueryBlock * kGradQueryBlock; q0 < end_query; q0 += kGradQueryBlock) {
      const int64_t q1 = least(queries, q0 + kGradQueryBlock);
      for (int64_t query = q0; query < q1; query += kStep) query_group<Multiplier>(h, s, query, (query - q0) / kStep, k0, count);
      for (int64_t j = 0; j < steps_of(count); ++j) key_group<Multiplier>(h, s, j, k0, count, q0, q1);
      if (!s.finite_d_o) add_rows_not_finite(h, s, d_o, o_ld, q0, q1, k0, count, s.p, s.dv);
      if (!s.finite_queries) add_rows_not_finite(h, s, h.q, h.ld, q0, q1, k0, count, s.ds, s.dk);
    }
    unpack_transposed(s.dk, count, dim, dk + k0 * h.ld, h.ld);
    unpack_transposed(s.dv, count, dim, dv + k0 * h.ld, h.ld);
  }
  unpack_rows(s.dq, queries, dim, dq, h.ld);
}

}  // namespace bf16
}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
