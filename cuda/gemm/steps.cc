// Steps linear {activation, precision}: y = activation(x·wᵀ + bias) + residual, and matmul {transA, transB, precision}:
// y = (op(a)·op(b))∘factor + residual, checked as in
// native/engine/steps/linear.cc and matmul.cc. With bf16 the weights of a frozen plan are rounded and packed once.
#include "cuda/gemm/attributes.h"

namespace flashbook {
namespace {

using cuda::gemm::Problem;

// `b` is the operand behind problem.b.
std::unique_ptr<Step> product(BindContext& context, Problem problem, const Operand& b) {
  if (problem.n > cuda::gemm::kMaxColumns || problem.k > cuda::gemm::kMaxInner) {
    throw BindError("expected at most " + std::to_string(cuda::gemm::kMaxColumns) + " columns and " +
                    std::to_string(cuda::gemm::kMaxInner) + " summands but received " + std::to_string(problem.n) + " and " +
                    std::to_string(problem.k));
  }
  const size_t packed = cuda::gemm::packed_b_bytes(problem);
  if (packed > 0 && context.frozen() && b.is_state) {
    const std::string layout = std::string("cuda.gemm.bf16") + (problem.b_row == 1 ? "" : ".transposed");
    problem.packed_b = context.packed(b, layout, packed, [=](void* to) {
      cuda::check(cuda::gemm::pack_b(problem, to, cuda::stream()), "packing of weights");
    });
  }
  context.workspace(cuda::gemm::workspace_bytes(problem));
  const double m = static_cast<double>(problem.m), n = static_cast<double>(problem.n), k = static_cast<double>(problem.k);
  return cuda::step({.flops = 2 * m * n * k, .bytes = 4 * (m * k + k * n + m * n * (1 + (problem.factor != nullptr) + (problem.residual != nullptr)))},
                    [=](RunContext& run) { return cuda::gemm::run(problem, run.workspace, cuda::stream()); });
}

// Product of all dimensions but the last; unlike rows(), right where the last is 0.
int64_t leading(const Operand& operand) {
  int64_t n = 1;
  for (size_t i = 0; i + 1 < operand.shape.size(); i++) n *= operand.shape[i];
  return n;
}

}  // namespace

std::unique_ptr<Step> bind_linear(BindContext& context) {
  expect_counts(context, 2, 4, 1);
  const Operand& x = context.input(0);
  const Operand& w = expect(context.input(1), DType::f32, {kAnySize, kAnySize}, "w");
  const Operand& y = context.output(0);
  Problem problem;
  problem.n = w.shape[0];
  problem.k = w.shape[1];
  expect(x, DType::f32, {kAnyDims, problem.k}, "x");
  std::vector<int64_t> out_shape(x.shape.begin(), x.shape.end() - 1);
  out_shape.push_back(problem.n);
  expect(y, DType::f32, out_shape, "y");
  problem.m = problem.n == 0 ? 0 : y.elements() / problem.n;
  problem.a = x.as<float>();
  problem.a_row = problem.k;
  problem.a_col = 1;
  problem.b = w.as<float>();
  problem.b_row = 1;
  problem.b_col = problem.k;
  problem.c = y.as<float>();
  problem.activation = cuda::activation_attribute(context);
  problem.precision = cuda::precision_attribute(context);
  expect_apart(y, x, "x");
  expect_apart(y, w, "w");
  if (context.has_input(2)) {
    const Operand& bias = expect(context.input(2), DType::f32, {problem.n}, "bias");
    expect_apart(y, bias, "bias");
    problem.bias = bias.as<float>();
  }
  if (context.has_input(3)) {
    const Operand& residual = expect_same_shape(context.input(3), y, "residual");
    expect_apart(y, residual, "residual");
    problem.residual = residual.as<float>();
  }
  return product(context, problem, w);
}

std::unique_ptr<Step> bind_matmul(BindContext& context) {
  expect_counts(context, 2, 4, 1);
  const Operand& a = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "a");
  const Operand& b = expect(context.input(1), DType::f32, {kAnyDims, kAnySize}, "b");
  const Operand& y = context.output(0);
  const bool trans_a = context.flag("transA", false), trans_b = context.flag("transB", false);
  Problem problem;
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
  problem.precision = cuda::precision_attribute(context);
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
  return product(context, problem, b);
}

}  // namespace flashbook
