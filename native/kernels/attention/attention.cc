// Vectorised attention; attention.h has the formulas and the numerics. Compiled once for each instruction set.
#include "kernels/attention/attention.h"

#include "kernels/attention/tile.h"

namespace flashbook {
namespace FB_ISA {

extern const AttentionKernels attention_kernels;

namespace {

constexpr int64_t kKeyBlock = 128;          // forward: keys whose scores are kept at once
constexpr int64_t kQueryBlock = 128;        // forward: queries that share one packing of a key block
constexpr int64_t kGradKeyBlock = 64;       // backward
constexpr int64_t kGradQueryBlock = 32;     // backward: P and dS of 32 × 64 fill half of L1
constexpr float kLog2e = 1.44269504088896341f;
constexpr float kLn2 = 0.693147180559945309f;
constexpr float kInfinity = __builtin_inff();

// One head of one sequence.
struct Head {
  const AttentionShape& shape;
  const float* qkv;
  int64_t head;

  int64_t ld() const { return 3 * shape.width(); }
  int64_t column(int part) const { return part * shape.width() + head * shape.head_dim; }
  const float* q(int64_t t) const { return qkv + t * ld() + column(0); }
  const float* k(int64_t t) const { return qkv + t * ld() + column(1); }
  const float* v(int64_t t) const { return qkv + t * ld() + column(2); }
  bool triangular() const { return shape.causal && shape.queries > 1; }
  int64_t step_of(int64_t query) const { return shape.queries == 1 ? shape.steps - 1 : query; }
  // Keys of the block k0 … k0+count−1 that a query sees; 0 … count.
  int64_t visible(int64_t query, int64_t k0, int64_t count) const {
    return triangular() ? most(0, least(count, query + 1 - k0)) : count;
  }
  int64_t keys_of(int64_t query) const { return triangular() ? query + 1 : shape.steps; }
  float factor() const { return 1.0f / __builtin_sqrtf(static_cast<float>(shape.head_dim)); }
};

// How many keys each row of a tile sees: `common` by all rows, row r by of[r], `widest` by the last.
template <int R> struct View {
  int64_t of[R], common, widest;

  FB_INLINE View(const Head& h, int64_t query, int64_t k0, int64_t count) {
    for (int r = 0; r < R; ++r) of[r] = h.visible(query + r, k0, count);
    common = of[0];
    widest = of[R - 1];
  }
  // Lanes lane … lane+W−1 that row r sees.
  FB_INLINE Mask lanes(int r, int64_t lane) const { return first(static_cast<int>(most(0, least(W, of[r] - lane)))); }
};

// out[r] += Σ_t coefficient[r][t]·rows[t] over the keys that row r sees: all rows together over the common keys, then
// each row alone, so that no row multiplies a key that it must not see.
template <int R>
FB_INLINE void add_visible_products(const View<R>& view, float* out, const float* coefficient, int64_t row_stride,
                                    const float* rows, int64_t ld) {
  add_products<R>(out, coefficient, row_stride, 1, rows, ld, view.common);
  for (int r = 1; r < R; ++r) {
    const int64_t own = view.of[r] - view.common;
    if (own > 0) {
      add_products<1>(out + r * ld, coefficient + r * row_stride + view.common, 0, 1, rows + view.common * ld, ld, own);
    }
  }
}

// ---- Forward ---------------------------------------------------------------------------------------------------------

struct ForwardScratch {
  float *keys, *values, *scores, *sums, *top, *total;

