// Plain scalar AdamW: optim.h has the formulas.
#include "kernels/optim/optim.h"

#include <cmath>

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

void adamw(float* param, const float* grad, float* m, float* v, int64_t n, const AdamwSettings& s) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = grad[i] * s.coefficient;
    const float p = param[i] - s.learning_rate * s.weight_decay * param[i];
    m[i] = s.beta1 * m[i] + (1.0f - s.beta1) * g;
    v[i] = s.beta2 * v[i] + (1.0f - s.beta2) * (g * g);
    param[i] = p - s.learning_rate * (m[i] / s.correction1) / (std::sqrt(v[i] / s.correction2) + s.eps);
  }
}

const OptimKernels reference = {adamw};

}  // namespace

FLASHBOOK_KERNEL_TABLE(OptimKernels, optim)

}  // namespace flashbook
