// Steps relu, gelu, leaky_relu {slope}, tanh, sigmoid, their gradients, gelu_with_slope, exp, log, add, mul, scale {factor}, standardize {clip}.
// An output may share its memory with an input of the same shape.
#include "cuda/elementwise/elementwise.h"

#include "cuda/engine/steps.h"

namespace flashbook {
namespace {

using namespace cuda::elementwise;

std::unique_ptr<Step> bind_unary(BindContext& context, Unary operation, double flops_each, float parameter = 0.0f) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  const int64_t n = x.elements();
  const float* from = x.as<float>();
  float* to = y.as<float>();
  return cuda::step({.flops = flops_each * static_cast<double>(n), .bytes = 8.0 * static_cast<double>(n)},
                    [=](RunContext&) { return unary(operation, from, parameter, to, n, cuda::stream()); });
}

std::unique_ptr<Step> bind_gradient(BindContext& context, Gradient operation, const char* second, double flops_each,
                                    float parameter = 0.0f) {
  expect_counts(context, 2, 2, 1);
  const Operand& dy = expect(context.input(0), DType::f32, {kAnyDims}, "dy");
  const Operand& x = expect_same_shape(context.input(1), dy, second);
  const Operand& dx = expect_same_shape(context.output(0), dy, "dx");
  const int64_t n = dy.elements();
  const float *from = dy.as<float>(), *at = x.as<float>();
  float* to = dx.as<float>();
  return cuda::step({.flops = flops_each * static_cast<double>(n), .bytes = 12.0 * static_cast<double>(n)},
                    [=](RunContext&) { return gradient(operation, from, at, parameter, to, n, cuda::stream()); });
}

float slope_attribute(const BindContext& context) {
  const double slope = context.number("slope");
  if (!(slope >= 0 && slope <= 1)) attribute_error("slope", "a number from 0 to 1", slope);
  return static_cast<float>(slope);
}

// b has the shape of a, or its last dimensions.
std::unique_ptr<Step> bind_binary(BindContext& context, Binary operation) {
  expect_counts(context, 2, 2, 1);
  const Operand& a = expect(context.input(0), DType::f32, {kAnyDims}, "a");
  const Operand& b = expect(context.input(1), DType::f32, {kAnyDims}, "b");
  const size_t lead = a.shape.size() - std::min(a.shape.size(), b.shape.size());
  if (b.shape.size() > a.shape.size() || !std::equal(b.shape.begin(), b.shape.end(), a.shape.begin() + lead)) {
    throw BindError("expected the last dimensions of a, f32 " + shape_text(a.shape) + ", for b but received f32 " +
                    shape_text(b.shape));
  }
  const Operand& y = expect_same_shape(context.output(0), a, "y");
  const int64_t n = a.elements(), period = b.elements();
  const float *left = a.as<float>(), *right = b.as<float>();
  float* to = y.as<float>();
  return cuda::step({.flops = static_cast<double>(n), .bytes = 4.0 * static_cast<double>(2 * n + period)},
                    [=](RunContext&) { return binary(operation, left, right, to, n, period, cuda::stream()); });
}

}  // namespace

std::unique_ptr<Step> bind_relu(BindContext& context) { return bind_unary(context, Unary::relu, 1); }
std::unique_ptr<Step> bind_gelu(BindContext& context) { return bind_unary(context, Unary::gelu, 22); }
std::unique_ptr<Step> bind_tanh(BindContext& context) { return bind_unary(context, Unary::tanh, 16); }
std::unique_ptr<Step> bind_sigmoid(BindContext& context) { return bind_unary(context, Unary::sigmoid, 14); }
std::unique_ptr<Step> bind_exp(BindContext& context) { return bind_unary(context, Unary::exp, 12); }
std::unique_ptr<Step> bind_log(BindContext& context) { return bind_unary(context, Unary::log, 12); }

// The slope comes first: y may be x.
std::unique_ptr<Step> bind_gelu_with_slope(BindContext& context) {
  expect_counts(context, 1, 1, 2);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  const Operand& slope = expect_same_shape(context.output(1), x, "slope");
  const int64_t n = x.elements();
  const float* from = x.as<float>();
  float *to = y.as<float>(), *to_slope = slope.as<float>();
  return cuda::step({.flops = 48.0 * static_cast<double>(n), .bytes = 12.0 * static_cast<double>(n)}, [=](RunContext&) {
    const cudaError_t status = unary(Unary::gelu_slope, from, 0, to_slope, n, cuda::stream());
    return status != cudaSuccess ? status : unary(Unary::gelu, from, 0, to, n, cuda::stream());
  });
}

std::unique_ptr<Step> bind_leaky_relu(BindContext& context) {
  return bind_unary(context, Unary::leaky_relu, 1, slope_attribute(context));
}
std::unique_ptr<Step> bind_scale(BindContext& context) {
  return bind_unary(context, Unary::scale, 1, static_cast<float>(context.number("factor")));
}

std::unique_ptr<Step> bind_relu_grad(BindContext& context) { return bind_gradient(context, Gradient::relu, "y", 1); }
std::unique_ptr<Step> bind_gelu_grad(BindContext& context) { return bind_gradient(context, Gradient::gelu, "x", 26); }
std::unique_ptr<Step> bind_tanh_grad(BindContext& context) { return bind_gradient(context, Gradient::tanh, "y", 3); }
std::unique_ptr<Step> bind_sigmoid_grad(BindContext& context) { return bind_gradient(context, Gradient::sigmoid, "y", 3); }
std::unique_ptr<Step> bind_leaky_relu_grad(BindContext& context) {
  return bind_gradient(context, Gradient::leaky_relu, "y", 1, slope_attribute(context));
}

std::unique_ptr<Step> bind_add(BindContext& context) { return bind_binary(context, Binary::add); }
std::unique_ptr<Step> bind_mul(BindContext& context) { return bind_binary(context, Binary::mul); }

std::unique_ptr<Step> bind_standardize(BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  const Operand& mean = expect(context.input(1), DType::f32, {x.columns()}, "mean");
  const Operand& inverse_std = expect(context.input(2), DType::f32, {x.columns()}, "inverseStd");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  const double clip = context.number("clip");
  if (!(clip > 0)) attribute_error("clip", "a positive number", clip);
  const int64_t n = x.elements(), columns = x.columns();
  const float *from = x.as<float>(), *m = mean.as<float>(), *s = inverse_std.as<float>();
  float* to = y.as<float>();
  return cuda::step({.flops = 2.0 * static_cast<double>(n), .bytes = 8.0 * static_cast<double>(n + columns)}, [=](RunContext&) {
    return standardize(from, m, s, static_cast<float>(clip), to, n, columns, cuda::stream());
  });
}

}  // namespace flashbook