  ForwardScratch(float* memory, int64_t head_dim) {
    const int64_t ld = padded(head_dim);
    keys = memory;                               // head_dim × kKeyBlock: transposed
    values = keys + head_dim * kKeyBlock;        // kKeyBlock × ld
    scores = values + ld * kKeyBlock;            // kTileRows × kKeyBlock
    sums = scores + kTileRows * kKeyBlock;       // kQueryBlock × ld: Σ p·v
    top = sums + ld * kQueryBlock;               // kQueryBlock: largest score
    total = top + kQueryBlock;                   // kQueryBlock: Σ p
  }
};

int64_t forward_scratch(const AttentionShape& shape) {
  return shape.head_dim * kKeyBlock + padded(shape.head_dim) * (kKeyBlock + kQueryBlock) + kTileRows * kKeyBlock +
         2 * kQueryBlock;
}

// Scores of R queries against a block of keys, their exponentials, and the sums with the values.
template <int R>
FB_INLINE void forward_tile(const Head& h, const ForwardScratch& s, int64_t query, int64_t row, int64_t k0, int64_t count) {
  const int64_t ld = padded(h.shape.head_dim);
  const View<R> view(h, query, k0, count);
  VecF best[R];
  for (int r = 0; r < R; ++r) best[r] = set1(-kInfinity);
  for_lanes(padded(view.widest), [&]<int V>(int64_t lane) __attribute__((always_inline)) {
    VecF score[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) score[r][v] = zero();
    }
    accumulate<R, V>(score, h.q(h.step_of(query)), h.ld(), 1, s.keys + lane, kKeyBlock, h.shape.head_dim);
    if (lane + V * W > view.common) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) score[r][v] = select(view.lanes(r, lane + v * W), score[r][v], set1(-kInfinity));
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        best[r] = max(best[r], score[r][v]);
        store(s.scores + r * kKeyBlock + lane + v * W, score[r][v]);
      }
    }
  });

  const float log2_factor = h.factor() * kLog2e;
  const VecF factor = set1(log2_factor);
  for (int r = 0; r < R; ++r) {
    float* sums = s.sums + (row + r) * ld;
    const float before = s.top[row + r], here = reduce_max(best[r]);
    const float top = here > before ? here : before;
    const VecF shift = set1(top == -kInfinity ? 0.0f : top);
    VecF total = zero();
    float* p = s.scores + r * kKeyBlock;
    for (int64_t lane = 0; lane < view.widest; lane += W) {
      const VecF e = exp2_of_nonpositive((load(p + lane) - shift) * factor);   // not fused: exact 0 at the maximum
      store(p + lane, e);
      total = total + e;
    }
    if (top > before && before != -kInfinity) {   // what was summed before shrinks to the new maximum
      const VecF shrink = exp2_of_nonpositive(set1((before - top) * log2_factor));
      for (int64_t c = 0; c < ld; c += W) store(sums + c, load(sums + c) * shrink);
      float one[W];
      store(one, shrink);
      s.total[row + r] *= one[0];
    }
    s.total[row + r] += reduce_add(total);
    s.top[row + r] = top;
  }
  add_visible_products<R>(view, s.sums + row * ld, s.scores, kKeyBlock, s.values, ld);
}

void forward_block(const Head& h, int64_t first_query, int64_t last_query, float* o, float* lse, const ForwardScratch& s) {
  const int64_t dim = h.shape.head_dim, rows = last_query - first_query, ld = padded(dim);
  clear(s.sums, rows * ld);
  for (int64_t r = 0; r < rows; ++r) s.top[r] = -kInfinity, s.total[r] = 0.0f;
  const int64_t keys = h.keys_of(last_query - 1);
  for (int64_t k0 = 0; k0 < keys; k0 += kKeyBlock) {
    const int64_t count = least(kKeyBlock, keys - k0);
    transpose(h.k(k0), h.ld(), count, dim, s.keys, kKeyBlock, padded(count));
    pack_rows(h.v(k0), h.ld(), count, dim, s.values);
    const int64_t start = h.triangular() ? most(first_query, k0) : first_query;   // earlier queries see none of these keys
    for_row_tiles(start, last_query, [&]<int R>(int64_t query) __attribute__((always_inline)) {
      forward_tile<R>(h, s, query, query - first_query, k0, count);
    });
  }
  const float natural = h.factor();
  for (int64_t r = 0; r < rows; ++r) {
    const float total = s.total[r], top = s.top[r];
    if (lse) lse[first_query + r] = total == 0.0f ? -kInfinity : top * natural + __builtin_logf(total);
    s.total[r] = total == 0.0f ? 0.0f : 1.0f / total;
  }
  unpack_rows(s.sums, rows, dim, o + first_query * h.shape.width() + h.column(0), h.shape.width(), s.total);
}

