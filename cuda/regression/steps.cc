// Steps huber {delta}, huber_grad {delta}, pinball, pinball_grad, operands as in native/engine/steps/regression.cc.
#include "cuda/regression/regression.h"

#include "cuda/engine/steps.h"

namespace flashbook {
namespace {

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
  float* loss = expect(context.output(0), DType::f32, {1}, "loss").as<float>();
  const float delta = delta_attribute(context);
  const float *from = y.as<float>(), *t = target.as<float>();
  const int64_t n = y.elements();
  return cuda::step({.flops = 5.0 * static_cast<double>(n), .bytes = 8.0 * static_cast<double>(n)},
                    [=](RunContext&) { return cuda::regression::huber(from, t, delta, loss, n, cuda::stream()); });
}

std::unique_ptr<Step> bind_huber_grad(BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const Operand& dloss = expect(context.input(0), DType::f32, {1}, "dloss");
  const Operand& y = expect(context.input(1), DType::f32, {kAnyDims}, "y");
  const Operand& target = expect_same_shape(context.input(2), y, "target");
  const Operand& dy = expect_same_shape(context.output(0), y, "dy");
  const float delta = delta_attribute(context);
  const float *d = dloss.as<float>(), *from = y.as<float>(), *t = target.as<float>();
  float* to = dy.as<float>();
  const int64_t n = y.elements();
  return cuda::step({.flops = 4.0 * static_cast<double>(n), .bytes = 12.0 * static_cast<double>(n)},
                    [=](RunContext&) { return cuda::regression::huber_grad(d, from, t, delta, to, n, cuda::stream()); });
}

std::unique_ptr<Step> bind_pinball(BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const Operand& y = expect(context.input(0), DType::f32, {kAnySize, kAnySize}, "y");
  const Operand& target = expect(context.input(1), DType::f32, {y.shape[0]}, "target");
  const Operand& quantiles = expect(context.input(2), DType::f32, {y.shape[1]}, "quantiles");
  float* loss = expect(context.output(0), DType::f32, {1}, "loss").as<float>();
  const float *from = y.as<float>(), *t = target.as<float>(), *q = quantiles.as<float>();
  const int64_t rows = target.elements(), columns = quantiles.elements();
  return cuda::step({.flops = 4.0 * static_cast<double>(rows * columns), .bytes = 4.0 * static_cast<double>(rows * (columns + 1))},
                    [=](RunContext&) { return cuda::regression::pinball(from, t, q, loss, rows, columns, cuda::stream()); });
}

std::unique_ptr<Step> bind_pinball_grad(BindContext& context) {
  expect_counts(context, 4, 4, 1);
  const Operand& dloss = expect(context.input(0), DType::f32, {1}, "dloss");
  const Operand& y = expect(context.input(1), DType::f32, {kAnySize, kAnySize}, "y");
  const Operand& target = expect(context.input(2), DType::f32, {y.shape[0]}, "target");
  const Operand& quantiles = expect(context.input(3), DType::f32, {y.shape[1]}, "quantiles");
  float* to = expect_same_shape(context.output(0), y, "dy").as<float>();
  const float *d = dloss.as<float>(), *from = y.as<float>(), *t = target.as<float>(), *q = quantiles.as<float>();
  const int64_t rows = target.elements(), columns = quantiles.elements();
  return cuda::step({.flops = 3.0 * static_cast<double>(rows * columns), .bytes = 8.0 * static_cast<double>(rows * columns)},
                    [=](RunContext&) { return cuda::regression::pinball_grad(d, from, t, q, to, rows, columns, cuda::stream()); });
}

}  // namespace flashbook
