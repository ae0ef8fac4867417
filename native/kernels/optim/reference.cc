// Plain scalar updates: optim.h has the formulas.
#include "kernels/optim/optim.h"

#include <cmath>

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

void adam(float* param, const float* grad, float* m, float* v, int64_t n, const AdamSettings& s) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = grad[i] * s.coefficient + s.l2 * param[i];
    const float p = param[i] - s.learning_rate * s.weight_decay * param[i];
    m[i] = s.beta1 * m[i] + (1.0f - s.beta1) * g;
    v[i] = s.beta2 * v[i] + (1.0f - s.beta2) * (g * g);
    param[i] = p - s.learning_rate * (m[i] / s.correction1) / (std::sqrt(v[i] / s.correction2) + s.eps);
  }
}

void sgd(float* param, const float* grad, float* buffer, int64_t n, const SgdSettings& s) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = grad[i] * s.coefficient + s.l2 * param[i];
    buffer[i] = s.momentum * buffer[i] + g;
    param[i] -= s.learning_rate * (s.nesterov ? g + s.momentum * buffer[i] : buffer[i]);
  }
}

float lamb_update(float p, float m, float v, const AdamSettings& s) {
  return (m / s.correction1) / (std::sqrt(v / s.correction2) + s.eps) + s.weight_decay * p;
}

LambSums lamb_moments(const float* param, const float* grad, float* m, float* v, int64_t n, const AdamSettings& s) {
  LambSums sums = {0, 0};
  for (int64_t i = 0; i < n; ++i) {
    const float g = grad[i] * s.coefficient;
    m[i] = s.beta1 * m[i] + (1.0f - s.beta1) * g;
    v[i] = s.beta2 * v[i] + (1.0f - s.beta2) * (g * g);
    const double p = param[i], r = lamb_update(param[i], m[i], v[i], s);
    sums.parameter += p * p;
    sums.update += r * r;
  }
  return sums;
}

void lamb_apply(float* param, const float* m, const float* v, int64_t n, const AdamSettings& s, float rate) {
  for (int64_t i = 0; i < n; ++i) param[i] -= rate * lamb_update(param[i], m[i], v[i], s);
}

void blend(float* to, const float* from, int64_t n, float a, float b) {
  for (int64_t i = 0; i < n; ++i) to[i] = a == 0.0f ? b * from[i] : a * to[i] + b * from[i];
}

float scaling(float p, bool adaptive, float eta) { return adaptive ? std::fabs(p) + eta : 1.0f; }

double ascent_squares(const float* param, const float* grad, int64_t n, bool adaptive, float eta) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double g = scaling(param[i], adaptive, eta) * grad[i];
    sum += g * g;
  }
  return sum;
}

void ascend(float* param, const float* grad, int64_t n, bool adaptive, float eta, float scale) {
  for (int64_t i = 0; i < n; ++i) {
    const float t = scaling(param[i], adaptive, eta);
    param[i] += scale * (t * t * grad[i]);
  }
}

void centre(float* grad, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, grad += columns) {
    double sum = 0;
    for (int64_t c = 0; c < columns; ++c) sum += grad[c];
    const float mean = static_cast<float>(sum / static_cast<double>(columns));
    for (int64_t c = 0; c < columns; ++c) grad[c] -= mean;
  }
}

void clamp(float* grad, int64_t n, float limit) {
  for (int64_t i = 0; i < n; ++i) grad[i] = grad[i] > limit ? limit : grad[i] < -limit ? -limit : grad[i];
}

const OptimKernels reference = {adam, sgd, lamb_moments, lamb_apply, blend, ascent_squares, ascend, centre, clamp};

}  // namespace

FLASHBOOK_KERNEL_TABLE(OptimKernels, optim)

}  // namespace flashbook
