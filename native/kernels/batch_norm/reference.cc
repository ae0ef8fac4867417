// Plain scalar batch normalisation: batch_norm.h has the formulas.
#include "kernels/batch_norm/batch_norm.h"

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

void deviations(const float* x, const float* mean, float* out, int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) {
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const double d = static_cast<double>(x[r * columns + c]) - mean[c];
      sum += d * d;
    }
    out[c] = static_cast<float>(sum);
  }
}

void normalise(const float* x, const float* mean, const float* factor, const float* shift, float* y, int64_t rows,
               int64_t columns) {
  for (int64_t i = 0; i < rows * columns; ++i) {
    const int64_t c = i % columns;
    y[i] = (x[i] - mean[c]) * factor[c] + shift[c];
  }
}

void sums(const float* dy, const float* x, const float* mean, const float* rstd, float* dgamma, float* dbeta, int64_t rows,
          int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) {
    double sum = 0, product = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const double d = dy[r * columns + c];
      sum += d;
      product += d * (static_cast<double>(x[r * columns + c]) - mean[c]);
    }
    dbeta[c] = static_cast<float>(sum);
    dgamma[c] = static_cast<float>(product * rstd[c]);
  }
}

void gradient(const float* dy, const float* x, const float* mean, const float* factor, const float* a, const float* b,
              float* dx, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows * columns; ++i) {
    const int64_t c = i % columns;
    dx[i] = factor[c] * (dy[i] - a[c] - (x[i] - mean[c]) * b[c]);
  }
}

const BatchNormKernels reference = {deviations, normalise, sums, gradient};

}  // namespace

FLASHBOOK_KERNEL_TABLE(BatchNormKernels, batch_norm)

}  // namespace flashbook