void forward(const AttentionShape& shape, const float* qkv, int64_t head, int64_t first_query, int64_t last_query, float* o,
             float* lse, float* scratch) {
  const Head h{shape, qkv, head};
  const ForwardScratch s(scratch, shape.head_dim);
  for (int64_t query = first_query; query < last_query; query += kQueryBlock) {
    forward_block(h, query, least(last_query, query + kQueryBlock), o, lse, s);
  }
}

// ---- Backward --------------------------------------------------------------------------------------------------------

struct BackwardScratch {
  float *queries, *d_o, *dq, *delta, *log2_sum, *keys_t, *values_t, *keys, *dk, *dv, *p, *ds;

  BackwardScratch(float* memory, const AttentionShape& shape) {
    const int64_t ld = padded(shape.head_dim), rows = padded(shape.queries);
    queries = memory;                                  // queries × ld
    d_o = queries + shape.queries * ld;                // queries × ld
    dq = d_o + shape.queries * ld;                     // queries × ld
    delta = dq + shape.queries * ld;                   // queries
    log2_sum = delta + rows;                           // queries: lse·log2(e), +∞ for a row of −∞
    keys_t = log2_sum + rows;                          // head_dim × kGradKeyBlock
    values_t = keys_t + shape.head_dim * kGradKeyBlock;
    keys = values_t + shape.head_dim * kGradKeyBlock;  // kGradKeyBlock × ld
    dk = keys + kGradKeyBlock * ld;
    dv = dk + kGradKeyBlock * ld;
    p = dv + kGradKeyBlock * ld;                       // kGradQueryBlock × kGradKeyBlock
    ds = p + kGradQueryBlock * kGradKeyBlock;
  }
};

int64_t backward_scratch(const AttentionShape& shape) {
  const int64_t ld = padded(shape.head_dim);
  return 3 * shape.queries * ld + 2 * padded(shape.queries) + (2 * shape.head_dim + 3 * ld) * kGradKeyBlock +
         2 * kGradQueryBlock * kGradKeyBlock;
}

// P and dS of R queries against a block of keys, and dq += dS·k.
template <int R>
FB_INLINE void query_tile(const Head& h, const BackwardScratch& s, int64_t query, int64_t row, int64_t k0, int64_t count) {
  const int64_t dim = h.shape.head_dim, ld = padded(dim);
  const View<R> view(h, query, k0, count);
  const VecF log2_factor = set1(h.factor() * kLog2e), factor = set1(h.factor());
  float* p = s.p + row * kGradKeyBlock;
  float* ds = s.ds + row * kGradKeyBlock;
  for_lanes(padded(view.widest), [&]<int V>(int64_t lane) __attribute__((always_inline)) {
    VecF sum[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[r][v] = zero();
    }
    accumulate<R, V>(sum, s.queries + query * ld, ld, 1, s.keys_t + lane, kGradKeyBlock, dim);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const VecF shift = set1(-s.log2_sum[query + r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        // lse is rounded, so that large scores could leave a large positive rest here: P is never above 1.
        const VecF e = exp2_of_nonpositive(min(zero(), fma(sum[r][v], log2_factor, shift)));
        store(p + r * kGradKeyBlock + lane + v * W, select(view.lanes(r, lane + v * W), e, zero()));
        sum[r][v] = zero();
      }
    }
    accumulate<R, V>(sum, s.d_o + query * ld, ld, 1, s.values_t + lane, kGradKeyBlock, dim);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const VecF delta = set1(s.delta[query + r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        const VecF e = load(p + r * kGradKeyBlock + lane + v * W);
        store(ds + r * kGradKeyBlock + lane + v * W, e * (sum[r][v] - delta) * factor);
      }
    }
  });
  add_visible_products<R>(view, s.dq + query * ld, ds, kGradKeyBlock, s.keys, ld);
}

