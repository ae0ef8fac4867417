// Step rotary {heads, base, layout, inverse}, operands as in native/engine/steps/rotary.cc. The angles are computed when the step is
// bound, in float64 on the host, as for the CPU.
#include "cuda/rotary/rotary.h"

#include "cuda/engine/device_array.h"
#include "cuda/engine/steps.h"

namespace flashbook {

std::unique_ptr<Step> bind_rotary(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnySize, kAnySize, kAnySize}, "qkv");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  const int64_t heads = integer_attribute(context, "heads", 1, INT32_MAX);
  if (x.columns() < 1 || x.columns() % (6 * heads) != 0) {
    throw BindError("expected a multiple of 6 · heads = " + std::to_string(6 * heads) + " columns for qkv but received " +
                    std::to_string(x.columns()));
  }
  const double base = context.number("base");
  if (!(base >= 1 && base < 1e30)) attribute_error("base", "a number of at least 1", base);
  const std::string layout = context.text("layout", "half");
  if (layout != "half" && layout != "interleaved") {
    throw BindError("expected 'half' or 'interleaved' for attribute layout but received '" + layout + "'");
  }
  const bool inverse = context.flag("inverse", false);
  const cuda::rotary::Shape shape = {.rows = x.rows(), .steps = x.shape[1], .heads = heads, .half = x.columns() / (6 * heads),
                                     .interleaved = layout == "interleaved"};
  std::vector<float> cosines, sines;
  for (int64_t t = 0; t < shape.steps; ++t) {
    for (int64_t i = 0; i < shape.half; ++i) {
      const double angle = static_cast<double>(t) * std::pow(base, -static_cast<double>(i) / static_cast<double>(shape.half));
      cosines.push_back(static_cast<float>(std::cos(angle)));
      sines.push_back(static_cast<float>(inverse ? -std::sin(angle) : std::sin(angle)));
    }
  }
  const float* from = x.as<float>();
  float* to = y.as<float>();
  const double n = static_cast<double>(x.elements());
  return cuda::step({.flops = 2.0 * n, .bytes = 8.0 * n},
                    [=, cos = cuda::DeviceArray<float>(cosines), sin = cuda::DeviceArray<float>(sines)](RunContext&) {
                      return cuda::rotary::turn(shape, from, cos.data(), sin.data(), to, cuda::stream());
                    });
}

}  // namespace flashbook
