// Steps max_pool2d, max_pool2d_grad {kernelH, kernelW and the attributes of window.h}: kernels/conv/conv.h has the definitions.
//   max_pool2d        x (B,H,W,C) → y (B,H',W',C)
//   max_pool2d_grad   dy (B,H',W',C), x → dx (B,H,W,C)
#include <cstring>

#include "engine/step.h"
#include "engine/steps/gemm_run.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"
#include "engine/steps/window.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 32768;   // elements in about ten microseconds

class MaxPool2d final : public Step {
 public:
  MaxPool2d(const ConvKernels& kernels, const Window& window, const Operand& x, const Operand& y)
      : kernels_(kernels), s_(window), x_(x.as<float>()), y_(y.as<float>()) {}
  void run(RunContext& context) override {
    split_range(context.pool, s_.rows(), 1, kPerPiece / s_.patch() + 1, [&](int64_t begin, int64_t end) {
      kernels_.max_pool(s_, x_, begin, end, y_ + begin * s_.channels);
    });
  }
  double flops() const override { return static_cast<double>(s_.rows() * s_.patch()); }
  double bytes() const override { return 8.0 * static_cast<double>(s_.rows() * s_.channels); }

 private:
  const ConvKernels& kernels_;
  Window s_;
  const float* x_;
  float* y_;
};

class MaxPool2dGrad final : public Step {
 public:
  MaxPool2dGrad(const ConvKernels& kernels, const Window& window, const Operand& dy, const Operand& x, const Operand& dx)
      : kernels_(kernels), s_(window), dy_(dy.as<float>()), x_(x.as<float>()), dx_(dx.as<float>()) {}
  void run(RunContext& context) override {
    const int64_t image = s_.height * s_.width * s_.channels, windows = s_.out_height * s_.out_width;
    split_range(context.pool, s_.batch, 1, kPerPiece / (windows * s_.patch()) + 1, [&](int64_t begin, int64_t end) {
      std::memset(dx_ + begin * image, 0, static_cast<size_t>((end - begin) * image) * sizeof(float));
      kernels_.max_pool_grad(s_, dy_ + begin * windows * s_.channels, x_, begin * windows, end * windows, dx_);
    });
  }
  double flops() const override { return static_cast<double>(s_.rows() * s_.patch()); }
  double bytes() const override { return 12.0 * static_cast<double>(s_.rows() * s_.channels); }

 private:
  const ConvKernels& kernels_;
  Window s_;
  const float *dy_, *x_;
  float* dx_;
};

Window pool_window(const BindContext& context, const Operand& x) {
  return window_attributes(context, x.shape, integer_attribute(context, "kernelH", 1, 1 << 24),
                           integer_attribute(context, "kernelW", 1, 1 << 24));
}

}  // namespace

std::unique_ptr<Step> bind_max_pool2d(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnySize, kAnySize, kAnySize, kAnySize}, "x");
  const Window s = pool_window(context, x);
  const Operand& y = expect(context.output(0), DType::f32, {s.batch, s.out_height, s.out_width, s.channels}, "y");
  expect_apart(y, x, "x");
  return std::make_unique<MaxPool2d>(conv_table(context.isa()), s, x, y);
}

std::unique_ptr<Step> bind_max_pool2d_grad(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& x = expect(context.input(1), DType::f32, {kAnySize, kAnySize, kAnySize, kAnySize}, "x");
  const Window s = pool_window(context, x);
  const Operand& dy = expect(context.input(0), DType::f32, {s.batch, s.out_height, s.out_width, s.channels}, "dy");
  const Operand& dx = expect_same_shape(context.output(0), x, "dx");
  expect_apart(dx, dy, "dy");
  expect_apart(dx, x, "x");
  return std::make_unique<MaxPool2dGrad>(conv_table(context.isa()), s, dy, x, dx);
}

}  // namespace flashbook
