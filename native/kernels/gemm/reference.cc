// The plain product: what gemm.h states, one loop an index.
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/gemm/gemm.h"

namespace flashbook {
namespace {

using gemm::Activation;
using gemm::Problem;

float activate(Activation activation, float x) {
  switch (activation) {
    case Activation::relu: return x > 0.0f || x != x ? x : 0.0f;
    case Activation::gelu: return static_cast<float>(x * 0.5 * std::erfc(-x * 0.70710678118654752440));
    default: return x;
  }
}

void block(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void*) {
  for (int64_t i = m0; i < m1; i++) {
    for (int64_t j = n0; j < n1; j++) {
      float sum = 0.0f;
      for (int64_t k = 0; k < p.k; k++) sum += p.a[i * p.a_row + k * p.a_col] * p.b[k * p.b_row + j * p.b_col];
      if (p.bias != nullptr) sum += p.bias[j];
      sum = activate(p.activation, sum);
      if (p.residual != nullptr) sum += p.residual[i * p.n + j];
      p.c[i * p.n + j] = sum;
    }
  }
}

int64_t packed_b_floats(int64_t, int64_t) { return 0; }
void pack_b(const Problem&, int64_t, int64_t, float*) {}
int64_t scratch_bytes(const Problem&, int64_t) { return 0; }

const GemmKernels reference = {"gemm.f32.plain", 1, 1, INT64_MAX, packed_b_floats, pack_b, scratch_bytes, block};

}  // namespace

FLASHBOOK_KERNEL_TABLE(GemmKernels, gemm)

}  // namespace flashbook
