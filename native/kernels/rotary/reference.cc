// Plain scalar rotary embedding: rotary.h has the formulas.
#include "kernels/rotary/rotary.h"

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

void turn(const float* x, const float* cos, const float* sin, float* y, int64_t heads, int64_t half, int64_t stride,
          int64_t apart) {
  for (int64_t head = 0; head < 2 * heads; ++head) {
    for (int64_t i = 0; i < half; ++i) {
      const int64_t first = head * 2 * half + i * stride, second = first + apart;
      const float a = x[first], b = x[second];
      y[first] = a * cos[i] - b * sin[i];
      y[second] = b * cos[i] + a * sin[i];
    }
  }
  for (int64_t i = 4 * heads * half; i < 6 * heads * half; ++i) y[i] = x[i];
}

void half(const float* x, const float* cos, const float* sin, float* y, int64_t heads, int64_t half) {
  turn(x, cos, sin, y, heads, half, 1, half);
}

void interleaved(const float* x, const float* cos, const float* sin, float* y, int64_t heads, int64_t half) {
  turn(x, cos, sin, y, heads, half, 2, 1);
}

const RotaryKernels reference = {half, interleaved};

}  // namespace

FLASHBOOK_KERNEL_TABLE(RotaryKernels, rotary)

}  // namespace flashbook
