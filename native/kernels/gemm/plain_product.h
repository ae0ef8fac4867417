// The plain product: what gemm.h states, one loop an index. `operand` is what becomes of an element of A or B.
#pragma once

#include <cmath>

#include "kernels/gemm/gemm.h"

namespace flashbook {
namespace {

float activate(gemm::Activation activation, float x) {
  switch (activation) {
    case gemm::Activation::relu: return x > 0.0f || x != x ? x : 0.0f;
    case gemm::Activation::gelu: return static_cast<float>(x * 0.5 * std::erfc(-x * 0.70710678118654752440));
    default: return x;
  }
}

template <class Operand>
void plain_product(const gemm::Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, Operand operand) {
  for (int64_t i = m0; i < m1; i++) {
    for (int64_t j = n0; j < n1; j++) {
      float sum = 0.0f;
      for (int64_t k = 0; k < p.k; k++) {
        sum += operand(p.a[i * p.a_row + k * p.a_col]) * operand(p.b[k * p.b_row + j * p.b_col]);
      }
      if (p.bias != nullptr) sum += p.bias[j];
      sum = activate(p.activation, sum);
      if (p.factor != nullptr) sum *= p.factor[i * p.n + j];
      if (p.residual != nullptr) sum += p.residual[i * p.n + j];
      p.c[i * p.n + j] = sum;
    }
  }
}

// Such tables read B in place and need no scratch.
int64_t no_packed_bytes(int64_t, int64_t) { return 0; }
void pack_nothing(const gemm::Problem&, int64_t, int64_t, void*) {}
int64_t no_scratch(const gemm::Problem&, int64_t) { return 0; }

}  // namespace
}  // namespace flashbook
