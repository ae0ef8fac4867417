// The register tile of all products of attention, packing, and the exponential. attention.h has the whole picture.
#pragma once

#include "simd/bf16.h"
#include "simd/transpose.h"
#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int W = VecF::width;
constexpr int kTileRows = W == 16 ? 8 : 4;      // rows of a register tile; divides W, so that a tile never straddles two vectors
constexpr int kMostVectors = 3;                 // × vectors: 24 or 12 sums of 32 or 16 registers
constexpr int kLongTileRows = W == 16 ? 12 : 4; // of the forward pass: × 2 (× 3 with AVX2) vectors read less of keys and values
constexpr float kLog2e = 1.44269504088896341f;
constexpr float kInfinity = __builtin_inff();

FB_INLINE int64_t padded(int64_t n) { return (n + W - 1) / W * W; }
FB_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
FB_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// 2^(x·factor) for x·factor ≤ 0 (a little more is harmless): relative error ≤ 2e-7, exactly 1 at 0, 0 below −125, NaN stays NaN.
#if defined(FB_SIMD_512)
// y = x·factor, rounded: another 4e-8·|y|. 2ʸ = 2^⌊y⌋·2ᶠ, of which two instructions know ⌊y⌋; 2ᶠ, 0 ≤ f ≤ 1, by a minimax polynomial
// of degree 5 that is exact at 0.
FB_INLINE VecF exp2_of_nonpositive(VecF x, VecF factor) {
  constexpr int kFromFloor = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
  const VecF y = x * factor;
  const VecF f = {_mm512_reduce_ps(y.v, kFromFloor)};
  VecF p = set1(0.0018671301082224842f);
  p = fma(p, f, set1(0.009017030226350737f));
  p = fma(p, f, set1(0.0557999131863808f));
  p = fma(p, f, set1(0.24016445012804144f));
  p = fma(p, f, set1(0.6931513118069224f));
  p = fma(p, f, set1(1.0f));
  return {_mm512_maskz_scalef_ps(not_(lt(y, set1(-125.0f))).v, p.v, y.v)};
}
#else
// n is what x·factor rounds to, from adding a number whose last bit is worth 1; its bits, shifted, are the exponent of 2ⁿ.
// 2ᶠ, |f| ≤ ½, by a minimax polynomial of degree 5 that is exact at 0.
FB_INLINE VecF exp2_of_nonpositive(VecF x, VecF factor) {
  const VecF magic = set1(12582912.0f + 127.0f);   // 1.5·2²³, and the bias of the exponent
  const VecF t = fma(x, factor, magic);
  const VecF f = fma(x, factor, magic - t);
  VecF p = set1(0.001326472731307149f);
  p = fma(p, f, set1(0.009671512991189957f));
  p = fma(p, f, set1(0.05550733581185341f));
  p = fma(p, f, set1(0.24022242426872253f));
  p = fma(p, f, set1(0.6931470036506653f));
  p = fma(p, f, set1(1.0f));
  const VecF y = p * as_float(shift_left<23>(as_int(t)));
  return select(lt(t, set1(12582912.0f + 127.0f - 125.0f)), zero(), y);
}
#endif

// ln x for x ≥ 1 (a sum of exponentials, one of which is 1) or NaN. Error ≤ 1 ulp of the larger of 1 and the result.
// x = 2ⁿ·m, m in [√½, √2); ln m = 2·atanh(z) = 2·(z + z³/3 + z⁵/5 + …), z = (m − 1)/(m + 1), |z| < 0.1716.
FB_INLINE VecF log_of_sum(VecF x) {
  const VecI bits = as_int(x) - set1i(0x3f3504f3);   // √½
  const VecF n = to_float(shift_right_signed<23>(bits));
  const VecF m = as_float((bits & set1i(0x007fffff)) + set1i(0x3f3504f3));
  const VecF z = (m - set1(1.0f)) / (m + set1(1.0f));
  const VecF w = z * z;
  VecF q = set1(2.0f / 9.0f);
  q = fma(q, w, set1(2.0f / 7.0f));
  q = fma(q, w, set1(2.0f / 5.0f));
  q = fma(q, w, set1(2.0f / 3.0f));
  const VecF ln_m = fma(q * w, z, z + z);
  return fma(n, set1(0.693147182f), fma(x, zero(), ln_m));   // x·0 keeps a NaN
}

