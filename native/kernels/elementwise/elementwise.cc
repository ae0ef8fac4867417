// Vectorised elementwise kernels; elementwise.h has the formulas. Compiled once for each instruction set.
#include "kernels/elementwise/elementwise.h"

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {

extern const ElementwiseKernels elementwise_kernels;

namespace {

constexpr int W = VecF::width;

template <class F> FB_INLINE void map(const float* a, float* y, int64_t n, F f) {
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    const VecF r0 = f(load(a + i)), r1 = f(load(a + i + W));
    store(y + i, r0);
    store(y + i + W, r1);
  }
  for (; i < n; i += W) {
    const Mask m = first(n - i < W ? static_cast<int>(n - i) : W);
    maskstore(y + i, f(maskload(a + i, m)), m);
  }
}

template <class F> FB_INLINE void map(const float* a, const float* b, float* y, int64_t n, F f) {
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    const VecF r0 = f(load(a + i), load(b + i)), r1 = f(load(a + i + W), load(b + i + W));
    store(y + i, r0);
    store(y + i + W, r1);
  }
  for (; i < n; i += W) {
    const Mask m = first(n - i < W ? static_cast<int>(n - i) : W);
    maskstore(y + i, f(maskload(a + i, m), maskload(b + i, m)), m);
  }
}

// A row of `period` values seen as one that repeats at least `kTile` elements: itself when it is long, else copies of it
// written one after the other.
constexpr int64_t kTile = 256;

struct Repeated {
  float buffer[2 * kTile];
  const float* row;
  int64_t length;

  Repeated(const float* values, int64_t period, int64_t n) : row(values), length(period) {
    if (period >= kTile || period >= n) return;
    length = (kTile + period - 1) / period * period;
    for (int64_t i = 0, j = 0; i < length; ++i) {
      buffer[i] = values[j];
      j = j + 1 == period ? 0 : j + 1;
    }
    row = buffer;
  }
};

template <class F>
FB_INLINE void map_repeated(const float* a, const float* b, float* y, int64_t n, int64_t period, F f) {
  const Repeated r(b, period, n);
  for (int64_t i = 0; i < n; i += r.length) map(a + i, r.row, y + i, n - i < r.length ? n - i : r.length, f);
}

void relu(const float* x, float* y, int64_t n) {
  map(x, y, n, [](VecF v) { return relu(v); });
}

void relu_grad(const float* dy, const float* y, float* dx, int64_t n) {
  map(dy, y, dx, n, [](VecF g, VecF v) { return select(gt(v, zero()), g, zero()); });
}

void gelu(const float* x, float* y, int64_t n) {
  map(x, y, n, [](VecF v) { return gelu(v); });
}

void gelu_grad(const float* dy, const float* x, float* dx, int64_t n) {
  map(dy, x, dx, n, [](VecF g, VecF v) { return g * gelu_slope(v); });
}

void add(const float* a, const float* b, float* y, int64_t n, int64_t period) {
  map_repeated(a, b, y, n, period, [](VecF u, VecF v) { return u + v; });
}

void mul(const float* a, const float* b, float* y, int64_t n, int64_t period) {
  map_repeated(a, b, y, n, period, [](VecF u, VecF v) { return u * v; });
}

void scale(const float* x, float factor, float* y, int64_t n) {
  const VecF c = set1(factor);
  map(x, y, n, [c](VecF v) { return v * c; });
}

void standardize(const float* x, const float* mean, const float* inverse_std, float clip, float* y, int64_t n,
                  int64_t period) {
  const Repeated means(mean, period, n), scales(inverse_std, period, n);
  const VecF low = set1(-clip), high = set1(clip);
  for (int64_t start = 0; start < n; start += means.length) {
    const int64_t length = n - start < means.length ? n - start : means.length;
    for (int64_t i = 0; i < length; i += W) {
      const Mask m = first(length - i < W ? static_cast<int>(length - i) : W);
      const VecF z = (maskload(x + start + i, m) - maskload(means.row + i, m)) * maskload(scales.row + i, m);
      maskstore(y + start + i, max(low, min(high, z)), m);   // this order keeps a NaN of z
    }
  }
}

}  // namespace

const ElementwiseKernels elementwise_kernels = {relu, relu_grad, gelu, gelu_grad, add, mul, scale, standardize};

}  // namespace FB_ISA
}  // namespace flashbook
