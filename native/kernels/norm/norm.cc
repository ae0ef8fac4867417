// Vectorised layer normalisation; norm.h has the formulas. Compiled once for each instruction set.
#include "kernels/norm/norm.h"

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {

extern const NormKernels norm_kernels;

namespace {

constexpr int W = VecF::width;

// f(offset, mask) for the vectors of a row; `whole` vectors first, so that the mask is a constant there.
template <class F> FB_INLINE void each_vector(int64_t columns, F f) {
  int64_t c = 0;
  for (; c + W <= columns; c += W) f(c, first(W));
  if (c < columns) f(c, first(static_cast<int>(columns - c)));
}

// Σ term(offset, mask) over a row. Four accumulators take turns; they join as (0+1)+(2+3), then the lanes.
template <class F> FB_INLINE float row_sum(int64_t columns, F term) {
  VecF s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
  int64_t c = 0;
  for (; c + 4 * W <= columns; c += 4 * W) {
    s0 = s0 + term(c, first(W));
    s1 = s1 + term(c + W, first(W));
    s2 = s2 + term(c + 2 * W, first(W));
    s3 = s3 + term(c + 3 * W, first(W));
  }
  for (; c + W <= columns; c += W) s0 = s0 + term(c, first(W));
  if (c < columns) s1 = s1 + term(c, first(static_cast<int>(columns - c)));
  return reduce_add((s0 + s1) + (s2 + s3));
}

void forward(const float* x, const float* gamma, const float* beta, float eps, float* y, float* mean, float* rstd,
             int64_t rows, int64_t columns) {
  const float count = static_cast<float>(columns);
  for (int64_t r = 0; r < rows; ++r, x += columns, y += columns) {
    const float mu = row_sum(columns, [x](int64_t c, Mask m) { return maskload(x + c, m); }) / count;
    const VecF center = set1(mu);
    const float squares = row_sum(columns, [x, center](int64_t c, Mask m) {
      const VecF d = select(m, maskload(x + c, m) - center, zero());
      return d * d;
    });
    const float scale = 1.0f / __builtin_sqrtf(squares / count + eps);
    const VecF factor = set1(scale);
    each_vector(columns, [=](int64_t c, Mask m) {
      const VecF normal = (maskload(x + c, m) - center) * factor;
      maskstore(y + c, fma(normal, maskload(gamma + c, m), maskload(beta + c, m)), m);
    });
    if (mean) mean[r] = mu;
    if (rstd) rstd[r] = scale;
  }
}

void backward(const float* dy, const float* x, const float* gamma, const float* mean, const float* rstd, float* dx,
              float* dgamma, float* dbeta, int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) dgamma[c] = dbeta[c] = 0.0f;
  const float count = static_cast<float>(columns);
  for (int64_t r = 0; r < rows; ++r, dy += columns, x += columns, dx += columns) {
    const VecF center = set1(mean[r]), scale = set1(rstd[r]);
    VecF sum = zero(), product = zero(), sum1 = zero(), product1 = zero();
    auto gather = [=](int64_t c, Mask m, VecF& s, VecF& p) {
      const VecF g = maskload(dy + c, m) * maskload(gamma + c, m);
      s = s + g;
      p = p + select(m, g * ((maskload(x + c, m) - center) * scale), zero());
    };
    int64_t c = 0;
    for (; c + 2 * W <= columns; c += 2 * W) {
      gather(c, first(W), sum, product);
      gather(c + W, first(W), sum1, product1);
    }
    for (; c < columns; c += W) gather(c, first(columns - c < W ? static_cast<int>(columns - c) : W), sum, product);
    const VecF a = set1(reduce_add(sum + sum1) / count), b = set1(reduce_add(product + product1) / count);
    each_vector(columns, [=](int64_t i, Mask m) {
      const VecF d = maskload(dy + i, m);
      const VecF normal = (maskload(x + i, m) - center) * scale;
      maskstore(dgamma + i, fma(d, normal, maskload(dgamma + i, m)), m);
      maskstore(dbeta + i, maskload(dbeta + i, m) + d, m);
      const VecF g = d * maskload(gamma + i, m);
      maskstore(dx + i, scale * fnma(normal, b, g - a), m);
    });
  }
}

}  // namespace

const NormKernels norm_kernels = {forward, backward};

}  // namespace FB_ISA
}  // namespace flashbook
