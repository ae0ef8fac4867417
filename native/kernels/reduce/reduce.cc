// Vectorised reductions; reduce.h has the formulas. Compiled once for each instruction set.
#include "kernels/reduce/reduce.h"

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {

extern const ReduceKernels reduce_kernels;

namespace {

constexpr int W = VecF::width;

FB_INLINE Mask tail(int64_t left) { return first(left < W ? static_cast<int>(left) : W); }

void sum_rows(const float* x, float* out, int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) out[c] = 0.0f;
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const float* x0 = x + r * columns;
    const float *x1 = x0 + columns, *x2 = x1 + columns, *x3 = x2 + columns;
    int64_t c = 0;
    for (; c + W <= columns; c += W) {
      store(out + c, load(out + c) + ((load(x0 + c) + load(x1 + c)) + (load(x2 + c) + load(x3 + c))));
    }
    if (c < columns) {
      const Mask m = tail(columns - c);
      const VecF four = (maskload(x0 + c, m) + maskload(x1 + c, m)) + (maskload(x2 + c, m) + maskload(x3 + c, m));
      maskstore(out + c, maskload(out + c, m) + four, m);
    }
  }
  for (; r < rows; ++r) {
    const float* row = x + r * columns;
    for (int64_t c = 0; c < columns; c += W) {
      const Mask m = tail(columns - c);
      maskstore(out + c, maskload(out + c, m) + maskload(row + c, m), m);
    }
  }
}

double sum_squares(const float* x, int64_t n) {
  VecF s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    const VecF x0 = load(x + i), x1 = load(x + i + W), x2 = load(x + i + 2 * W), x3 = load(x + i + 3 * W);
    s0 = fma(x0, x0, s0);
    s1 = fma(x1, x1, s1);
    s2 = fma(x2, x2, s2);
    s3 = fma(x3, x3, s3);
  }
  for (; i < n; i += W) {
    const VecF v = maskload(x + i, tail(n - i));
    s0 = fma(v, v, s0);
  }
  return reduce_add((s0 + s1) + (s2 + s3));
}

}  // namespace

const ReduceKernels reduce_kernels = {sum_rows, sum_squares};

}  // namespace FB_ISA
}  // namespace flashbook
