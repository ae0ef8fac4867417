// Dropout (Srivastava et al. 2014) with a counter-based generator, so that the mask is never stored: the gradient draws it again.
//
//   bits(e)  = word e mod 4 of Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") with key
//              (seed_low, seed_high) and counter (b mod 2³², b div 2³², stream, step), b = e div 4
//   y[e]     = bits(e) < threshold ? 0 : x[e]·scale       threshold = floor(p·2³²), scale = float32(1/(1−p))
//
// A threshold of 2³² (p = 1) drops everything; a dropped NaN is 0. `begin`, a multiple of 4, is the element that x[0] and y[0] stand
// for, so that any split gives the same bits. y may be x. The result is exact: the same bits on every instruction set.
//
// Fused, to the bits of the steps one after the other, in one pass over memory:
//   gelu_dropout        y = dropout(gelu(x))
//   gelu_dropout_grad   dx = dropout(dy)·gelu'(x)
//   dropout_add         y = dropout(x) + residual
//
// Fast path: 64-bit lanes hold one 32-bit word each, so that one multiplication gives both halves of the product and nothing
// is shuffled between rounds; counters are dealt to lanes in the order in which two interleaves put the words into memory order.
// Measured (Zen 4, one core, AVX-512, FMA peak 109 GFLOP/s): 0.46 ns an element (AVX2: 0.8), bound by the generator; a fused
// step costs the sum of its parts' arithmetic and one pass over memory.
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct DropoutDraw {
  uint32_t seed_low, seed_high, stream, step;
  uint64_t threshold;
  float scale;
};

struct DropoutKernels {
  void (*dropout)(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw);
  void (*gelu_dropout)(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw);
  void (*gelu_dropout_grad)(const float* dy, const float* x, float* dx, int64_t begin, int64_t n, const DropoutDraw& draw);
  void (*dropout_add)(const float* x, const float* residual, float* y, int64_t begin, int64_t n, const DropoutDraw& draw);
};

const DropoutKernels& dropout_table(Isa isa);

}  // namespace flashbook
