// Dropout (Srivastava et al. 2014) with a counter-based generator, so that the mask is never stored: the gradient draws it again.
//
//   bits(e)  = 16 bits of element e, of Philox4x32-10: philox.h has the layout
//   y[e]     = bits(e) < threshold ? 0 : x[e]·scale
//   threshold = ⌊p·2¹⁶ + ½⌋, scale = float32(2¹⁶/(2¹⁶ − threshold)): the scale belongs to the share that is truly dropped, so
//              that the expectation of y is x. That share differs from p by at most 2⁻¹⁷.
//
// A threshold of 2¹⁶ (p = 1) drops everything; a dropped NaN is 0. `begin`, a multiple of 8, is the element that x[0] and y[0] stand
// for, so that any split gives the same bits. y may be x. The result is exact: the same bits on every instruction set.
//
// Fused, to the bits of the steps one after the other, in one pass over memory:
//   gelu_dropout        y = dropout(gelu(x))
//   gelu_dropout_with_slope   that y and slope = dropout(gelu'(x)), so that the gradient is dy·slope: nothing is drawn again
//   gelu_dropout_grad   dx = dropout(dy)·gelu'(x)
//   dropout_add         y = dropout(x) + residual
//
// A fused step costs the sum of its parts' arithmetic and one pass over memory.
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct DropoutDraw {
  uint32_t seed_low, seed_high, stream, step;
  uint32_t threshold;   // 0 … 2¹⁶
  float scale;
};

struct DropoutKernels {
  void (*dropout)(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw);
  void (*gelu_dropout)(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw);
  void (*gelu_dropout_with_slope)(const float* x, float* y, float* slope, int64_t begin, int64_t n, const DropoutDraw& draw);
  void (*gelu_dropout_grad)(const float* dy, const float* x, float* dx, int64_t begin, int64_t n, const DropoutDraw& draw);
  void (*dropout_add)(const float* x, const float* residual, float* y, int64_t begin, int64_t n, const DropoutDraw& draw);
};

const DropoutKernels& dropout_table(Isa isa);

}  // namespace flashbook
