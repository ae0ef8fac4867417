// Step dropout {p, stream}: kernels/dropout/dropout.h has the formula.
//   x, rng u32 (4) = [seed low, seed high, step, unused] → y. Its gradient is the same step on dy. y may share memory with x.
#include "kernels/dropout/dropout.h"

#include <cmath>

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 32768;   // elements in about ten microseconds

class Dropout final : public Step {
 public:
  Dropout(const DropoutKernels& kernels, const Operand& x, const Operand& rng, double p, uint32_t stream, const Operand& y)
      : kernels_(kernels), x_(x.as<float>()), rng_(rng.as<uint32_t>()), y_(y.as<float>()), n_(x.elements()) {
    draw_.stream = stream;
    draw_.threshold = static_cast<uint64_t>(std::floor(p * 4294967296.0));
    draw_.scale = static_cast<float>(1.0 / (1.0 - p));
  }
  void run(RunContext& context) override {
    DropoutDraw draw = draw_;
    draw.seed_low = rng_[0];
    draw.seed_high = rng_[1];
    draw.step = rng_[2];
    split_range(context.pool, n_, 64, kPerPiece, [&](int64_t begin, int64_t end) {
      kernels_.dropout(x_ + begin, y_ + begin, begin, end - begin, draw);
    });
  }
  double flops() const override { return static_cast<double>(n_); }
  double bytes() const override { return 8.0 * static_cast<double>(n_); }

 private:
  const DropoutKernels& kernels_;
  const float* x_;
  const uint32_t* rng_;
  float* y_;
  int64_t n_;
  DropoutDraw draw_{};
};

}  // namespace

std::unique_ptr<Step> bind_dropout(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  const Operand& rng = expect(context.input(1), DType::u32, {4}, "rng");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  const double p = context.number("p");
  if (!(p >= 0 && p <= 1)) attribute_error("p", "a probability from 0 to 1", p);
  const auto stream = static_cast<uint32_t>(integer_attribute(context, "stream", 0, UINT32_MAX));
  return std::make_unique<Dropout>(dropout_table(context.isa()), x, rng, p, stream, y);
}

}  // namespace flashbook