// out[r] = the largest lane of rows[r], and the sum of its lanes. A fixed tree; a NaN may be lost in the maximum.
#if defined(FB_SIMD_512)
// Eight vectors become one: halves of pairs, quarters of fours, then inside quarters. Row r ends in lane 4·(r mod 4) + 2·(r / 4).
template <class Join> FB_INLINE void join_eight_rows(const VecF (&rows)[8], float* out, Join join) {
  VecF pair[4], four[2];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512 a = rows[2 * i].v, b = rows[2 * i + 1].v;
    pair[i] = join(VecF{_mm512_shuffle_f32x4(a, b, 0x44)}, VecF{_mm512_shuffle_f32x4(a, b, 0xee)});
  }
  for (int i = 0; i < 2; ++i) {
    const __m512 a = pair[2 * i].v, b = pair[2 * i + 1].v;
    four[i] = join(VecF{_mm512_shuffle_f32x4(a, b, 0x88)}, VecF{_mm512_shuffle_f32x4(a, b, 0xdd)});
  }
  const __m512 a = four[0].v, b = four[1].v;
  const VecF eight = join(VecF{_mm512_shuffle_ps(a, b, 0x44)}, VecF{_mm512_shuffle_ps(a, b, 0xee)});
  const VecF all = join(eight, VecF{_mm512_permute_ps(eight.v, 0xb1)});
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 2, 6, 10, 14, 0, 4, 8, 12, 2, 6, 10, 14);
  _mm256_storeu_ps(out, _mm512_castps512_ps256(_mm512_permutexvar_ps(order, all.v)));
}
// Eight rows, or twelve: the last eight once more.
template <int R, class Join> FB_INLINE void join_rows(const VecF (&rows)[R], float* out, Join join) {
  for (int first = 0; first < R; first += 8) {
    const int from = first + 8 <= R ? first : R - 8;
    VecF eight[8];
#pragma GCC unroll 12
    for (int r = 0; r < 8; ++r) eight[r] = rows[from + r];
    join_eight_rows(eight, out + from, join);
  }
}
#endif
template <int R> FB_INLINE void max_of_rows(const VecF (&rows)[R], float* out) {
#if defined(FB_SIMD_512)
  if constexpr (R >= 8) return join_rows(rows, out, [](VecF a, VecF b) __attribute__((always_inline)) { return max(a, b); });
#endif
  for (int r = 0; r < R; ++r) out[r] = reduce_max(rows[r]);
}
template <int R> FB_INLINE void sum_of_rows(const VecF (&rows)[R], float* out) {
#if defined(FB_SIMD_512)
  if constexpr (R >= 8) return join_rows(rows, out, [](VecF a, VecF b) __attribute__((always_inline)) { return a + b; });
#endif
  for (int r = 0; r < R; ++r) out[r] = reduce_add(rows[r]);
}

// sum[r][v] += Σ_t coefficient[r·row_stride + t·step_stride] · rows[t·ld + v·vector_stride …], t rising.
template <int R, int V>
FB_INLINE void accumulate(VecF (&sum)[R][V], const float* coefficient, int64_t row_stride, int64_t step_stride,
                          const float* rows, int64_t ld, int64_t vector_stride, int64_t count) {
  for (int64_t t = 0; t < count; ++t) {
    VecF row[V];
#pragma GCC unroll 12
    for (int v = 0; v < V; ++v) row[v] = load(rows + v * vector_stride);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const VecF c = set1(coefficient[r * row_stride]);
#pragma GCC unroll 12
      for (int v = 0; v < V; ++v) sum[r][v] = fma(c, row[v], sum[r][v]);
    }
    coefficient += step_stride;
    rows += ld;
  }
}

// f(vector, vectors as a constant) over `count` vectors: as many at a time as R rows leave registers for, three (the last four as two
// and two) or two.
template <int R, class F> FB_INLINE void for_vectors_of_tile(int64_t count, F f) {
  int64_t v = 0;
  if constexpr (R <= 8) {
    for (; count - v >= 5 || count - v == 3; v += kMostVectors) f.template operator()<3>(v);
  }
  for (; v + 2 <= count; v += 2) f.template operator()<2>(v);
  if (v < count) f.template operator()<1>(v);
}

// f(row, rows as a constant) over first … last−1 in tiles of at most kTileRows, or of `Most`.
template <int Most = kTileRows, class F> FB_INLINE void for_row_tiles(int64_t first, int64_t last, F f) {
  int64_t r = first;
  if constexpr (Most > kTileRows) {
    for (; r + Most <= last; r += Most) f.template operator()<Most>(r);
  }
  for (; r + kTileRows <= last; r += kTileRows) f.template operator()<kTileRows>(r);
  if constexpr (kTileRows > 4) {
    for (; r + 4 <= last; r += 4) f.template operator()<4>(r);
  }
  for (; r + 2 <= last; r += 2) f.template operator()<2>(r);
  if (r < last) f.template operator()<1>(r);
}

template <int R, int V> FB_INLINE void set_zero(VecF (&sum)[R][V]) {
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 12
    for (int v = 0; v < V; ++v) sum[r][v] = zero();
  }
}

