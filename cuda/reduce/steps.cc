// Steps sum_rows and sum_squares, operands as in native/engine/steps/reduce.cc.
#include "cuda/reduce/reduce.h"

#include "cuda/engine/steps.h"

namespace flashbook {

std::unique_ptr<Step> bind_sum_rows(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  const Operand& out = expect(context.output(0), DType::f32, {x.columns()}, "sum");
  const int64_t rows = x.rows(), columns = x.columns();
  context.workspace(cuda::reduce::sum_rows_workspace_bytes(rows, columns));
  const float* from = x.as<float>();
  float* to = out.as<float>();
  return cuda::step({.flops = static_cast<double>(rows * columns), .bytes = 4.0 * static_cast<double>((rows + 1) * columns)},
                    [=](RunContext& run) { return cuda::reduce::sum_rows(from, to, rows, columns, run.workspace, cuda::stream()); });
}

std::unique_ptr<Step> bind_sum_squares(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  float* to = expect(context.output(0), DType::f32, {1}, "sum").as<float>();
  const int64_t n = x.elements(), chunks = cuda::reduce::squares_chunks(n);
  context.workspace(static_cast<size_t>(chunks) * sizeof(double));
  const float* from = x.as<float>();
  return cuda::step({.flops = 2.0 * static_cast<double>(n), .bytes = 4.0 * static_cast<double>(n)}, [=](RunContext& run) {
    double* partial = reinterpret_cast<double*>(run.workspace);
    const cudaError_t status = cuda::reduce::chunk_squares(from, n, partial, cuda::stream());
    return status != cudaSuccess ? status : cuda::reduce::add_doubles(partial, chunks, to, cuda::stream());
  });
}

}  // namespace flashbook
