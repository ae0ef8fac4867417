// Vectorised LSTM gates; recurrent.h has the formulas. Compiled once for each instruction set.
#include "kernels/recurrent/recurrent.h"

#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const RecurrentKernels recurrent_kernels;

namespace {

void forward(const float* recurrent, float* gates, const float* c_before, float* c, float* h, int64_t rows, int64_t steps,
             int64_t hidden) {
  for (int64_t r = 0; r < rows; ++r) {
    float* z = gates + r * steps * 4 * hidden;
    const float* more = recurrent == nullptr ? nullptr : recurrent + r * 4 * hidden;
    const float* before = c_before == nullptr ? nullptr : c_before + r * steps * hidden;
    float *c_row = c + r * steps * hidden, *h_row = h + r * steps * hidden;
    for_vectors(hidden, [=](int64_t j, auto part) __attribute__((always_inline)) {
      const auto gate = [=](int64_t which) __attribute__((always_inline)) {
        const VecF x = load(z + which * hidden + j, part);
        return more == nullptr ? x : x + load(more + which * hidden + j, part);
      };
      const VecF i = sigmoid(gate(0)), f = sigmoid(gate(1)), g = tanh(gate(2)), o = sigmoid(gate(3));
      const VecF kept = before == nullptr ? zero() : f * load(before + j, part);
      const VecF cell = fma(i, g, kept);
      store(z + j, i, part);
      store(z + hidden + j, f, part);
      store(z + 2 * hidden + j, g, part);
      store(z + 3 * hidden + j, o, part);
      store(c_row + j, cell, part);
      store(h_row + j, o * tanh(cell), part);
    });
  }
}

void backward(const float* dh, const float* dh_later, float* dc_later, const float* gates, const float* c,
              const float* c_before, float* dz, int64_t rows, int64_t steps, int64_t hidden) {
  const VecF one = set1(1.0f);
  for (int64_t r = 0; r < rows; ++r) {
    const float *z = gates + r * steps * 4 * hidden, *c_row = c + r * steps * hidden, *dh_row = dh + r * steps * hidden;
    const float* before = c_before == nullptr ? nullptr : c_before + r * steps * hidden;
    const float* later = dh_later + r * hidden;
    float *carry = dc_later + r * hidden, *out = dz + r * steps * 4 * hidden;
    for_vectors(hidden, [=](int64_t j, auto part) __attribute__((always_inline)) {
      const VecF i = load(z + j, part), f = load(z + hidden + j, part), g = load(z + 2 * hidden + j, part);
      const VecF o = load(z + 3 * hidden + j, part), squashed = tanh(load(c_row + j, part));
      const VecF d = load(dh_row + j, part) + load(later + j, part);
      const VecF dc = fma(d * o, fnma(squashed, squashed, one), load(carry + j, part));
      store(out + j, dc * g * (i * (one - i)), part);
      store(out + hidden + j, before == nullptr ? zero() : dc * load(before + j, part) * (f * (one - f)), part);
      store(out + 2 * hidden + j, dc * i * fnma(g, g, one), part);
      store(out + 3 * hidden + j, d * squashed * (o * (one - o)), part);
      store(carry + j, dc * f, part);
    });
  }
}

}  // namespace

const RecurrentKernels recurrent_kernels = {forward, backward};

}  // namespace FB_ISA
}  // namespace flashbook
