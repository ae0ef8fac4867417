// Vectorised batch normalisation; batch_norm.h has the formulas. Compiled once for each instruction set.
#include "kernels/batch_norm/batch_norm.h"

#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const BatchNormKernels batch_norm_kernels;

namespace {

// One or two vectors of columns at a time, all rows: the sums stay in registers.
void deviations(const float* x, const float* mean, float* out, int64_t rows, int64_t columns) {
  for_vectors(columns, [=](int64_t c, auto part) {
    const VecF center = load(mean + c, part);
    VecF sum = zero();
    for (int64_t r = 0; r < rows; ++r) {
      const VecF d = load(x + r * columns + c, part) - center;
      sum = fma(d, d, sum);
    }
    store(out + c, sum, part);
  });
}

void normalise(const float* x, const float* mean, const float* factor, const float* shift, float* y, int64_t rows,
               int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, x += columns, y += columns) {
    for_vectors(columns, [=](int64_t c, auto part) {
      store(y + c, fma(load(x + c, part) - load(mean + c, part), load(factor + c, part), load(shift + c, part)), part);
    });
  }
}

void sums(const float* dy, const float* x, const float* mean, const float* rstd, float* dgamma, float* dbeta, int64_t rows,
          int64_t columns) {
  for_vectors(columns, [=](int64_t c, auto part) {
    const VecF center = load(mean + c, part);
    VecF sum = zero(), product = zero();
    for (int64_t r = 0; r < rows; ++r) {
      const VecF d = load(dy + r * columns + c, part);
      sum = sum + d;
      product = fma(d, load(x + r * columns + c, part) - center, product);
    }
    store(dbeta + c, sum, part);
    store(dgamma + c, product * load(rstd + c, part), part);
  });
}

void gradient(const float* dy, const float* x, const float* mean, const float* factor, const float* a, const float* b,
              float* dx, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, dy += columns, x += columns, dx += columns) {
    for_vectors(columns, [=](int64_t c, auto part) {
      const VecF centred = load(dy + c, part) - load(a + c, part);
      const VecF d = fnma(load(x + c, part) - load(mean + c, part), load(b + c, part), centred);
      store(dx + c, load(factor + c, part) * d, part);
    });
  }
}

}  // namespace

const BatchNormKernels batch_norm_kernels = {deviations, normalise, sums, gradient};

}  // namespace FB_ISA
}  // namespace flashbook
