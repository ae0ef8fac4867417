// Softmax over the last axis, and softmax cross-entropy with label smoothing. rows × columns, float32.
//
//   softmax               y_c = exp(x_c − max) / Σ exp(x − max). A row of −∞ alone is NaN, as in the formula. y may be x.
//   cross_entropy         q_c = (1−ε)·[c = target] + ε/C (Szegedy et al. 2016, arXiv:1512.00567, section 7; as PyTorch)
//                         loss of a row = −Σ q_c·log p_c = log Σ exp(x − max) − Σ q_c·(x_c − max)
//                         probs = softmax. losses holds one value a row: 0 where the target is −1 (ignored), NaN where it is
//                         neither −1 nor a class, so that a wrong label shows in the loss instead of reading foreign memory.
//   cross_entropy_grad    dlogits = factor·(p − q), 0 for ignored rows, NaN for a target out of range; factor = dloss/counted rows.
//                         dlogits may be probs.
//
// Error against float64: probabilities ≤ 4e-7·(1 + |x_c − max|) relative, losses ≤ 4e-7·(1 + |loss|) with |x − max| ≤ 100.
// Fast path: the row stays in L1 through its three passes, exp eight or sixteen lanes at a time.
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct LossKernels {
  void (*softmax)(const float* x, float* y, int64_t rows, int64_t columns);
  void (*cross_entropy)(const float* logits, const int32_t* target, float smoothing, float* losses, float* probs,
                        int64_t rows, int64_t columns);
  void (*cross_entropy_grad)(float factor, const float* probs, const int32_t* target, float smoothing, float* dlogits,
                             int64_t rows, int64_t columns);
};

const LossKernels& loss_table(Isa isa);

}  // namespace flashbook
