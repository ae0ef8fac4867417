// Step log: x → y = log x, any shape; y may be x. Probabilities of an ensemble are few: plain loops in float64 on one thread.
#include <cmath>

#include "engine/step.h"
#include "engine/steps/operands.h"

namespace flashbook {
namespace {

class Log final : public Step {
 public:
  Log(const Operand& x, const Operand& y) : x_(x.as<float>()), y_(y.as<float>()), n_(x.elements()) {}
  void run(RunContext&) override {
    for (int64_t i = 0; i < n_; ++i) y_[i] = static_cast<float>(std::log(static_cast<double>(x_[i])));
  }
  double flops() const override { return 12.0 * static_cast<double>(n_); }
  double bytes() const override { return 8.0 * static_cast<double>(n_); }

 private:
  const float* x_;
  float* y_;
  int64_t n_;
};

}  // namespace

std::unique_ptr<Step> bind_log(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  return std::make_unique<Log>(x, expect_same_shape(context.output(0), x, "y"));
}

}  // namespace flashbook
