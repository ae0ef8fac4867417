// Steps soft_cross_entropy {gamma} and soft_cross_entropy_grad {gamma}. M rows of C classes, targets q ≥ 0 that need not add up to 1.
//   soft_cross_entropy        logits (M,C), target (M,C) → loss (1), probs (M,C)
//                             loss = −Σ q·(1−p)^gamma·log p / Σ q over all rows, 0 where Σ q is 0; probs = softmax(logits)
//   soft_cross_entropy_grad   dloss (1), probs (M,C), target (M,C) → dlogits (M,C)
//                             dlogits = dloss/Σq · (g − p·Σ_row g),  g = q·(gamma·p·(1−p)^(gamma−1)·log p − (1−p)^gamma)
// Lin et al. 2017 (arXiv:1708.02002), eq. 5. The rows of a batch are few (64 × 3): plain loops in float64 on one thread, microseconds.
#include <cmath>
#include <limits>

#include "engine/steps/soft_loss_operands.h"

namespace flashbook {
namespace {

double total(const float* q, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += q[i];
  return sum;
}

class SoftCrossEntropy final : public Step {
 public:
  explicit SoftCrossEntropy(const SoftLossOperands& operands) : o_(operands) {}
  void run(RunContext&) override {
    double sum = 0;
    for (int64_t r = 0; r < o_.rows; ++r) {
      const float *x = o_.logits + r * o_.columns, *q = o_.target + r * o_.columns;
      float* p = o_.probs + r * o_.columns;
      double top = -std::numeric_limits<double>::infinity(), exps = 0;
      for (int64_t c = 0; c < o_.columns; ++c) top = x[c] > top ? x[c] : top;
      for (int64_t c = 0; c < o_.columns; ++c) exps += std::exp(x[c] - top);
      const double lse = top + std::log(exps);
      for (int64_t c = 0; c < o_.columns; ++c) {
        const double log_p = x[c] - lse, probability = std::exp(log_p);
        p[c] = static_cast<float>(probability);
        if (q[c] != 0.0f) sum -= q[c] * std::pow(1.0 - probability, o_.gamma) * log_p;
      }
    }
    const double mass = total(o_.target, o_.rows * o_.columns);
    *o_.loss = mass == 0 ? 0.0f : static_cast<float>(sum / mass);
  }
  double flops() const override { return o_.flops(); }
  double bytes() const override { return o_.bytes(); }

 private:
  const SoftLossOperands o_;
};

class SoftCrossEntropyGrad final : public Step {
 public:
  explicit SoftCrossEntropyGrad(const SoftLossGradOperands& operands) : o_(operands) {}
  void run(RunContext&) override {
    const double mass = total(o_.target, o_.rows * o_.columns), factor = mass == 0 ? 0.0 : *o_.dloss / mass;
    for (int64_t r = 0; r < o_.rows; ++r) {
      const float *p = o_.probs + r * o_.columns, *q = o_.target + r * o_.columns;
      float* d = o_.dlogits + r * o_.columns;
      double sum = 0;
      for (int64_t c = 0; c < o_.columns; ++c) sum += q[c] * slope(p[c]);
      for (int64_t c = 0; c < o_.columns; ++c) {
        const double probability = p[c];
        d[c] = static_cast<float>(factor * (q[c] * slope(probability) - probability * sum));
      }
    }
  }
  double flops() const override { return o_.flops(); }
  double bytes() const override { return o_.bytes(); }

 private:
  double slope(double p) const {
    if (o_.gamma == 0 || p == 0) return -1;
    const double rest = 1.0 - p;
    return rest == 0 ? 0.0 : o_.gamma * p * std::pow(rest, o_.gamma - 1) * std::log(p) - std::pow(rest, o_.gamma);
  }

  const SoftLossGradOperands o_;
};

}  // namespace

std::unique_ptr<Step> bind_soft_cross_entropy(BindContext& context) {
  return std::make_unique<SoftCrossEntropy>(soft_loss_operands(context));
}

std::unique_ptr<Step> bind_soft_cross_entropy_grad(BindContext& context) {
  return std::make_unique<SoftCrossEntropyGrad>(soft_loss_grad_operands(context));
}

}  // namespace flashbook
