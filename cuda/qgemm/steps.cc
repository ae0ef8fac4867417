// Steps qlinear {activation}: y = activation(x·wᵀ + bias) + residual with int8 weights and activations quantised row by row as they
// come, and quantise_rows, the same quantisation alone; checked as in native/engine/steps/qlinear.cc.
#include "cuda/gemm/attributes.h"
#include "cuda/qgemm/qgemm.h"

namespace flashbook {

std::unique_ptr<Step> bind_qlinear(BindContext& context) {
  expect_counts(context, 3, 5, 1);
  const Operand& x = context.input(0);
  const Operand& w = expect(context.input(1), DType::i8, {kAnySize, kAnySize}, "wq");
  const Operand& y = context.output(0);
  cuda::qgemm::Problem problem;
  problem.n = w.shape[0];
  problem.k = w.shape[1];
  if (problem.k < 1 || problem.k > cuda::qgemm::kMaxInner) {
    throw BindError("expected at least 1 and at most " + std::to_string(cuda::qgemm::kMaxInner) + " columns for wq but received " +
                    std::to_string(problem.k) + ": sums would not fit 32 bits");
  }
  if (problem.n > cuda::gemm::kMaxColumns) {
    throw BindError("expected at most " + std::to_string(cuda::gemm::kMaxColumns) + " rows for wq but received " +
                    std::to_string(problem.n));
  }
  const Operand& scale = expect(context.input(2), DType::f32, {problem.n}, "wscale");
  expect(x, DType::f32, {kAnyDims, problem.k}, "x");
  std::vector<int64_t> out_shape(x.shape.begin(), x.shape.end() - 1);
  out_shape.push_back(problem.n);
  expect(y, DType::f32, out_shape, "y");
  problem.m = problem.n == 0 ? 0 : y.elements() / problem.n;
  problem.x = x.as<float>();
  problem.w = w.as<int8_t>();
  problem.w_scale = scale.as<float>();
  problem.y = y.as<float>();
  problem.activation = cuda::activation_attribute(context);
  expect_apart(y, x, "x");
  expect_apart(y, w, "wq");
  expect_apart(y, scale, "wscale");
  if (context.has_input(3)) {
    const Operand& bias = expect(context.input(3), DType::f32, {problem.n}, "bias");
    expect_apart(y, bias, "bias");
    problem.bias = bias.as<float>();
  }
  if (context.has_input(4)) {
    const Operand& residual = expect_same_shape(context.input(4), y, "residual");
    expect_apart(y, residual, "residual");
    problem.residual = residual.as<float>();
  }
  const size_t packed = cuda::qgemm::packed_w_bytes(problem);
  if (packed > 0 && context.frozen() && w.is_state) {
    problem.packed_w = context.packed(w, "cuda.qgemm.i8", packed, [=](void* to) {
      cuda::check(cuda::qgemm::pack_w(problem, to, cuda::stream()), "packing of weights");
    });
  }
  context.workspace(cuda::qgemm::workspace_bytes(problem));
  const double m = static_cast<double>(problem.m), n = static_cast<double>(problem.n), k = static_cast<double>(problem.k);
  return cuda::step({.flops = 2 * m * n * k, .bytes = 4 * m * k + n * k + 4 * m * n * (problem.residual != nullptr ? 2 : 1)},
                    [=](RunContext& run) { return cuda::qgemm::run(problem, run.workspace, cuda::stream()); });
}

std::unique_ptr<Step> bind_quantise_rows(BindContext& context) {
  expect_counts(context, 1, 1, 2);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  const Operand& q = expect(context.output(0), DType::i8, x.shape, "q");
  const std::vector<int64_t> scale_shape(x.shape.begin(), x.shape.end() - 1);
  const Operand& scale = expect(context.output(1), DType::f32, scale_shape, "scale");
  expect_apart(q, x, "x");
  expect_apart(scale, x, "x");
  const int64_t rows = x.rows(), columns = x.columns();
  const float* from = x.as<float>();
  int8_t* to = q.as<int8_t>();
  float* scales = scale.as<float>();
  return cuda::step({.bytes = 5.0 * static_cast<double>(rows * columns)}, [=](RunContext&) {
    return cuda::qgemm::quantise_rows(from, rows, columns, to, scales, cuda::stream());
  });
}

}  // namespace flashbook
