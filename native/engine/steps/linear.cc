// linear: y = activation(x·wᵀ + bias) + residual. x (…,K), w (N,K), bias (N)?, residual (…,N)? → y (…,N)
#include "engine/steps/gemm_run.h"
#include "engine/steps/operands.h"

namespace flashbook {
namespace {

class Linear final : public Step {
 public:
  explicit Linear(BindContext& context) {
    expect_counts(context, 2, 4, 1);
    const Operand& x = context.input(0);
    const Operand& w = expect(context.input(1), DType::f32, {kAnySize, kAnySize}, "w");
    const Operand& y = context.output(0);
    const int64_t k = w.shape[1], n = w.shape[0];
    expect(x, DType::f32, {kAnyDims, k}, "x");
    std::vector<int64_t> out_shape(x.shape.begin(), x.shape.end() - 1);
    out_shape.push_back(n);
    expect(y, DType::f32, out_shape, "y");
    gemm::Problem problem;
    problem.m = n == 0 ? 0 : y.elements() / n;
    problem.n = n;
    problem.k = k;
    problem.a = x.as<float>();
    problem.a_row = k;
    problem.a_col = 1;
    problem.b = w.as<float>();
    problem.b_row = 1;
    problem.b_col = k;
    problem.c = y.as<float>();
    problem.activation = activation_attribute(context);
    expect_apart(y, x, "x");
    expect_apart(y, w, "w");
    if (context.has_input(2)) {
      const Operand& bias = expect(context.input(2), DType::f32, {n}, "bias");
      expect_apart(y, bias, "bias");
      problem.bias = bias.as<float>();
    }
    if (context.has_input(3)) {
      const Operand& residual = expect_same_shape(context.input(3), y, "residual");
      expect_apart(y, residual, "residual");
      problem.residual = residual.as<float>();
    }
    gemm_.bind(context, problem, w);
  }

  void run(RunContext& context) override { gemm_.run(context); }
  double flops() const override { return gemm_.flops(); }
  double bytes() const override { return gemm_.bytes(); }

 private:
  GemmRun gemm_;
};

}  // namespace

std::unique_ptr<Step> bind_linear(BindContext& context) { return std::make_unique<Linear>(context); }

}  // namespace flashbook
