// Plain scalar layer normalisation: norm.h has the formulas.
#include "kernels/norm/norm.h"

#include <cmath>

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

void forward(const float* x, const float* gamma, const float* beta, float eps, float* y, float* mean, float* rstd,
             int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, x += columns, y += columns) {
    double sum = 0, squares = 0;
    for (int64_t c = 0; c < columns; ++c) sum += x[c];
    const float mu = static_cast<float>(sum / static_cast<double>(columns));
    for (int64_t c = 0; c < columns; ++c) {
      const double d = static_cast<double>(x[c]) - mu;
      squares += d * d;
    }
    const float scale = static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(columns) + eps));
    for (int64_t c = 0; c < columns; ++c) y[c] = (x[c] - mu) * scale * gamma[c] + beta[c];
    if (mean) mean[r] = mu;
    if (rstd) rstd[r] = scale;
  }
}

void backward(const float* dy, const float* x, const float* gamma, const float* mean, const float* rstd, const float* residual,
              float* dx, float* dgamma, float* dbeta, int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) dgamma[c] = dbeta[c] = 0.0f;
  for (int64_t r = 0; r < rows; ++r, dy += columns, x += columns, dx += columns) {
    double sum = 0, product = 0;
    for (int64_t c = 0; c < columns; ++c) {
      const double g = static_cast<double>(dy[c]) * gamma[c];
      sum += g;
      product += g * ((static_cast<double>(x[c]) - mean[r]) * rstd[r]);
    }
    const double a = sum / static_cast<double>(columns), b = product / static_cast<double>(columns);
    for (int64_t c = 0; c < columns; ++c) {
      const float normal = (x[c] - mean[r]) * rstd[r];
      const float d = dy[c];
      dgamma[c] += d * normal;
      dbeta[c] += d;
      const float value = static_cast<float>(rstd[r] * (static_cast<double>(d) * gamma[c] - a - normal * b));
      dx[c] = residual == nullptr ? value : value + residual[r * columns + c];
    }
  }
}

const NormKernels reference = {forward, backward};

}  // namespace

FLASHBOOK_KERNEL_TABLE(NormKernels, norm)

}  // namespace flashbook
