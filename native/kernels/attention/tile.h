// The register tile of all seven products of attention, packing, and the exponential. attention.h has the whole picture.
#pragma once

#include "simd/transpose.h"
#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int W = VecF::width;
constexpr int kTileRows = W == 16 ? 8 : 6;   // × 2 vectors: 16 or 12 accumulators of 32 or 16 registers

FB_INLINE int64_t padded(int64_t n) { return (n + W - 1) / W * W; }
FB_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
FB_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// 2ˣ for x ≤ 0 (a little more is harmless): relative error ≤ 1.8e-7, 0 below −125, NaN stays NaN.
// 2ˣ = 2ⁿ·2ᶠ, |f| ≤ ½; 2ᶠ by a minimax polynomial of degree 5 that is exact at 0.
FB_INLINE VecF exp2_of_nonpositive(VecF x) {
  const VecF n = round_nearest(x);
  const VecF f = x - n;
  VecF p = set1(0.001326472731307149f);
  p = fma(p, f, set1(0.009671512991189957f));
  p = fma(p, f, set1(0.05550733581185341f));
  p = fma(p, f, set1(0.24022242426872253f));
  p = fma(p, f, set1(0.6931470036506653f));
  p = fma(p, f, set1(1.0f));
  const VecF y = as_float(as_int(p) + shift_left<23>(to_int(n)));
  return select(lt(x, set1(-125.0f)), zero(), y);
}

// sum[r][v] += Σ_t coefficient[r·row_stride + t·step_stride] · rows[t·ld + v·W …], t rising.
template <int R, int V>
FB_INLINE void accumulate(VecF (&sum)[R][V], const float* coefficient, int64_t row_stride, int64_t step_stride,
                          const float* rows, int64_t ld, int64_t count) {
  for (int64_t t = 0; t < count; ++t) {
    VecF row[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) row[v] = load(rows + v * W);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const VecF c = set1(coefficient[r * row_stride]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[r][v] = fma(c, row[v], sum[r][v]);
    }
    coefficient += step_stride;
    rows += ld;
  }
}

// f(lane, vectors as a constant) over `lanes`, a multiple of W, two vectors at a time.
template <class F> FB_INLINE void for_lanes(int64_t lanes, F f) {
  int64_t lane = 0;
  for (; lane + 2 * W <= lanes; lane += 2 * W) f.template operator()<2>(lane);
  if (lane < lanes) f.template operator()<1>(lane);
}

// f(row, rows as a constant) over first … last−1 in tiles of at most kTileRows.
template <class F> FB_INLINE void for_row_tiles(int64_t first, int64_t last, F f) {
  int64_t r = first;
  for (; r + kTileRows <= last; r += kTileRows) f.template operator()<kTileRows>(r);
  for (; r + 4 <= last; r += 4) f.template operator()<4>(r);
  for (; r + 2 <= last; r += 2) f.template operator()<2>(r);
  if (r < last) f.template operator()<1>(r);
}

// out[r][lane] += Σ_t coefficient[r, t]·rows[t][lane] in memory: R rows of `lanes` (a multiple of W), row length ld as that of `rows`.
template <int R>
FB_INLINE void add_products(float* out, const float* coefficient, int64_t row_stride, int64_t step_stride, const float* rows,
                            int64_t ld, int64_t count) {
  for_lanes(ld, [&]<int V>(int64_t lane) __attribute__((always_inline)) {
    VecF sum[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[r][v] = load(out + r * ld + lane + v * W);
    }
    accumulate<R, V>(sum, coefficient, row_stride, step_stride, rows + lane, ld, count);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) store(out + r * ld + lane + v * W, sum[r][v]);
    }
  });
}

// Rows of `columns` floats into rows of padded(columns), the rest 0.
FB_INLINE void pack_rows(const float* in, int64_t in_ld, int64_t rows, int64_t columns, float* out) {
  const int64_t ld = padded(columns);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < ld; c += W) {
      store(out + r * ld + c, maskload(in + r * in_ld + c, first(columns - c < W ? static_cast<int>(columns - c) : W)));
    }
  }
}

// The reverse: the first `columns` of each padded row, times `factor[r]` when given.
FB_INLINE void unpack_rows(const float* in, int64_t rows, int64_t columns, float* out, int64_t out_ld,
                           const float* factor = nullptr) {
  const int64_t ld = padded(columns);
  for (int64_t r = 0; r < rows; ++r) {
    const VecF scale = set1(factor ? factor[r] : 1.0f);
    for (int64_t c = 0; c < columns; c += W) {
      const Mask m = first(columns - c < W ? static_cast<int>(columns - c) : W);
      maskstore(out + r * out_ld + c, load(in + r * ld + c) * scale, m);
    }
  }
}

FB_INLINE void clear(float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += W) store(out + i, zero());
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
