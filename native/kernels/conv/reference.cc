// Plain scalar sliding windows: conv.h has the definitions.
#include "kernels/conv/conv.h"

#include <cmath>
#include <limits>

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

// f(tap, index of the first channel in x) for every tap of window `row`; −1 for one outside.
template <class F>
void taps(const Window& s, int64_t row, F f) {
  const int64_t w0 = row % s.out_width, h0 = row / s.out_width % s.out_height, b = row / (s.out_width * s.out_height);
  for (int64_t i = 0; i < s.kernel_h; ++i) {
    for (int64_t j = 0; j < s.kernel_w; ++j) {
      const int64_t h = h0 * s.stride_h + i * s.dilation_h - s.top, w = w0 * s.stride_w + j * s.dilation_w - s.left;
      const bool inside = h >= 0 && h < s.height && w >= 0 && w < s.width;
      f(i * s.kernel_w + j, inside ? ((b * s.height + h) * s.width + w) * s.channels : -1);
    }
  }
}

void unfold(const Window& s, const float* x, int64_t begin, int64_t end, float* rows) {
  for (int64_t row = begin; row < end; ++row, rows += s.patch()) {
    taps(s, row, [&](int64_t tap, int64_t from) {
      for (int64_t c = 0; c < s.channels; ++c) rows[tap * s.channels + c] = from < 0 ? 0.0f : x[from + c];
    });
  }
}

void fold(const Window& s, const float* rows, int64_t begin, int64_t end, float* dx) {
  for (int64_t row = begin; row < end; ++row, rows += s.patch()) {
    taps(s, row, [&](int64_t tap, int64_t from) {
      for (int64_t c = 0; from >= 0 && c < s.channels; ++c) dx[from + c] += rows[tap * s.channels + c];
    });
  }
}

void max_pool(const Window& s, const float* x, int64_t begin, int64_t end, float* y) {
  for (int64_t row = begin; row < end; ++row, y += s.channels) {
    for (int64_t c = 0; c < s.channels; ++c) y[c] = -std::numeric_limits<float>::infinity();
    taps(s, row, [&](int64_t, int64_t from) {
      for (int64_t c = 0; from >= 0 && c < s.channels; ++c) {
        if (x[from + c] > y[c] || std::isnan(x[from + c])) y[c] = x[from + c];
      }
    });
  }
}

void max_pool_grad(const Window& s, const float* dy, const float* x, int64_t begin, int64_t end, float* dx) {
  for (int64_t row = begin; row < end; ++row, dy += s.channels) {
    for (int64_t c = 0; c < s.channels; ++c) {
      int64_t best = -1;
      taps(s, row, [&](int64_t, int64_t from) {
        if (from < 0) return;
        const float value = x[from + c];
        if (best < 0 || value > x[best] || (std::isnan(value) && !std::isnan(x[best]))) best = from + c;
      });
      if (best >= 0) dx[best] += dy[c];
    }
  }
}

const ConvKernels reference = {unfold, fold, max_pool, max_pool_grad};

}  // namespace

FLASHBOOK_KERNEL_TABLE(ConvKernels, conv)

}  // namespace flashbook
