// Steps soft_cross_entropy {gamma} and soft_cross_entropy_grad {gamma}. M rows of C classes, targets q ≥ 0 that need not add up to 1.
//   soft_cross_entropy        logits (M,C), target (M,C) → loss (1), probs (M,C)
//                             loss = −Σ q·(1−p)^gamma·log p / Σ q over all rows, 0 where Σ q is 0; probs = softmax(logits)
//   soft_cross_entropy_grad   dloss (1), probs (M,C), target (M,C) → dlogits (M,C)
//                             dlogits = dloss/Σq · (g − p·Σ_row g),  g = q·(gamma·p·(1−p)^(gamma−1)·log p − (1−p)^gamma)
// Lin et al. 2017 (arXiv:1708.02002), eq. 5. The rows of a batch are few (64 × 3): plain loops in float64 on one thread, microseconds.
#include <cmath>
#include <limits>

#include "engine/step.h"
#include "engine/steps/operands.h"

namespace flashbook {
namespace {

double total(const float* q, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += q[i];
  return sum;
}

class SoftCrossEntropy final : public Step {
 public:
  SoftCrossEntropy(const Operand& logits, const float* target, double gamma, float* loss, float* probs)
      : logits_(logits.as<float>()), target_(target), gamma_(gamma), loss_(loss), probs_(probs), rows_(logits.rows()),
        columns_(logits.columns()) {}
  void run(RunContext&) override {
    double sum = 0;
    for (int64_t r = 0; r < rows_; ++r) {
      const float *x = logits_ + r * columns_, *q = target_ + r * columns_;
      float* p = probs_ + r * columns_;
      double top = -std::numeric_limits<double>::infinity(), exps = 0;
      for (int64_t c = 0; c < columns_; ++c) top = x[c] > top ? x[c] : top;
      for (int64_t c = 0; c < columns_; ++c) exps += std::exp(x[c] - top);
      const double lse = top + std::log(exps);
      for (int64_t c = 0; c < columns_; ++c) {
        const double log_p = x[c] - lse, probability = std::exp(log_p);
        p[c] = static_cast<float>(probability);
        if (q[c] != 0.0f) sum -= q[c] * std::pow(1.0 - probability, gamma_) * log_p;
      }
    }
    const double mass = total(target_, rows_ * columns_);
    *loss_ = mass == 0 ? 0.0f : static_cast<float>(sum / mass);
  }
  double flops() const override { return 12.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 12.0 * static_cast<double>(rows_ * columns_); }

 private:
  const float *logits_, *target_;
  double gamma_;
  float *loss_, *probs_;
  int64_t rows_, columns_;
};

class SoftCrossEntropyGrad final : public Step {
 public:
  SoftCrossEntropyGrad(const float* dloss, const Operand& probs, const float* target, double gamma, float* dlogits)
      : dloss_(dloss), probs_(probs.as<float>()), target_(target), gamma_(gamma), dlogits_(dlogits), rows_(probs.rows()),
        columns_(probs.columns()) {}
  void run(RunContext&) override {
    const double mass = total(target_, rows_ * columns_), factor = mass == 0 ? 0.0 : *dloss_ / mass;
    for (int64_t r = 0; r < rows_; ++r) {
      const float *p = probs_ + r * columns_, *q = target_ + r * columns_;
      float* d = dlogits_ + r * columns_;
      double sum = 0;
      for (int64_t c = 0; c < columns_; ++c) sum += q[c] * slope(p[c]);
      for (int64_t c = 0; c < columns_; ++c) {
        const double probability = p[c];
        d[c] = static_cast<float>(factor * (q[c] * slope(probability) - probability * sum));
      }
    }
  }
  double flops() const override { return 20.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 12.0 * static_cast<double>(rows_ * columns_); }

 private:
  double slope(double p) const {
    if (gamma_ == 0 || p == 0) return -1;
    const double rest = 1.0 - p;
    return rest == 0 ? 0.0 : gamma_ * p * std::pow(rest, gamma_ - 1) * std::log(p) - std::pow(rest, gamma_);
  }

  const float *dloss_, *probs_, *target_;
  double gamma_;
  float* dlogits_;
  int64_t rows_, columns_;
};

double gamma_attribute(const BindContext& context) {
  const double gamma = context.number("gamma");
  if (!(gamma >= 0 && std::isfinite(gamma))) attribute_error("gamma", "a number of at least 0", gamma);
  return static_cast<float>(gamma);
}

}  // namespace

std::unique_ptr<Step> bind_soft_cross_entropy(BindContext& context) {
  expect_counts(context, 2, 2, 2);
  const Operand& logits = expect(context.input(0), DType::f32, {kAnySize, kAnySize}, "logits");
  const float* target = expect_same_shape(context.input(1), logits, "target").as<float>();
  float* loss = expect(context.output(0), DType::f32, {1}, "loss").as<float>();
  float* probs = expect_same_shape(context.output(1), logits, "probs").as<float>();
  return std::make_unique<SoftCrossEntropy>(logits, target, gamma_attribute(context), loss, probs);
}

std::unique_ptr<Step> bind_soft_cross_entropy_grad(BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const float* dloss = expect(context.input(0), DType::f32, {1}, "dloss").as<float>();
  const Operand& probs = expect(context.input(1), DType::f32, {kAnySize, kAnySize}, "probs");
  const float* target = expect_same_shape(context.input(2), probs, "target").as<float>();
  float* dlogits = expect_same_shape(context.output(0), probs, "dlogits").as<float>();
  return std::make_unique<SoftCrossEntropyGrad>(dloss, probs, target, gamma_attribute(context), dlogits);
}

}  // namespace flashbook
