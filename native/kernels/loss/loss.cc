// Vectorised softmax and cross-entropy; loss.h has the formulas. Compiled once for each instruction set.
#include "kernels/loss/loss.h"

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {

extern const LossKernels loss_kernels;

namespace {

constexpr int W = VecF::width;

FB_INLINE Mask tail(int64_t left) { return first(left < W ? static_cast<int>(left) : W); }

FB_INLINE float row_max(const float* x, int64_t columns) {
  VecF top = set1(-__builtin_inff());
  for (int64_t c = 0; c < columns; c += W) {
    const Mask m = tail(columns - c);
    top = max(top, select(m, maskload(x + c, m), top));
  }
  return reduce_max(top);
}

// y = exp(x − top) / sum; returns the sum.
FB_INLINE float softmax_row(const float* x, float* y, float top, int64_t columns) {
  const VecF shift = set1(top);
  VecF total = zero();
  for (int64_t c = 0; c < columns; c += W) {
    const Mask m = tail(columns - c);
    const VecF e = select(m, exp(maskload(x + c, m) - shift), zero());
    total = total + e;
    maskstore(y + c, e, m);
  }
  const float sum = reduce_add(total);
  const VecF factor = set1(1.0f / sum);
  for (int64_t c = 0; c < columns; c += W) {
    const Mask m = tail(columns - c);
    maskstore(y + c, maskload(y + c, m) * factor, m);
  }
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
      VecF s = zero();
      for (int64_t c = 0; c < columns; c += W) {
        const Mask m = tail(columns - c);
        s = s + select(m, maskload(logits + c, m) - shift, zero());
      }
      spread = smoothing / static_cast<float>(columns) * reduce_add(s);
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
    for (int64_t c = 0; c < columns; c += W) {
      const Mask m = tail(columns - c);
      const VecF g = set1(factor) * (maskload(probs + c, m) - set1(off));
      maskstore(dlogits + c, valid ? g : set1(t == -1 ? 0.0f : __builtin_nanf("")), m);
    }
    if (valid) dlogits[t] = at_target;
  }
}

}  // namespace

const LossKernels loss_kernels = {softmax, cross_entropy, cross_entropy_grad};

}  // namespace FB_ISA
}  // namespace flashbook
