// Vectorised AdamW; optim.h has the formulas. Compiled once for each instruction set.
#include "kernels/optim/optim.h"

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {

extern const OptimKernels optim_kernels;

namespace {

constexpr int W = VecF::width;

void adamw(float* param, const float* grad, float* m, float* v, int64_t n, const AdamwSettings& s) {
  const VecF coefficient = set1(s.coefficient), decay = set1(s.learning_rate * s.weight_decay);
  const VecF beta1 = set1(s.beta1), rest1 = set1(1.0f - s.beta1);
  const VecF beta2 = set1(s.beta2), rest2 = set1(1.0f - s.beta2);
  const VecF rate = set1(s.learning_rate / s.correction1), inverse2 = set1(1.0f / s.correction2), eps = set1(s.eps);
  for (int64_t i = 0; i < n; i += W) {
    const Mask k = first(n - i < W ? static_cast<int>(n - i) : W);
    const VecF g = maskload(grad + i, k) * coefficient;
    const VecF p0 = maskload(param + i, k);
    const VecF p = fnma(decay, p0, p0);
    const VecF m1 = fma(beta1, maskload(m + i, k), rest1 * g);
    const VecF v1 = fma(beta2, maskload(v + i, k), rest2 * (g * g));
    maskstore(m + i, m1, k);
    maskstore(v + i, v1, k);
    maskstore(param + i, p - (rate * m1) / (sqrt(v1 * inverse2) + eps), k);
  }
}

}  // namespace

const OptimKernels optim_kernels = {adamw};

}  // namespace FB_ISA
}  // namespace flashbook
