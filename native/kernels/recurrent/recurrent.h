// The elementwise part of an LSTM step (Hochreiter & Schmidhuber 1997; gates i, f, g, o side by side, as PyTorch's nn.LSTM), float32.
// A sample's row has `hidden` columns, four times that for gates; rows are `stride` steps apart in memory, as in (B, T, ·).
//
//   forward    z = gates (the projected input) + recurrent (h of the step before times the weights)
//              i, f, o = σ(z), g = tanh(z) → gates;  c = f·c_before + i·g;  h = o·tanh(c).  c_before may be null: 0.
//   backward   dh = dh_given + dh_later;  dc = dc_later + dh·o·(1 − tanh²(c))
//              dz = dc·g·i(1−i), dc·c_before·f(1−f), dc·i·(1−g²), dh·tanh(c)·o(1−o);  dc_later = dc·f for the step before.
//
// tanh ≤ 2 ulp, σ ≤ 3 ulp. Fast path: one pass over the five rows of a sample, everything else in registers. The matrix products
// around it are those of gemm.h (engine/steps/lstm.cc).
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct RecurrentKernels {
  // gates += recurrent [rows × 4·hidden, dense] before the functions; recurrent may be null: 0.
  void (*forward)(const float* recurrent, float* gates, const float* c_before, float* c, float* h, int64_t rows,
                  int64_t steps, int64_t hidden);
  // dh_later and dc_later are dense [rows × hidden]; dz is strided as gates are.
  void (*backward)(const float* dh, const float* dh_later, float* dc_later, const float* gates, const float* c,
                   const float* c_before, float* dz, int64_t rows, int64_t steps, int64_t hidden);
};

const RecurrentKernels& recurrent_table(Isa isa);

}  // namespace flashbook
