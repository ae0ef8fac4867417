// Step rotary {heads, base, layout, inverse}: qkv (B,T,3D) → the same shape, queries and keys turned by the angles of their steps.
// kernels/rotary/rotary.h has the formulas.
#include "kernels/rotary/rotary.h"

#include <cmath>

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 65536;   // elements in about ten microseconds

class Rotary final : public Step {
 public:
  using Kernel = decltype(RotaryKernels::half);

  Rotary(Kernel kernel, const Operand& x, const Operand& y, int64_t heads, double base, bool inverse)
      : kernel_(kernel), x_(x.as<float>()), y_(y.as<float>()), rows_(x.rows()), steps_(x.shape[1]), columns_(x.columns()),
        heads_(heads), half_(columns_ / (6 * heads)), cos_(static_cast<size_t>(steps_ * half_)), sin_(cos_.size()) {
    for (int64_t t = 0; t < steps_; ++t) {
      for (int64_t i = 0; i < half_; ++i) {
        const double angle = static_cast<double>(t) * std::pow(base, -static_cast<double>(i) / static_cast<double>(half_));
        const size_t at = static_cast<size_t>(t * half_ + i);
        cos_[at] = static_cast<float>(std::cos(angle));
        sin_[at] = static_cast<float>(inverse ? -std::sin(angle) : std::sin(angle));
      }
    }
  }

  void run(RunContext& context) override {
    split_range(context.pool, rows_, 1, kPerPiece / columns_ + 1, [this](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t at = row % steps_ * half_;
        kernel_(x_ + row * columns_, cos_.data() + at, sin_.data() + at, y_ + row * columns_, heads_, half_);
      }
    });
  }
  double flops() const override { return 2.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 8.0 * static_cast<double>(rows_ * columns_); }

 private:
  Kernel kernel_;
  const float* x_;
  float* y_;
  int64_t rows_, steps_, columns_, heads_, half_;
  std::vector<float> cos_, sin_;
};

}  // namespace

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
  const RotaryKernels& kernels = rotary_table(context.isa());
  return std::make_unique<Rotary>(layout == "half" ? kernels.half : kernels.interleaved, x, y, heads, base,
                                  context.flag("inverse", false));
}

}  // namespace flashbook
