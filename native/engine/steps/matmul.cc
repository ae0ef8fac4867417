// matmul: y = (op(a)·op(b))∘factor + residual, a and b seen as matrices of their last dimension and all others; op transposes
// where transA, transB say so; factor and residual may be absent. With transB it is a linear layer without bias, with neither its dx, with transA its dw.
#include "engine/steps/gemm_run.h"
#include "engine/steps/operands.h"

namespace flashbook {
namespace {

class MatMul final : public Step {
 public:
  explicit MatMul(BindContext& context) {
    expect_counts(context, 2, 4, 1);
    const Operand& a = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "a");
    const Operand& b = expect(context.input(1), DType::f32, {kAnyDims, kAnySize}, "b");
    const Operand& y = context.output(0);
    const bool trans_a = context.flag("transA", false), trans_b = context.flag("transB", false);
    gemm::Problem problem;
    problem.m = trans_a ? a.columns() : leading(a);
    problem.k = trans_a ? leading(a) : a.columns();
    problem.n = trans_b ? leading(b) : b.columns();
    const int64_t k_of_b = trans_b ? b.columns() : leading(b);
    if (k_of_b != problem.k) {
      throw BindError("expected the inner dimensions of a " + pattern_text(a.shape) + " and b " + pattern_text(b.shape) +
                      " to be equal but received " + std::to_string(problem.k) + " and " + std::to_string(k_of_b));
    }
    std::vector<int64_t> out_shape = {problem.m, problem.n};
    if (!trans_a) {
      out_shape.assign(a.shape.begin(), a.shape.end());
      out_shape.back() = problem.n;
    }
    expect(y, DType::f32, out_shape, "y");
    problem.a = a.as<float>();
    problem.a_row = trans_a ? 1 : problem.k;
    problem.a_col = trans_a ? problem.m : 1;
    problem.b = b.as<float>();
    problem.b_row = trans_b ? 1 : problem.n;
    problem.b_col = trans_b ? problem.k : 1;
    problem.c = y.as<float>();
    expect_apart(y, a, "a");
    expect_apart(y, b, "b");
    const auto elementwise = [&](size_t i, const char* name) -> const float* {
      if (!context.has_input(i)) return nullptr;
      const Operand& operand = expect_same_shape(context.input(i), y, name);
      expect_apart(y, operand, name);
      return operand.as<float>();
    };
    problem.factor = elementwise(2, "factor");
    problem.residual = elementwise(3, "residual");
    gemm_.bind(context, problem, b);
  }

  void run(RunContext& context) override { gemm_.run(context); }
  double flops() const override { return gemm_.flops(); }
  double bytes() const override { return gemm_.bytes(); }

 private:
  // Product of all dimensions but the last; unlike rows(), right where the last is 0.
  static int64_t leading(const Operand& operand) {
    int64_t n = 1;
    for (size_t i = 0; i + 1 < operand.shape.size(); i++) n *= operand.shape[i];
    return n;
  }

  GemmRun gemm_;
};

}  // namespace

std::unique_ptr<Step> bind_matmul(BindContext& context) { return std::make_unique<MatMul>(context); }

}  // namespace flashbook
