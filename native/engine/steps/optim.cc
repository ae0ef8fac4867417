// Step adamw {weightDecay}: kernels/optim/optim.h has the formulas.
//   param, grad, m, v (one shape), hyper (8), coefficient? (1) → param, m, v: the same tensors as the inputs, updated in place
//   hyper = [learning rate, beta1, beta2, eps, 1 − beta1ᵗ, 1 − beta2ᵗ, 0, 0], read at every run
#include "kernels/optim/optim.h"

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 32768;   // elements in about ten microseconds

class Adamw final : public Step {
 public:
  Adamw(const OptimKernels& kernels, const Operand& param, const float* grad, float* m, float* v, const float* hyper,
        const float* coefficient, float weight_decay)
      : kernels_(kernels), param_(param.as<float>()), grad_(grad), m_(m), v_(v), hyper_(hyper), coefficient_(coefficient),
        weight_decay_(weight_decay), n_(param.elements()) {}

  void run(RunContext& context) override {
    const AdamwSettings settings = {.learning_rate = hyper_[0], .beta1 = hyper_[1], .beta2 = hyper_[2], .eps = hyper_[3],
                                    .correction1 = hyper_[4], .correction2 = hyper_[5], .weight_decay = weight_decay_,
                                    .coefficient = coefficient_ ? *coefficient_ : 1.0f};
    split_range(context.pool, n_, 64, kPerPiece, [&](int64_t begin, int64_t end) {
      kernels_.adamw(param_ + begin, grad_ + begin, m_ + begin, v_ + begin, end - begin, settings);
    });
  }
  double flops() const override { return 14.0 * static_cast<double>(n_); }
  double bytes() const override { return 28.0 * static_cast<double>(n_); }

 private:
  const OptimKernels& kernels_;
  float* param_;
  const float* grad_;
  float *m_, *v_;
  const float *hyper_, *coefficient_;
  float weight_decay_;
  int64_t n_;
};

void expect_in_place(const Operand& output, const Operand& input, const char* name) {
  if (output.data != input.data) {
    throw BindError(std::string("expected output ") + name + " to be the same tensor as the input but received '" + output.name +
                    "' for '" + input.name + "'");
  }
}

}  // namespace

std::unique_ptr<Step> bind_adamw(BindContext& context) {
  expect_counts(context, 5, 6, 3);
  const Operand& param = expect(context.input(0), DType::f32, {kAnyDims}, "param");
  const Operand& grad = expect_same_shape(context.input(1), param, "grad");
  const Operand& m = expect_same_shape(context.input(2), param, "m");
  const Operand& v = expect_same_shape(context.input(3), param, "v");
  const Operand& hyper = expect(context.input(4), DType::f32, {8}, "hyper");
  const float* coefficient =
      context.has_input(5) ? expect(context.input(5), DType::f32, {1}, "coefficient").as<float>() : nullptr;
  expect_in_place(expect_same_shape(context.output(0), param, "param"), param, "param");
  expect_in_place(expect_same_shape(context.output(1), param, "m"), m, "m");
  expect_in_place(expect_same_shape(context.output(2), param, "v"), v, "v");
  const double weight_decay = context.number("weightDecay");
  if (!(weight_decay >= 0)) attribute_error("weightDecay", "a number of at least 0", weight_decay);
  return std::make_unique<Adamw>(optim_table(context.isa()), param, grad.as<float>(), m.as<float>(), v.as<float>(),
                                 hyper.as<float>(), coefficient, static_cast<float>(weight_decay));
}

}  // namespace flashbook
