// Vectorised rotary embedding; rotary.h has the formulas. Compiled once for each instruction set.
#include "kernels/rotary/rotary.h"

#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const RotaryKernels rotary_kernels;

namespace {

FB_INLINE void copy(const float* x, float* y, int64_t n) {
  if (x != y) for_vectors(n, [=](int64_t i, auto part) { store(y + i, load(x + i, part), part); });
}

void half(const float* x, const float* cos, const float* sin, float* y, int64_t heads, int64_t half) {
  for (int64_t head = 0; head < 2 * heads; ++head, x += 2 * half, y += 2 * half) {
    for_vectors(half, [=](int64_t i, auto part) {
      const VecF a = load(x + i, part), b = load(x + half + i, part), c = load(cos + i, part), s = load(sin + i, part);
      store(y + i, a * c - b * s, part);
      store(y + half + i, b * c + a * s, part);
    });
  }
  copy(x, y, 2 * heads * half);
}

void interleaved(const float* x, const float* cos, const float* sin, float* y, int64_t heads, int64_t half) {
  for (int64_t head = 0; head < 2 * heads; ++head, x += 2 * half, y += 2 * half) {
    for (int64_t i = 0; i < half; ++i) {
      const float a = x[2 * i], b = x[2 * i + 1], c = cos[i], s = sin[i];
      y[2 * i] = a * c - b * s;
      y[2 * i + 1] = b * c + a * s;
    }
  }
  copy(x, y, 2 * heads * half);
}

}  // namespace

const RotaryKernels rotary_kernels = {half, interleaved};

}  // namespace FB_ISA
}  // namespace flashbook
