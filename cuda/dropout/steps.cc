// Steps dropout, gelu_dropout, gelu_dropout_with_slope, gelu_dropout_grad, dropout_add, drop_path {p, stream}, operands as in
// native/engine/steps/dropout.cc.
#include "cuda/dropout/dropout.h"

#include "cuda/engine/steps.h"

namespace flashbook {
namespace {

using namespace cuda::dropout;

Draw draw_of(const BindContext& context, const Operand& rng) {
  const double p = context.number("p");
  if (!(p >= 0 && p <= 1)) attribute_error("p", "a probability from 0 to 1", p);
  const auto stream = static_cast<uint32_t>(integer_attribute(context, "stream", 0, UINT32_MAX));
  const auto threshold = static_cast<uint32_t>(std::floor(p * 65536.0 + 0.5));
  return {.rng = rng.as<uint32_t>(), .stream = stream, .threshold = threshold,
          .scale = static_cast<float>(65536.0 / (65536.0 - threshold))};
}

std::unique_ptr<Step> bind_unary(BindContext& context, decltype(&plain) launch) {
  expect_counts(context, 2, 2, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  const Operand& rng = expect(context.input(1), DType::u32, {4}, "rng");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  const Draw draw = draw_of(context, rng);
  const float* from = x.as<float>();
  float* to = y.as<float>();
  const int64_t n = x.elements();
  return cuda::step({.flops = static_cast<double>(n), .bytes = 8.0 * static_cast<double>(n)},
                    [=](RunContext&) { return launch(from, to, n, draw, cuda::stream()); });
}

std::unique_ptr<Step> bind_binary(BindContext& context, decltype(&add) launch, const char* a_name, const char* b_name,
                                  const char* y_name) {
  expect_counts(context, 3, 3, 1);
  const Operand& a = expect(context.input(0), DType::f32, {kAnyDims}, a_name);
  const Operand& b = expect_same_shape(context.input(1), a, b_name);
  const Operand& rng = expect(context.input(2), DType::u32, {4}, "rng");
  const Operand& y = expect_same_shape(context.output(0), a, y_name);
  const Draw draw = draw_of(context, rng);
  const float *left = a.as<float>(), *right = b.as<float>();
  float* to = y.as<float>();
  const int64_t n = a.elements();
  return cuda::step({.flops = static_cast<double>(n), .bytes = 12.0 * static_cast<double>(n)},
                    [=](RunContext&) { return launch(left, right, to, n, draw, cuda::stream()); });
}

}  // namespace

std::unique_ptr<Step> bind_dropout(BindContext& context) { return bind_unary(context, plain); }
std::unique_ptr<Step> bind_gelu_dropout(BindContext& context) { return bind_unary(context, cuda::dropout::gelu); }

// The slope comes first: y may be x.
std::unique_ptr<Step> bind_gelu_dropout_with_slope(BindContext& context) {
  expect_counts(context, 2, 2, 2);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  const Operand& rng = expect(context.input(1), DType::u32, {4}, "rng");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  const Operand& slope = expect_same_shape(context.output(1), x, "slope");
  const Draw draw = draw_of(context, rng);
  const float* from = x.as<float>();
  float *to = y.as<float>(), *to_slope = slope.as<float>();
  const int64_t n = x.elements();
  return cuda::step({.flops = static_cast<double>(n), .bytes = 12.0 * static_cast<double>(n)}, [=](RunContext&) {
    const cudaError_t status = gelu_slope(from, to_slope, n, draw, cuda::stream());
    return status != cudaSuccess ? status : cuda::dropout::gelu(from, to, n, draw, cuda::stream());
  });
}

std::unique_ptr<Step> bind_gelu_dropout_grad(BindContext& context) { return bind_binary(context, gelu_grad, "dy", "x", "dx"); }
std::unique_ptr<Step> bind_dropout_add(BindContext& context) { return bind_binary(context, add, "x", "residual", "y"); }

std::unique_ptr<Step> bind_drop_path(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  const Operand& rng = expect(context.input(1), DType::u32, {4}, "rng");
  float* to = expect_same_shape(context.output(0), x, "y").as<float>();
  const Draw draw = draw_of(context, rng);
  const float* from = x.as<float>();
  const int64_t samples = x.shape[0], n = x.elements(), size = samples == 0 ? 0 : n / samples;
  return cuda::step({.flops = static_cast<double>(n), .bytes = 8.0 * static_cast<double>(n)},
                    [=](RunContext&) { return path(from, to, samples, size, draw, cuda::stream()); });
}

}  // namespace flashbook
