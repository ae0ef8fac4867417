// Steps qlinear {activation}: y = activation(x·wᵀ + bias) + residual with int8 weights and activations quantised row by row as they
// come, and quantise_rows, the same quantisation alone; operands as on the processor.
#include "cuda/gemm/attributes.h"
#include "cuda/qgemm/qgemm.h"
#include "engine/steps/product_operands.h"

namespace flashbook {

std::unique_ptr<Step> bind_qlinear(BindContext& context) {
  cuda::qgemm::Problem problem;
  expect_peak_counts(context);
  const Operand& w = read_qlinear(context, problem, cuda::qgemm::kMaxInner);
  problem.activation = cuda::activation_attribute(context);
  const PeakOperands peaks = read_peaks(context);
  if (peaks.of_x != nullptr || peaks.of_y != nullptr) {
    throw BindError("peaks of rows are not passed on by CUDA; run this plan on the processor");
  }
  if (problem.n > cuda::gemm::kMaxColumns) {
    throw BindError("expected at most " + std::to_string(cuda::gemm::kMaxColumns) + " rows for wq but received " +
                    std::to_string(problem.n));
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
