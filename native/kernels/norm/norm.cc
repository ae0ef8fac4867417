// Vectorised layer normalisation; norm.h has the formulas. Compiled once for each instruction set.
#include "kernels/norm/norm.h"

#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const NormKernels norm_kernels;

namespace {

void forward(const float* x, const float* gamma, const float* beta, float eps, float* y, float* mean, float* rstd,
             int64_t rows, int64_t columns) {
  const float count = static_cast<float>(columns);
  for (int64_t r = 0; r < rows; ++r, x += columns, y += columns) {
    const float mu = sum_vectors(columns, [x](int64_t c, auto part) { return load(x + c, part); }) / count;
    const VecF center = set1(mu);
    const float squares = sum_vectors(columns, [x, center](int64_t c, auto part) {
      const VecF d = keep(load(x + c, part) - center, part);
      return d * d;
    });
    const float scale = 1.0f / __builtin_sqrtf(squares / count + eps);
    const VecF factor = set1(scale);
    for_vectors(columns, [=](int64_t c, auto part) {
      const VecF normal = (load(x + c, part) - center) * factor;
      store(y + c, fma(normal, load(gamma + c, part), load(beta + c, part)), part);
    });
    if (mean) mean[r] = mu;
    if (rstd) rstd[r] = scale;
  }
}

// finish(element, part, value) is what becomes of a value of dx.
template <class F>
FB_INLINE void backward_rows(const float* dy, const float* x, const float* gamma, const float* mean, const float* rstd, float* dx,
                             float* dgamma, float* dbeta, int64_t rows, int64_t columns, F finish) {
  for (int64_t c = 0; c < columns; ++c) dgamma[c] = dbeta[c] = 0.0f;
  const float count = static_cast<float>(columns);
  for (int64_t r = 0; r < rows; ++r, dy += columns, x += columns, dx += columns) {
    const VecF center = set1(mean[r]), scale = set1(rstd[r]);
    VecF sum[4] = {zero(), zero(), zero(), zero()}, product[4] = {zero(), zero(), zero(), zero()};
    for_vectors_by_four(columns, [&](int64_t c, auto part, int a) __attribute__((always_inline)) {
      const VecF g = load(dy + c, part) * load(gamma + c, part);
      sum[a] = sum[a] + g;
      product[a] = product[a] + keep(g * ((load(x + c, part) - center) * scale), part);
    });
    const VecF a = set1(reduce_add((sum[0] + sum[1]) + (sum[2] + sum[3])) / count);
    const VecF b = set1(reduce_add((product[0] + product[1]) + (product[2] + product[3])) / count);
    for_vectors(columns, [=](int64_t c, auto part) {
      const VecF d = load(dy + c, part);
      const VecF normal = (load(x + c, part) - center) * scale;
      store(dgamma + c, fma(d, normal, load(dgamma + c, part)), part);
      store(dbeta + c, load(dbeta + c, part) + d, part);
      store(dx + c, finish(r * columns + c, part, scale * fnma(normal, b, d * load(gamma + c, part) - a)), part);
    });
  }
}

void backward(const float* dy, const float* x, const float* gamma, const float* mean, const float* rstd, const float* residual,
              float* dx, float* dgamma, float* dbeta, int64_t rows, int64_t columns) {
  if (residual == nullptr) {
    backward_rows(dy, x, gamma, mean, rstd, dx, dgamma, dbeta, rows, columns, [](int64_t, auto, VecF value) { return value; });
  } else {
    backward_rows(dy, x, gamma, mean, rstd, dx, dgamma, dbeta, rows, columns,
                  [residual](int64_t i, auto part, VecF value) { return value + load(residual + i, part); });
  }
}

}  // namespace

const NormKernels norm_kernels = {forward, backward};

}  // namespace FB_ISA
}  // namespace flashbook
