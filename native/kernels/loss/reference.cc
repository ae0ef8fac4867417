// Plain scalar softmax and cross-entropy: loss.h has the formulas.
#include "kernels/loss/loss.h"

#include <cmath>
#include <limits>

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

float row_max(const float* x, int64_t columns) {
  float top = -std::numeric_limits<float>::infinity();
  for (int64_t c = 0; c < columns; ++c) top = x[c] > top ? x[c] : top;
  return top;
}

// Returns Σ exp(x − top).
double softmax_row(const float* x, float* y, float top, int64_t columns) {
  double sum = 0;
  for (int64_t c = 0; c < columns; ++c) sum += std::exp(static_cast<double>(x[c]) - top);
  for (int64_t c = 0; c < columns; ++c) y[c] = static_cast<float>(std::exp(static_cast<double>(x[c]) - top) / sum);
  return sum;
}

void softmax(const float* x, float* y, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, x += columns, y += columns) softmax_row(x, y, row_max(x, columns), columns);
}

void cross_entropy(const float* logits, const int32_t* target, float smoothing, float* losses, float* probs, int64_t rows,
                   int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, logits += columns, probs += columns) {
    const float top = row_max(logits, columns);
    const double sum = softmax_row(logits, probs, top, columns);
    const int32_t t = target[r];
    if (t == -1) {
      losses[r] = 0.0f;
    } else if (t < 0 || t >= columns) {
      losses[r] = kNaN;
    } else {
      double spread = 0;
      for (int64_t c = 0; c < columns && smoothing != 0.0f; ++c) spread += static_cast<double>(logits[c]) - top;
      double loss = std::log(sum) - (1.0 - smoothing) * (static_cast<double>(logits[t]) - top);
      if (smoothing != 0.0f) loss -= smoothing * spread / static_cast<double>(columns);
      losses[r] = static_cast<float>(loss);
    }
  }
}

void cross_entropy_grad(float factor, const float* probs, const int32_t* target, float smoothing, float* dlogits, int64_t rows,
                        int64_t columns) {
  const float off = smoothing / static_cast<float>(columns);
  for (int64_t r = 0; r < rows; ++r, probs += columns, dlogits += columns) {
    const int32_t t = target[r];
    for (int64_t c = 0; c < columns; ++c) {
      const float q = c == t ? 1.0f - smoothing + off : off;
      dlogits[c] = t == -1 ? 0.0f : t < 0 || t >= columns ? kNaN : factor * (probs[c] - q);
    }
  }
}

const LossKernels reference = {softmax, cross_entropy, cross_entropy_grad};

}  // namespace

FLASHBOOK_KERNEL_TABLE(LossKernels, loss)

}  // namespace flashbook