// dk and dv of R keys: += Σ over the queries first_query … last_query−1 that see them.
template <int R>
FB_INLINE void key_tile(const Head& h, const BackwardScratch& s, int64_t key, int64_t k0, int64_t first_query,
                        int64_t last_query) {
  const int64_t ld = padded(h.shape.head_dim);
  const auto add = [&]<int N>(int64_t at, int64_t from, int64_t to) __attribute__((always_inline)) {
    const int64_t offset = (from - first_query) * kGradKeyBlock + at;
    add_products<N>(s.dv + at * ld, s.p + offset, 1, kGradKeyBlock, s.d_o + from * ld, ld, to - from);
    add_products<N>(s.dk + at * ld, s.ds + offset, 1, kGradKeyBlock, s.queries + from * ld, ld, to - from);
  };
  if (!h.triangular()) return add.template operator()<R>(key, first_query, last_query);
  const int64_t common = least(last_query, most(first_query, k0 + key + R - 1));   // the first query that sees all of them
  for (int r = 0; r < R; ++r) {
    const int64_t from = most(first_query, k0 + key + r);
    if (from < common) add.template operator()<1>(key + r, from, common);
  }
  add.template operator()<R>(key, common, last_query);
}

void backward(const AttentionShape& shape, const float* d_o, const float* qkv, const float* o, const float* lse,
              int64_t head, float* dqkv, float* scratch) {
  const Head h{shape, qkv, head};
  const BackwardScratch s(scratch, shape);
  const int64_t dim = shape.head_dim, ld = padded(dim), width = shape.width(), queries = shape.queries;
  d_o += h.column(0);
  o += h.column(0);
  pack_rows(h.q(h.step_of(0)), h.ld(), queries, dim, s.queries);
  pack_rows(d_o, width, queries, dim, s.d_o);
  clear(s.dq, queries * ld);
  for (int64_t query = 0; query < queries; ++query) {
    VecF sum = zero();
    for (int64_t c = 0; c < dim; c += W) {
      const Mask m = first(static_cast<int>(least(W, dim - c)));
      sum = fma(load(s.d_o + query * ld + c), maskload(o + query * width + c, m), sum);
    }
    s.delta[query] = reduce_add(sum);
    s.log2_sum[query] = lse[query] == -kInfinity ? kInfinity : lse[query] * kLog2e;
  }

  for (int64_t k0 = 0; k0 < shape.steps; k0 += kGradKeyBlock) {
    const int64_t count = least(kGradKeyBlock, shape.steps - k0);
    transpose(h.k(k0), h.ld(), count, dim, s.keys_t, kGradKeyBlock, padded(count));
    transpose(h.v(k0), h.ld(), count, dim, s.values_t, kGradKeyBlock, padded(count));
    pack_rows(h.k(k0), h.ld(), count, dim, s.keys);
    clear(s.dk, count * ld);
    clear(s.dv, count * ld);
    for (int64_t q0 = h.triangular() ? k0 : 0; q0 < queries; q0 += kGradQueryBlock) {
      const int64_t q1 = least(queries, q0 + kGradQueryBlock);
      for_row_tiles(q0, q1, [&]<int R>(int64_t query) __attribute__((always_inline)) {
        query_tile<R>(h, s, query, query - q0, k0, count);
      });
      for_row_tiles(0, h.visible(q1 - 1, k0, count), [&]<int R>(int64_t key) __attribute__((always_inline)) {
        key_tile<R>(h, s, key, k0, q0, q1);
      });
    }
    unpack_rows(s.dk, count, dim, dqkv + k0 * h.ld() + h.column(1), h.ld());
    unpack_rows(s.dv, count, dim, dqkv + k0 * h.ld() + h.column(2), h.ld());
  }

  for (int64_t t = 0; t < h.step_of(0); ++t) {   // queries = 1: rows without a query
    float* row = dqkv + t * h.ld() + h.column(0);
    for (int64_t c = 0; c < dim; ++c) row[c] = 0.0f;
  }
  unpack_rows(s.dq, queries, dim, dqkv + h.step_of(0) * h.ld() + h.column(0), h.ld());
}

}  // namespace

const AttentionKernels attention_kernels = {forward_scratch, backward_scratch, forward, backward};

}  // namespace FB_ISA
}  // namespace flashbook
