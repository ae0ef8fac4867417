// Vectorised reductions; reduce.h has the formulas. Compiled once for each instruction set.
#include "kernels/reduce/reduce.h"

#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const ReduceKernels reduce_kernels;

namespace {

void sum_rows(const float* x, float* out, int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) out[c] = 0.0f;
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const float* x0 = x + r * columns;
    const float *x1 = x0 + columns, *x2 = x1 + columns, *x3 = x2 + columns;
    for_vectors(columns, [=](int64_t c, auto part) {
      const VecF four = (load(x0 + c, part) + load(x1 + c, part)) + (load(x2 + c, part) + load(x3 + c, part));
      store(out + c, load(out + c, part) + four, part);
    });
  }
  for (; r < rows; ++r) {
    const float* row = x + r * columns;
    for_vectors(columns, [=](int64_t c, auto part) { store(out + c, load(out + c, part) + load(row + c, part), part); });
  }
}

double sum_squares(const float* x, int64_t n) {
  VecF s[4] = {zero(), zero(), zero(), zero()};
  for_vectors_by_four(n, [&](int64_t i, auto part, int a) __attribute__((always_inline)) {
    const VecF v = load(x + i, part);
    s[a] = fma(v, v, s[a]);
  });
  return reduce_add((s[0] + s[1]) + (s[2] + s[3]));
}

}  // namespace

const ReduceKernels reduce_kernels = {sum_rows, sum_squares};

}  // namespace FB_ISA
}  // namespace flashbook
