// Vectorised AdamW; optim.h has the formulas. Compiled once for each instruction set.
#include "kernels/optim/optim.h"

#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const OptimKernels optim_kernels;

namespace {

void adamw(float* param, const float* grad, float* m, float* v, int64_t n, const AdamwSettings& s) {
  const VecF coefficient = set1(s.coefficient), decay = set1(s.learning_rate * s.weight_decay);
  const VecF beta1 = set1(s.beta1), rest1 = set1(1.0f - s.beta1);
  const VecF beta2 = set1(s.beta2), rest2 = set1(1.0f - s.beta2);
  const VecF rate = set1(s.learning_rate / s.correction1), inverse2 = set1(1.0f / s.correction2), eps = set1(s.eps);
  for_vectors(n, [=](int64_t i, auto part) {
    const VecF g = load(grad + i, part) * coefficient;
    const VecF before = load(param + i, part);
    const VecF decayed = fnma(decay, before, before);
    const VecF m1 = fma(beta1, load(m + i, part), rest1 * g);
    const VecF v1 = fma(beta2, load(v + i, part), rest2 * (g * g));
    store(m + i, m1, part);
    store(v + i, v1, part);
    store(param + i, decayed - (rate * m1) / (sqrt(v1 * inverse2) + eps), part);
  });
}

}  // namespace

const OptimKernels optim_kernels = {adamw};

}  // namespace FB_ISA
}  // namespace flashbook
