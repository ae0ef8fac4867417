// Vectorised elementwise kernels; elementwise.h has the formulas. Compiled once for each instruction set.
#include "kernels/elementwise/elementwise.h"

#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const ElementwiseKernels elementwise_kernels;

namespace {

template <class F> FB_INLINE void map(const float* a, float* y, int64_t n, F f) {
  for_vectors(n, [=](int64_t i, auto part) { store(y + i, f(load(a + i, part)), part); });
}

template <class F> FB_INLINE void map(const float* a, const float* b, float* y, int64_t n, F f) {
  for_vectors(n, [=](int64_t i, auto part) { store(y + i, f(load(a + i, part), load(b + i, part)), part); });
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

void gelu_with_slope(const float* x, float* y, float* slope, int64_t n) {
  for_vectors(n, [=](int64_t i, auto part) {
    const Gelu g = gelu_with_slope(load(x + i, part));
    store(y + i, g.y, part);
    store(slope + i, g.slope, part);
  });
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
    const float *in = x + start, *center = means.row, *inverse = scales.row;
    float* out = y + start;
    for_vectors(length, [=](int64_t i, auto part) {
      const VecF z = (load(in + i, part) - load(center + i, part)) * load(inverse + i, part);
      store(out + i, max(low, min(high, z)), part);   // this order keeps a NaN of z
    });
  }
}

void leaky_relu(const float* x, float slope, float* y, int64_t n) {
  const VecF s = set1(slope);
  map(x, y, n, [s](VecF v) { return select(gt(v, zero()), v, s * v); });
}

void leaky_relu_grad(const float* dy, const float* y, float slope, float* dx, int64_t n) {
  const VecF s = set1(slope);
  map(dy, y, dx, n, [s](VecF g, VecF v) { return select(gt(v, zero()), g, s * g); });
}

void tanh(const float* x, float* y, int64_t n) {
  map(x, y, n, [](VecF v) { return tanh(v); });
}

void tanh_grad(const float* dy, const float* y, float* dx, int64_t n) {
  map(dy, y, dx, n, [](VecF g, VecF v) { return g * fnma(v, v, set1(1.0f)); });
}

void sigmoid(const float* x, float* y, int64_t n) {
  map(x, y, n, [](VecF v) { return sigmoid(v); });
}

void sigmoid_grad(const float* dy, const float* y, float* dx, int64_t n) {
  map(dy, y, dx, n, [](VecF g, VecF v) { return g * (v * (set1(1.0f) - v)); });
}

void exp(const float* x, float* y, int64_t n) {
  map(x, y, n, [](VecF v) { return exp(v); });
}

}  // namespace

const ElementwiseKernels elementwise_kernels = {relu,       relu_grad, gelu,      gelu_grad, gelu_with_slope,       add,
                                                mul,        scale,     standardize, leaky_relu,    leaky_relu_grad,
                                                tanh,       tanh_grad, sigmoid,   sigmoid_grad,    exp};

}  // namespace FB_ISA
}  // namespace flashbook
