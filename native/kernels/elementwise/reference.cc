// Plain scalar elementwise kernels: the formulas of elementwise.h, one element at a time.
#include "kernels/elementwise/elementwise.h"

#include <cmath>

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

void relu(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

void relu_grad(const float* dy, const float* y, float* dx, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}

// Φ(x) = erfc(−x/√2)/2, which keeps its digits where 1 + erf(x/√2) cancels.
double normal_cdf(double x) { return 0.5 * std::erfc(-x * M_SQRT1_2); }
double normal_density(double x) { return 0.3989422804014327 * std::exp(-0.5 * x * x); }

void gelu(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(x[i] * normal_cdf(x[i]));
}

void gelu_grad(const float* dy, const float* x, float* dx, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    dx[i] = static_cast<float>(dy[i] * (normal_cdf(x[i]) + x[i] * normal_density(x[i])));
  }
}

void gelu_with_slope(const float* x, float* y, float* slope, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const double value = x[i], cdf = normal_cdf(value);
    y[i] = static_cast<float>(value * cdf);
    slope[i] = static_cast<float>(cdf + value * normal_density(value));
  }
}

void add(const float* a, const float* b, float* y, int64_t n, int64_t period) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i % period];
}

void mul(const float* a, const float* b, float* y, int64_t n, int64_t period) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] * b[i % period];
}

void scale(const float* x, float factor, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor;
}

void standardize(const float* x, const float* mean, const float* inverse_std, float clip, float* y, int64_t n,
                 int64_t period) {
  for (int64_t i = 0; i < n; ++i) {
    const float z = (x[i] - mean[i % period]) * inverse_std[i % period];
    y[i] = z < -clip ? -clip : z > clip ? clip : z;
  }
}

void leaky_relu(const float* x, float slope, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] > 0.0f ? x[i] : slope * x[i];
}

void leaky_relu_grad(const float* dy, const float* y, float slope, float* dx, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = y[i] > 0.0f ? dy[i] : slope * dy[i];
}

void tanh(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(std::tanh(static_cast<double>(x[i])));
}

void tanh_grad(const float* dy, const float* y, float* dx, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = static_cast<float>(dy[i] * (1.0 - static_cast<double>(y[i]) * y[i]));
}

void sigmoid(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(x[i]))));
}

void sigmoid_grad(const float* dy, const float* y, float* dx, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * (y[i] * (1.0f - y[i]));
}

void exp(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(std::exp(static_cast<double>(x[i])));
}

const ElementwiseKernels reference = {
    relu, relu_grad,   gelu,       gelu_grad,       gelu_with_slope, add,     mul,
    scale, standardize, leaky_relu, leaky_relu_grad, tanh,            tanh_grad, sigmoid, sigmoid_grad, exp};

}  // namespace

FLASHBOOK_KERNEL_TABLE(ElementwiseKernels, elementwise)

}  // namespace flashbook
