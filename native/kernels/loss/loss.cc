// Vectorised softmax and cross-entropy; loss.h has the formulas. Compiled once for each instruction set.
#include "kernels/loss/loss.h"

#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const LossKernels loss_kernels;

namespace {

// v in the lanes that count, `other` elsewhere.
FB_INLINE VecF keep_or(VecF v, VecF, Whole) { return v; }
FB_INLINE VecF keep_or(VecF v, VecF other, Mask m) { return select(m, v, other); }

FB_INLINE float row_max(const float* x, int64_t columns) {
  const VecF least = set1(-__builtin_inff());
  VecF top = least;
  for_vectors(columns, [&](int64_t c, auto part) { top = max(top, keep_or(load(x + c, part), least, part)); });
  return reduce_max(top);
}

// y = exp(x − top) / sum; returns the sum.
FB_INLINE float softmax_row(const float* x, float* y, float top, int64_t columns) {
  const VecF shift = set1(top);
  VecF total = zero();
  for_vectors(columns, [&](int64_t c, auto part) {
    const VecF e = exp(load(x + c, part) - shift);
    total = total + keep(e, part);
    store(y + c, e, part);
  });
  const float sum = reduce_add(total);
  const VecF factor = set1(1.0f / sum);
  for_vectors(columns, [=](int64_t c, auto part) { store(y + c, load(y + c, part) * factor, part); });
  return sum;
}

void softmax(const float* x, float* y, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, x += columns, y += columns) softmax_row(x, y, row_max(x, columns), columns);
}

void cross_entropy(const float* logits, const int32_t* target, float smoothing, float* losses, float* probs, int64_t rows,
                   int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, logits += columns, probs += columns) {
    const float top = row_max(logits, columns);
    const int32_t t = target[r];
    const bool valid = t >= 0 && t < columns;
    const float chosen = valid ? logits[t] - top : 0.0f;
    float spread = 0.0f;   // Σ (x − top); left out without smoothing, where it would turn a logit of −∞ into 0·∞
    if (smoothing != 0.0f) {
      const VecF shift = set1(top);
      const float sum = sum_vectors(columns, [=](int64_t c, auto part) { return keep(load(logits + c, part) - shift, part); });
      spread = smoothing / static_cast<float>(columns) * sum;
    }
    const float sum = softmax_row(logits, probs, top, columns);
    const float loss = __builtin_logf(sum) - (1.0f - smoothing) * chosen - spread;
    losses[r] = valid ? loss : t == -1 ? 0.0f : __builtin_nanf("");
  }
}

void cross_entropy_grad(float factor, const float* probs, const int32_t* target, float smoothing, float* dlogits, int64_t rows,
                        int64_t columns) {
  const float off = smoothing / static_cast<float>(columns);
  for (int64_t r = 0; r < rows; ++r, probs += columns, dlogits += columns) {
    const int32_t t = target[r];
    const bool valid = t >= 0 && t < columns;
    const float at_target = valid ? factor * (probs[t] - (1.0f - smoothing + off)) : 0.0f;
    const float elsewhere = t == -1 ? 0.0f : __builtin_nanf("");
    for_vectors(columns, [=](int64_t c, auto part) {
      store(dlogits + c, valid ? set1(factor) * (load(probs + c, part) - set1(off)) : set1(elsewhere), part);
    });
    if (valid) dlogits[t] = at_target;
  }
}

}  // namespace

const LossKernels loss_kernels = {softmax, cross_entropy, cross_entropy_grad};

}  // namespace FB_ISA
}  // namespace flashbook
