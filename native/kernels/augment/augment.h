// What the augmentations of training windows spend their time on: normal noise, and smooth curves to multiply with.
//
// add_normals      x[e] += σ·n(e), n standard normal by Box and Muller (1958) from a counter-based generator:
//   w0 w1 w2 w3  = the words of block e div 4 of Philox4x32-10 (kernels/dropout/philox.h), counter (block, 0, stream, step)
//   radius i     = √(−2 ln((⌊w[2i]/2⁸⌋ + 1)·2⁻²⁴)), angle i = 2π·⌊w[2i + 1]/2⁸⌋·2⁻²⁴ with w as a signed integer
//   n(4·block + j) = r0 cos a0, r1 cos a1, r0 sin a0, r1 sin a1
//   So |n| ≤ √(48 ln 2) = 5.77, and any element can be made alone. Error against float64 ≤ 4e-6, from the sine and cosine near their zeros.
//
// spline_bends     the second derivatives m (knots, columns) of natural cubic splines through y (knots, columns), one a column, the
//                  knots at distance 1: m[i−1] + 4 m[i] + m[i+1] = 6 (y[i−1] − 2 y[i] + y[i+1]), zero at the ends (de Boor 1978,
//                  "A Practical Guide to Splines", chapter IV). One sweep down, one up, all columns at once;
//                  the workspace holds a number a knot.
// multiply_splines x (rows, columns) *= those splines at rows evenly spaced over all knots: at b behind knot i, a = 1 − b,
//                  a·y[i] + b·y[i+1] + (a³ − a)/6·m[i] + (b³ − b)/6·m[i+1]
//
// The same bits on AVX2 and AVX-512.
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct NormalDraw { uint32_t seed_low, seed_high, stream, step; };

struct AugmentKernels {
  void (*add_normals)(float* x, int64_t n, float deviation, const NormalDraw& draw);
  void (*spline_bends)(const float* y, float* m, float* workspace, int64_t knots, int64_t columns);
  void (*multiply_splines)(float* x, int64_t rows, int64_t columns, const float* y, const float* m, int64_t knots);
};

const AugmentKernels& augment_table(Isa isa);

// Where row `row` of `rows` lies between knots, and what the four values there weigh.
struct SplinePlace { int64_t left, right; float a, b, bend_a, bend_b; };

inline SplinePlace spline_place(int64_t row, int64_t rows, int64_t knots) {
  const int64_t last = knots - 1;
  const double at = rows == 1 ? static_cast<double>(last) : static_cast<double>(row * last) / static_cast<double>(rows - 1);
  int64_t left = static_cast<int64_t>(at);
  if (left > last - 1) left = last - 1;
  const double b = at - static_cast<double>(left), a = 1 - b;
  return {left, left + 1, static_cast<float>(a), static_cast<float>(b), static_cast<float>((a * a * a - a) / 6),
          static_cast<float>((b * b * b - b) / 6)};
}

}  // namespace flashbook
