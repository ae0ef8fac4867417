// Steps layer_norm {eps} and layer_norm_grad, operands as in native/engine/steps/norm.cc.
#include "cuda/norm/norm.h"

#include "cuda/engine/steps.h"

namespace flashbook {
namespace {

void expect_columns(const Operand& x) {
  if (x.columns() < 1) throw BindError("expected at least one column for x but received f32 " + shape_text(x.shape));
  if (x.columns() > INT32_MAX) throw BindError("expected fewer than 2^31 columns for x but received f32 " + shape_text(x.shape));
}

// One value a row: (rows), or the leading dimensions of x.
const Operand& expect_row_values(const Operand& operand, const Operand& x, const char* name) {
  const std::vector<int64_t> leading(x.shape.begin(), x.shape.end() - 1);
  if (operand.dtype == DType::f32 && operand.shape == leading) return operand;
  return expect(operand, DType::f32, {x.rows()}, name);
}

}  // namespace

std::unique_ptr<Step> bind_layer_norm(BindContext& context) {
  expect_counts(context, 3, 3, context.output_count() == 1 ? 1 : 3);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  expect_columns(x);
  const Operand& gamma = expect(context.input(1), DType::f32, {x.columns()}, "gamma");
  const Operand& beta = expect(context.input(2), DType::f32, {x.columns()}, "beta");
  const double eps = context.number("eps");
  if (!(eps >= 0)) attribute_error("eps", "a number of at least 0", eps);
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  const bool statistics = context.output_count() == 3;
  float* mean = statistics ? expect_row_values(context.output(1), x, "mean").as<float>() : nullptr;
  float* rstd = statistics ? expect_row_values(context.output(2), x, "rstd").as<float>() : nullptr;
  const int64_t rows = x.rows(), columns = x.columns();
  const float *from = x.as<float>(), *g = gamma.as<float>(), *b = beta.as<float>();
  float* to = y.as<float>();
  return cuda::step({.flops = 7.0 * static_cast<double>(rows * columns), .bytes = 8.0 * static_cast<double>((rows + 1) * columns)},
                    [=](RunContext&) {
                      return cuda::norm::forward(from, g, b, static_cast<float>(eps), to, mean, rstd, rows, columns, cuda::stream());
                    });
}

std::unique_ptr<Step> bind_layer_norm_grad(BindContext& context) {
  expect_counts(context, 5, 6, 3);
  const Operand& dy = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "dy");
  const Operand& x = expect_same_shape(context.input(1), dy, "x");
  expect_columns(x);
  const Operand& gamma = expect(context.input(2), DType::f32, {x.columns()}, "gamma");
  const Operand& mean = expect_row_values(context.input(3), x, "mean");
  const Operand& rstd = expect_row_values(context.input(4), x, "rstd");
  const Operand& dx = expect_same_shape(context.output(0), dy, "dx");
  const Operand& dgamma = expect(context.output(1), DType::f32, {x.columns()}, "dgamma");
  const Operand& dbeta = expect(context.output(2), DType::f32, {x.columns()}, "dbeta");
  const float* residual = context.has_input(5) ? expect_same_shape(context.input(5), dy, "residual").as<float>() : nullptr;
  const int64_t rows = x.rows(), columns = x.columns();
  context.workspace(cuda::norm::backward_workspace_bytes(rows, columns));
  const float *d = dy.as<float>(), *at = x.as<float>(), *g = gamma.as<float>(), *m = mean.as<float>(), *r = rstd.as<float>();
  float *to = dx.as<float>(), *to_gamma = dgamma.as<float>(), *to_beta = dbeta.as<float>();
  return cuda::step({.flops = 15.0 * static_cast<double>(rows * columns), .bytes = 12.0 * static_cast<double>((rows + 1) * columns)},
                    [=](RunContext& run) {
                      return cuda::norm::backward(d, at, g, m, r, residual, to, to_gamma, to_beta, rows, columns, run.workspace, cuda::stream());
                    });
}

}  // namespace flashbook
