// Loops over arrays of any length: whole vectors, then the rest under a mask.
//
// A body takes (offset, part); part is Whole or a Mask, and load, store and keep below take either. So a body is written
// once, and whole vectors pay nothing for the tail: on AVX2 a masked store costs as much as a dozen plain ones.
#pragma once

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

struct Whole {};

FB_INLINE VecF load(const float* p, Whole) { return load(p); }
FB_INLINE VecF load(const float* p, Mask m) { return maskload(p, m); }
FB_INLINE void store(float* p, VecF x, Whole) { store(p, x); }
FB_INLINE void store(float* p, VecF x, Mask m) { maskstore(p, x, m); }

// x, and 0 in the lanes that do not count.
FB_INLINE VecF keep(VecF x, Whole) { return x; }
FB_INLINE VecF keep(VecF x, Mask m) { return select(m, x, zero()); }

// The rest of a range: left in 1 … width−1.
FB_INLINE Mask rest(int64_t left) { return first(static_cast<int>(left)); }

template <class F> FB_INLINE void for_vectors(int64_t n, F f) {
  constexpr int W = VecF::width;
  int64_t i = 0;
  for (; i + W <= n; i += W) f(i, Whole{});
  if (i < n) f(i, rest(n - i));
}

// The same with four whole vectors a turn and their number in the turn as a constant, for bodies that add into four accumulators:
// f(offset, part, accumulator).
template <class F> FB_INLINE void for_vectors_by_four(int64_t n, F f) {
  constexpr int W = VecF::width;
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    f(i, Whole{}, 0);
    f(i + W, Whole{}, 1);
    f(i + 2 * W, Whole{}, 2);
    f(i + 3 * W, Whole{}, 3);
  }
  for (; i + W <= n; i += W) f(i, Whole{}, 0);
  if (i < n) f(i, rest(n - i), 1);
}

// Σ term(offset, part); the accumulators join as (0+1)+(2+3), then the lanes.
template <class F> FB_INLINE float sum_vectors(int64_t n, F term) {
  VecF s[4] = {zero(), zero(), zero(), zero()};
  for_vectors_by_four(n, [&](int64_t i, auto part, int a) __attribute__((always_inline)) { s[a] = s[a] + term(i, part); });
  return reduce_add((s[0] + s[1]) + (s[2] + s[3]));
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
