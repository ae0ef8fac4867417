// Plain scalar dropout: dropout.h has the formulas.
#include "kernels/dropout/dropout.h"

#include <algorithm>
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/dropout/philox_block.h"

namespace flashbook {
namespace {

// y[i] = f(i, whether i stays).
template <class F> void map_drawn(float* y, int64_t begin, int64_t n, const DropoutDraw& draw, F f) {
  for (int64_t i = 0; i < n; i += 8) {
    uint32_t words[4];
    philox_block(words, static_cast<uint64_t>(begin + i) / 8, draw);
    for (int64_t j = 0; j < std::min<int64_t>(8, n - i); ++j) {
      y[i + j] = f(i + j, stays(words, j, draw));
    }
  }
}

void dropout(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw) {
  map_drawn(y, begin, n, draw, [&](int64_t i, bool stays) { return stays ? x[i] * draw.scale : 0.0f; });
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x * 0.70710678118654752440); }
double gelu_slope(double x) { return normal_cdf(x) + x * (0.3989422804014327 * std::exp(-0.5 * x * x)); }

void gelu_dropout(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw) {
  map_drawn(y, begin, n, draw, [&](int64_t i, bool stays) {
    return stays ? static_cast<float>(x[i] * normal_cdf(x[i])) * draw.scale : 0.0f;
  });
}

void gelu_dropout_with_slope(const float* x, float* y, float* slope, int64_t begin, int64_t n, const DropoutDraw& draw) {
  map_drawn(y, begin, n, draw, [&](int64_t i, bool stays) {
    const double value = x[i];
    slope[i] = stays ? static_cast<float>(gelu_slope(value)) * draw.scale : 0.0f;
    return stays ? static_cast<float>(value * normal_cdf(value)) * draw.scale : 0.0f;
  });
}

void gelu_dropout_grad(const float* dy, const float* x, float* dx, int64_t begin, int64_t n, const DropoutDraw& draw) {
  map_drawn(dx, begin, n, draw, [&](int64_t i, bool stays) {
    const float g = stays ? dy[i] * draw.scale : 0.0f;
    return static_cast<float>(g * gelu_slope(x[i]));
  });
}

void dropout_add(const float* x, const float* residual, float* y, int64_t begin, int64_t n, const DropoutDraw& draw) {
  map_drawn(y, begin, n, draw, [&](int64_t i, bool stays) { return (stays ? x[i] * draw.scale : 0.0f) + residual[i]; });
}

const DropoutKernels reference = {dropout, gelu_dropout, gelu_dropout_with_slope, gelu_dropout_grad, dropout_add};

}  // namespace

FLASHBOOK_KERNEL_TABLE(DropoutKernels, dropout)

}  // namespace flashbook
