// Vectorised updates; optim.h has the formulas. Compiled once for each instruction set.
#include "kernels/optim/optim.h"

#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const OptimKernels optim_kernels;

namespace {

void adam(float* param, const float* grad, float* m, float* v, int64_t n, const AdamSettings& s) {
  const VecF coefficient = set1(s.coefficient), decay = set1(s.learning_rate * s.weight_decay), l2 = set1(s.l2);
  const VecF beta1 = set1(s.beta1), rest1 = set1(1.0f - s.beta1);
  const VecF beta2 = set1(s.beta2), rest2 = set1(1.0f - s.beta2);
  const VecF rate = set1(s.learning_rate / s.correction1), inverse2 = set1(1.0f / s.correction2), eps = set1(s.eps);
  for_vectors(n, [=](int64_t i, auto part) {
    const VecF before = load(param + i, part);
    const VecF g = fma(l2, before, load(grad + i, part) * coefficient);
    const VecF decayed = fnma(decay, before, before);
    const VecF m1 = fma(beta1, load(m + i, part), rest1 * g);
    const VecF v1 = fma(beta2, load(v + i, part), rest2 * (g * g));
    store(m + i, m1, part);
    store(v + i, v1, part);
    store(param + i, decayed - (rate * m1) / (sqrt(v1 * inverse2) + eps), part);
  });
}

void sgd(float* param, const float* grad, float* buffer, int64_t n, const SgdSettings& s) {
  const VecF coefficient = set1(s.coefficient), l2 = set1(s.l2), momentum = set1(s.momentum), rate = set1(s.learning_rate);
  const bool nesterov = s.nesterov;
  for_vectors(n, [=](int64_t i, auto part) {
    const VecF before = load(param + i, part);
    const VecF g = fma(l2, before, load(grad + i, part) * coefficient);
    const VecF b = fma(momentum, load(buffer + i, part), g);
    store(buffer + i, b, part);
    store(param + i, fnma(rate, nesterov ? fma(momentum, b, g) : b, before), part);
  });
}

// r of optim.h, the same bits in both passes over a tensor.
struct LambUpdate {
  VecF inverse1, inverse2, eps, decay;
  explicit LambUpdate(const AdamSettings& s)
      : inverse1(set1(1.0f / s.correction1)), inverse2(set1(1.0f / s.correction2)), eps(set1(s.eps)), decay(set1(s.weight_decay)) {}
  FB_INLINE VecF operator()(VecF p, VecF m, VecF v) const { return fma(decay, p, (m * inverse1) / (sqrt(v * inverse2) + eps)); }
};

LambSums lamb_moments(const float* param, const float* grad, float* m, float* v, int64_t n, const AdamSettings& s) {
  const LambUpdate update(s);
  const VecF coefficient = set1(s.coefficient);
  const VecF beta1 = set1(s.beta1), rest1 = set1(1.0f - s.beta1);
  const VecF beta2 = set1(s.beta2), rest2 = set1(1.0f - s.beta2);
  VecF squares = zero(), updates = zero();
  for_vectors(n, [&](int64_t i, auto part) __attribute__((always_inline)) {
    const VecF g = load(grad + i, part) * coefficient;
    const VecF m1 = fma(beta1, load(m + i, part), rest1 * g);
    const VecF v1 = fma(beta2, load(v + i, part), rest2 * (g * g));
    store(m + i, m1, part);
    store(v + i, v1, part);
    const VecF p = load(param + i, part), r = keep(update(p, m1, v1), part);
    squares = fma(p, p, squares);
    updates = fma(r, r, updates);
  });
  return {reduce_add(squares), reduce_add(updates)};
}

void lamb_apply(float* param, const float* m, const float* v, int64_t n, const AdamSettings& s, float rate) {
  const LambUpdate update(s);
  const VecF step = set1(rate);
  for_vectors(n, [=](int64_t i, auto part) {
    const VecF p = load(param + i, part);
    store(param + i, fnma(step, update(p, load(m + i, part), load(v + i, part)), p), part);
  });
}

void blend(float* to, const float* from, int64_t n, float a, float b) {
  const VecF va = set1(a), vb = set1(b);
  if (a == 0.0f) return for_vectors(n, [=](int64_t i, auto part) { store(to + i, vb * load(from + i, part), part); });
  for_vectors(n, [=](int64_t i, auto part) {
    store(to + i, fma(va, load(to + i, part), vb * load(from + i, part)), part);
  });
}

double ascent_squares(const float* param, const float* grad, int64_t n, bool adaptive, float eta) {
  const VecF offset = set1(eta);
  return sum_vectors(n, [=](int64_t i, auto part) __attribute__((always_inline)) {
    VecF g = load(grad + i, part);
    if (adaptive) g = g * (abs(load(param + i, part)) + offset);
    return keep(g * g, part);
  });
}

void ascend(float* param, const float* grad, int64_t n, bool adaptive, float eta, float scale) {
  const VecF offset = set1(eta), step = set1(scale);
  for_vectors(n, [=](int64_t i, auto part) {
    const VecF p = load(param + i, part);
    VecF g = load(grad + i, part);
    if (adaptive) {
      const VecF t = abs(p) + offset;
      g = t * t * g;
    }
    store(param + i, fma(step, g, p), part);
  });
}

void centre(float* grad, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, grad += columns) {
    const float* row = grad;
    const float sum = sum_vectors(columns, [=](int64_t c, auto part) { return load(row + c, part); });
    const VecF mean = set1(sum / static_cast<float>(columns));
    float* out = grad;
    for_vectors(columns, [=](int64_t c, auto part) { store(out + c, load(row + c, part) - mean, part); });
  }
}

void clamp(float* grad, int64_t n, float limit) {
  const VecF high = set1(limit), low = set1(-limit);
  for_vectors(n, [=](int64_t i, auto part) { store(grad + i, max(low, min(high, load(grad + i, part))), part); });
}

}  // namespace

const OptimKernels optim_kernels = {adam, sgd, lamb_moments, lamb_apply, blend, ascent_squares, ascend, centre, clamp};

}  // namespace FB_ISA
}  // namespace flashbook
