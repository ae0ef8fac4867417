// Rotary position embedding (Su et al. 2021, arXiv:2104.09864, eq. 34) of packed rows [q | k | v] of 3·D columns.
//
//   pair (a, b) → (a·cos − b·sin, b·cos + a·sin) for every pair of every head of q and k; v is copied.
//   layout half: the pair is (i, i + headDim/2); interleaved: (2i, 2i + 1).
//
// cos and sin hold the angles of one step, headDim/2 each, shared by all heads; the caller makes the sines negative for the
// inverse, which is the gradient. Products and sums are rounded one by one: the same bits on every instruction set. y may be x.
//
// Fast path: half is whole vectors; interleaved is left to the compiler, which loads pairs and permutes. Bound by memory.
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct RotaryKernels {
  // One step of one sequence: 3·heads·2·half values.
  void (*half)(const float* x, const float* cos, const float* sin, float* y, int64_t heads, int64_t half);
  void (*interleaved)(const float* x, const float* cos, const float* sin, float* y, int64_t heads, int64_t half);
};

const RotaryKernels& rotary_table(Isa isa);

}  // namespace flashbook