// out[r][lane] += Σ_t coefficient[r, t]·rows[t][lane] in memory: R rows of ld (a multiple of W) lanes, as those of `rows`. When `fresh`,
// out is not read: the sums start at 0.
template <int R>
FB_INLINE void add_products(bool fresh, float* out, const float* coefficient, int64_t row_stride, int64_t step_stride,
                            const float* rows, int64_t ld, int64_t count) {
  for_vectors_of_tile<R>(ld / W, [&]<int V>(int64_t vector) __attribute__((always_inline)) {
    const int64_t lane = vector * W;
    VecF sum[R][V];
    if (fresh) {
      set_zero(sum);
    } else {
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 12
        for (int v = 0; v < V; ++v) sum[r][v] = load(out + r * ld + lane + v * W);
      }
    }
    accumulate<R, V>(sum, coefficient, row_stride, step_stride, rows + lane, ld, W, count);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 12
      for (int v = 0; v < V; ++v) store(out + r * ld + lane + v * W, sum[r][v]);
    }
  });
}

// out[r] = Σ_t coefficient[r, t]·rows[t] · scale[r], R rows of `columns` floats at distance out_ld; rows[t] has ld ≥ columns floats, a
// multiple of W.
template <int R>
FB_INLINE void write_products(float* out, int64_t out_ld, int64_t columns, const float* coefficient, int64_t row_stride,
                              const float* rows, int64_t ld, int64_t count, const float* scale) {
  for_vectors_of_tile<R>(ld / W, [&]<int V>(int64_t vector) __attribute__((always_inline)) {
    VecF sum[R][V];
    set_zero(sum);
    accumulate<R, V>(sum, coefficient, row_stride, 1, rows + vector * W, ld, W, count);
    const Mask last = first(static_cast<int>(least(W, columns - (vector + V - 1) * W)));
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 12
      for (int v = 0; v < V; ++v) {
        float* const to = out + r * out_ld + (vector + v) * W;
        const VecF x = sum[r][v] * set1(scale[r]);
        if (v + 1 < V) store(to, x);
        else maskstore(to, x, last);
      }
    }
  });
}

// Rows of `columns` floats into rows of padded(columns), the rest 0. Returns whether all of them are finite.
FB_INLINE bool pack_rows(const float* in, int64_t in_ld, int64_t rows, int64_t columns, float* out) {
  const int64_t ld = padded(columns), whole = columns / W * W;
  const Mask tail = first(static_cast<int>(columns - whole));
  // x·0 is NaN where x is not finite; four sums, so that none waits for the row before.
  VecF spoilt[4] = {zero(), zero(), zero(), zero()};
  const auto some = [&]<int R>(int64_t row) __attribute__((always_inline)) {
    for (int64_t c = 0; c < whole; c += W) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const VecF x = load(in + (row + r) * in_ld + c);
        spoilt[r] = fma(x, zero(), spoilt[r]);
        store(out + (row + r) * ld + c, x);
      }
    }
    if (whole == columns) return;
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const VecF x = maskload(in + (row + r) * in_ld + whole, tail);
      spoilt[r] = fma(x, zero(), spoilt[r]);
      store(out + (row + r) * ld + whole, x);
    }
  };
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) some.template operator()<4>(row);
  for (; row < rows; ++row) some.template operator()<1>(row);
  return !any(is_nan((spoilt[0] + spoilt[1]) + (spoilt[2] + spoilt[3])));
}

// The reverse: the first `columns` of each padded row, times `factor[r]` when given.
FB_INLINE void unpack_rows(const float* in, int64_t rows, int64_t columns, float* out, int64_t out_ld,
                           const float* factor = nullptr) {
  const int64_t ld = padded(columns), whole = columns / W * W;
  const Mask tail = first(static_cast<int>(columns - whole));
  for (int64_t r = 0; r < rows; ++r) {
    const VecF scale = set1(factor ? factor[r] : 1.0f);
    for (int64_t c = 0; c < whole; c += W) store(out + r * out_ld + c, load(in + r * ld + c) * scale);
    if (whole < columns) maskstore(out + r * out_ld + whole, load(in + r * ld + whole) * scale, tail);
  }
}

// Rows as panels of W: panel p, element c·W + lane is column c of row p·W + lane; rows from `rows` on are 0.
FB_INLINE void pack_panels(const float* in, int64_t in_ld, int64_t rows, int64_t columns, float* out) {
  for (int64_t r = 0; r < rows; r += W) {
    transpose_panel(in + r * in_ld, in_ld, least(W, rows - r), columns, out + r * columns);
  }
}

// n floats in place, n a multiple of W. Returns whether all are finite: rounding may overflow.
FB_INLINE bool round_to_bf16(float* x, int64_t n) {
  VecF spoilt = zero();
  for (int64_t i = 0; i < n; i += W) {
    const VecF y = round_bf16(load(x + i));
    spoilt = fma(y, zero(), spoilt);
    store(x + i, y);
  }
  return !any(is_nan(spoilt));
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
