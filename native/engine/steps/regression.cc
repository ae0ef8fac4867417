// Losses of regression heads, over few numbers: plain loops, sums in float64 in order.
//   huber {delta}        y (…), target (…) → loss (1): the mean of e²/2 where |e| ≤ delta, else delta·(|e| − delta/2), e = y − target
//   huber_grad {delta}   dloss (1), y, target → dy = dloss·clamp(e, ±delta)/n
//   pinball              y (M,Q), target (M), quantiles (Q) → loss (1): the mean of max(q·e, (q−1)·e), e = target − y
//   pinball_grad         dloss (1), y, target, quantiles → dy
// What has a NaN target is left out of the mean and gets gradient 0; where all have, the loss is 0.
#include <algorithm>
#include <cmath>

#include "engine/step.h"
#include "engine/steps/operands.h"

namespace flashbook {
namespace {

int64_t counted(const float* target, int64_t n) {
  return std::count_if(target, target + n, [](float t) { return !std::isnan(t); });
}

class Huber final : public Step {
 public:
  Huber(const Operand& y, const Operand& target, float delta, const Operand& loss)
      : y_(y.as<float>()), target_(target.as<float>()), delta_(delta), loss_(loss.as<float>()), n_(y.elements()) {}
  void run(RunContext&) override {
    double sum = 0;
    for (int64_t i = 0; i < n_; ++i) {
      if (std::isnan(target_[i])) continue;
      const double e = std::abs(static_cast<double>(y_[i]) - target_[i]), delta = delta_;
      sum += e <= delta ? e * e / 2 : delta * (e - delta / 2);
    }
    const int64_t n = counted(target_, n_);
    *loss_ = n == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(n));
  }
  double flops() const override { return 5.0 * static_cast<double>(n_); }
  double bytes() const override { return 8.0 * static_cast<double>(n_); }

 private:
  const float *y_, *target_;
  float delta_;
  float* loss_;
  int64_t n_;
};

class HuberGrad final : public Step {
 public:
  HuberGrad(const Operand& dloss, const Operand& y, const Operand& target, float delta, const Operand& dy)
      : dloss_(dloss.as<float>()), y_(y.as<float>()), target_(target.as<float>()), delta_(delta), dy_(dy.as<float>()),
        n_(y.elements()) {}
  void run(RunContext&) override {
    const double factor = static_cast<double>(*dloss_) / static_cast<double>(std::max<int64_t>(1, counted(target_, n_)));
    for (int64_t i = 0; i < n_; ++i) {
      const double e = static_cast<double>(y_[i]) - target_[i], delta = delta_;
      const double clamped = e < -delta ? -delta : e > delta ? delta : e;   // NaN of y stays
      dy_[i] = std::isnan(target_[i]) ? 0.0f : static_cast<float>(factor * clamped);
    }
  }
  double flops() const override { return 4.0 * static_cast<double>(n_); }
  double bytes() const override { return 12.0 * static_cast<double>(n_); }

 private:
  const float *dloss_, *y_, *target_;
  float delta_;
  float* dy_;
  int64_t n_;
};

class Pinball final : public Step {
 public:
  Pinball(const Operand& y, const Operand& target, const Operand& quantiles, const Operand& loss)
      : y_(y.as<float>()), target_(target.as<float>()), quantiles_(quantiles.as<float>()), loss_(loss.as<float>()),
        rows_(target.elements()), columns_(quantiles.elements()) {}
  void run(RunContext&) override {
    double sum = 0;
    for (int64_t r = 0; r < rows_; ++r) {
      if (std::isnan(target_[r])) continue;
      for (int64_t c = 0; c < columns_; ++c) {
        const double e = static_cast<double>(target_[r]) - y_[r * columns_ + c], q = quantiles_[c];
        sum += e >= 0 ? q * e : (q - 1) * e;
      }
    }
    const double n = static_cast<double>(counted(target_, rows_) * columns_);
    *loss_ = n == 0 ? 0.0f : static_cast<float>(sum / n);
  }
  double flops() const override { return 4.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 4.0 * static_cast<double>(rows_ * (columns_ + 1)); }

 private:
  const float *y_, *target_, *quantiles_;
  float* loss_;
  int64_t rows_, columns_;
};

class PinballGrad final : public Step {
 public:
  PinballGrad(const Operand& dloss, const Operand& y, const Operand& target, const Operand& quantiles, const Operand& dy)
      : dloss_(dloss.as<float>()), y_(y.as<float>()), target_(target.as<float>()), quantiles_(quantiles.as<float>()),
        dy_(dy.as<float>()), rows_(target.elements()), columns_(quantiles.elements()) {}
  void run(RunContext&) override {
    const double n = static_cast<double>(std::max<int64_t>(1, counted(target_, rows_) * columns_));
    const double factor = static_cast<double>(*dloss_) / n;
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < columns_; ++c) {
        const double e = static_cast<double>(target_[r]) - y_[r * columns_ + c], q = quantiles_[c];
        const double slope = e < 0 ? 1 - q : e > 0 ? -q : 0 * e;   // NaN of y stays
        dy_[r * columns_ + c] = std::isnan(target_[r]) ? 0.0f : static_cast<float>(factor * slope);
      }
    }
  }
  double flops() const override { return 3.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 8.0 * static_cast<double>(rows_ * columns_); }

 private:
  const float *dloss_, *y_, *target_, *quantiles_;
  float* dy_;
  int64_t rows_, columns_;
};

float delta_attribute(const BindContext& context) {
  const double delta = context.number("delta");
  if (!(delta > 0 && delta < 1e30)) attribute_error("delta", "a positive number", delta);
  return static_cast<float>(delta);
}

}  // namespace

std::unique_ptr<Step> bind_huber(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& y = expect(context.input(0), DType::f32, {kAnyDims}, "y");
  const Operand& target = expect_same_shape(context.input(1), y, "target");
  const Operand& loss = expect(context.output(0), DType::f32, {1}, "loss");
  return std::make_unique<Huber>(y, target, delta_attribute(context), loss);
}

std::unique_ptr<Step> bind_huber_grad(BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const Operand& dloss = expect(context.input(0), DType::f32, {1}, "dloss");
  const Operand& y = expect(context.input(1), DType::f32, {kAnyDims}, "y");
  const Operand& target = expect_same_shape(context.input(2), y, "target");
  const Operand& dy = expect_same_shape(context.output(0), y, "dy");
  return std::make_unique<HuberGrad>(dloss, y, target, delta_attribute(context), dy);
}

std::unique_ptr<Step> bind_pinball(BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const Operand& y = expect(context.input(0), DType::f32, {kAnySize, kAnySize}, "y");
  const Operand& target = expect(context.input(1), DType::f32, {y.shape[0]}, "target");
  const Operand& quantiles = expect(context.input(2), DType::f32, {y.shape[1]}, "quantiles");
  return std::make_unique<Pinball>(y, target, quantiles, expect(context.output(0), DType::f32, {1}, "loss"));
}

std::unique_ptr<Step> bind_pinball_grad(BindContext& context) {
  expect_counts(context, 4, 4, 1);
  const Operand& dloss = expect(context.input(0), DType::f32, {1}, "dloss");
  const Operand& y = expect(context.input(1), DType::f32, {kAnySize, kAnySize}, "y");
  const Operand& target = expect(context.input(2), DType::f32, {y.shape[0]}, "target");
  const Operand& quantiles = expect(context.input(3), DType::f32, {y.shape[1]}, "quantiles");
  return std::make_unique<PinballGrad>(dloss, y, target, quantiles, expect_same_shape(context.output(0), y, "dy"));
}

}  // namespace flashbook
