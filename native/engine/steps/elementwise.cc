// Steps relu, leaky_relu {slope}, gelu, tanh, sigmoid, their gradients, gelu_with_slope, exp, add, mul, scale, standardize:
// kernels/elementwise/elementwise.h has the formulas.
// An output may share its memory with an input of the same shape.
#include "kernels/elementwise/elementwise.h"

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kCheap = 65536;   // elements in about ten microseconds: an addition, memory in reach
constexpr int64_t kCostly = 16384;  // the same for GELU

using Unary = void (*)(const float*, float*, int64_t);
using Binary = void (*)(const float*, const float*, float*, int64_t);
using Repeating = void (*)(const float*, const float*, float*, int64_t, int64_t);

class UnaryStep final : public Step {
 public:
  UnaryStep(Unary kernel, const Operand& x, float* y, int64_t per_piece, double flops_each)
      : kernel_(kernel), x_(x.as<float>()), y_(y), n_(x.elements()), columns_(x.columns()), per_piece_(per_piece),
        flops_each_(flops_each) {}
  void run(RunContext& context) override {
    split_range(context.pool, n_, 64, per_piece_,
                [this](int64_t begin, int64_t end) { kernel_(x_ + begin, y_ + begin, end - begin); });
  }
  RowCut rows() const override { return {n_ / columns_, 1, 1 << 0}; }
  void run_rows(RunContext&, int64_t begin, int64_t end) override {
    kernel_(x_ + begin * columns_, y_ + begin * columns_, (end - begin) * columns_);
  }
  double flops() const override { return flops_each_ * static_cast<double>(n_); }
  double bytes() const override { return 8.0 * static_cast<double>(n_); }

 private:
  Unary kernel_;
  const float* x_;
  float* y_;
  int64_t n_, columns_, per_piece_;
  double flops_each_;
};

class BinaryStep final : public Step {
 public:
  BinaryStep(Binary kernel, const float* a, const float* b, float* y, int64_t n, int64_t per_piece, double flops_each)
      : kernel_(kernel), a_(a), b_(b), y_(y), n_(n), per_piece_(per_piece), flops_each_(flops_each) {}
  void run(RunContext& context) override {
    split_range(context.pool, n_, 64, per_piece_, [this](int64_t begin, int64_t end) {
      kernel_(a_ + begin, b_ + begin, y_ + begin, end - begin);
    });
  }
  double flops() const override { return flops_each_ * static_cast<double>(n_); }
  double bytes() const override { return 12.0 * static_cast<double>(n_); }

 private:
  Binary kernel_;
  const float *a_, *b_;
  float* y_;
  int64_t n_, per_piece_;
  double flops_each_;
};

class GeluWithSlope final : public Step {
 public:
  GeluWithSlope(const ElementwiseKernels& kernels, const Operand& x, const Operand& y, const Operand& slope)
      : kernels_(kernels), x_(x.as<float>()), y_(y.as<float>()), slope_(slope.as<float>()), n_(x.elements()) {}
  void run(RunContext& context) override {
    split_range(context.pool, n_, 64, kCostly, [this](int64_t begin, int64_t end) {
      kernels_.gelu_with_slope(x_ + begin, y_ + begin, slope_ + begin, end - begin);
    });
  }
  double flops() const override { return 48.0 * static_cast<double>(n_); }
  double bytes() const override { return 12.0 * static_cast<double>(n_); }

 private:
  const ElementwiseKernels& kernels_;
  const float* x_;
  float *y_, *slope_;
  int64_t n_;
};

class RepeatingStep final : public Step {
 public:
  RepeatingStep(Repeating kernel, const Operand& a, const Operand& b, float* y)
      : kernel_(kernel), a_(a.as<float>()), b_(b.as<float>()), y_(y), n_(a.elements()), columns_(a.columns()), period_(b.elements()) {}
  void run(RunContext& context) override {
    if (period_ == n_) {
      split_range(context.pool, n_, 64, kCheap, [this](int64_t begin, int64_t end) {
        kernel_(a_ + begin, b_ + begin, y_ + begin, end - begin, end - begin);
      });
    } else {
      split_range(context.pool, n_, period_, kCheap, [this](int64_t begin, int64_t end) {
        kernel_(a_ + begin, b_, y_ + begin, end - begin, period_);
      });
    }
  }
  // b goes by rows where it has as many as a.
  RowCut rows() const override {
    if (period_ % columns_ != 0) return {};
    return period_ == n_ ? RowCut{n_ / columns_, 1, 1 << 0 | 1 << 1} : RowCut{n_ / columns_, period_ / columns_, 1 << 0};
  }
  void run_rows(RunContext&, int64_t begin, int64_t end) override {
    const int64_t from = begin * columns_, count = (end - begin) * columns_;
    kernel_(a_ + from, period_ == n_ ? b_ + from : b_, y_ + from, count, period_ == n_ ? count : period_);
  }
  double flops() const override { return static_cast<double>(n_); }
  double bytes() const override { return 4.0 * static_cast<double>(2 * n_ + period_); }

 private:
  Repeating kernel_;
  const float *a_, *b_;
  float* y_;
  int64_t n_, columns_, period_;
};

class ScaleStep final : public Step {
 public:
  ScaleStep(const ElementwiseKernels& kernels, const float* x, float factor, float* y, int64_t n)
      : kernels_(kernels), x_(x), factor_(factor), y_(y), n_(n) {}
  void run(RunContext& context) override {
    split_range(context.pool, n_, 64, kCheap, [this](int64_t begin, int64_t end) {
      kernels_.scale(x_ + begin, factor_, y_ + begin, end - begin);
    });
  }
  double flops() const override { return static_cast<double>(n_); }
  double bytes() const override { return 8.0 * static_cast<double>(n_); }

 private:
  const ElementwiseKernels& kernels_;
  const float* x_;
  float factor_;
  float* y_;
  int64_t n_;
};

class LeakyRelu final : public Step {
 public:
  LeakyRelu(const ElementwiseKernels& kernels, const float* x, float slope, float* y, int64_t n)
      : kernels_(kernels), x_(x), slope_(slope), y_(y), n_(n) {}
  void run(RunContext& context) override {
    split_range(context.pool, n_, 64, kCheap, [this](int64_t begin, int64_t end) {
      kernels_.leaky_relu(x_ + begin, slope_, y_ + begin, end - begin);
    });
  }
  double flops() const override { return static_cast<double>(n_); }
  double bytes() const override { return 8.0 * static_cast<double>(n_); }

 private:
  const ElementwiseKernels& kernels_;
  const float* x_;
  float slope_;
  float* y_;
  int64_t n_;
};

class LeakyReluGrad final : public Step {
 public:
  LeakyReluGrad(const ElementwiseKernels& kernels, const float* dy, const float* y, float slope, float* dx, int64_t n)
      : kernels_(kernels), dy_(dy), y_(y), slope_(slope), dx_(dx), n_(n) {}
  void run(RunContext& context) override {
    split_range(context.pool, n_, 64, kCheap, [this](int64_t begin, int64_t end) {
      kernels_.leaky_relu_grad(dy_ + begin, y_ + begin, slope_, dx_ + begin, end - begin);
    });
  }
  double flops() const override { return static_cast<double>(n_); }
  double bytes() const override { return 12.0 * static_cast<double>(n_); }

 private:
  const ElementwiseKernels& kernels_;
  const float *dy_, *y_;
  float slope_;
  float* dx_;
  int64_t n_;
};

class StandardizeStep final : public Step {
 public:
  StandardizeStep(const ElementwiseKernels& kernels, const Operand& x, const Operand& mean, const Operand& inverse_std,
                  float clip, const Operand& y)
      : kernels_(kernels), x_(x.as<float>()), mean_(mean.as<float>()), inverse_std_(inverse_std.as<float>()),
        clip_(clip), y_(y.as<float>()), n_(x.elements()), columns_(x.columns()) {}
  void run(RunContext& context) override {
    split_range(context.pool, n_, columns_, kCheap, [this](int64_t begin, int64_t end) {
      kernels_.standardize(x_ + begin, mean_, inverse_std_, clip_, y_ + begin, end - begin, columns_);
    });
  }
  RowCut rows() const override { return {n_ / columns_, 1, 1 << 0}; }
  void run_rows(RunContext&, int64_t begin, int64_t end) override {
    kernels_.standardize(x_ + begin * columns_, mean_, inverse_std_, clip_, y_ + begin * columns_, (end - begin) * columns_, columns_);
  }
  double flops() const override { return 2.0 * static_cast<double>(n_); }
  double bytes() const override { return 8.0 * static_cast<double>(n_ + columns_); }

 private:
  const ElementwiseKernels& kernels_;
  const float *x_, *mean_, *inverse_std_;
  float clip_;
  float* y_;
  int64_t n_, columns_;
};

std::unique_ptr<Step> bind_unary(BindContext& context, Unary kernel, int64_t per_piece, double flops_each) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  return std::make_unique<UnaryStep>(kernel, x, y.as<float>(), per_piece, flops_each);
}

std::unique_ptr<Step> bind_gradient(BindContext& context, Binary kernel, const char* second, int64_t per_piece,
                                    double flops_each) {
  expect_counts(context, 2, 2, 1);
  const Operand& dy = expect(context.input(0), DType::f32, {kAnyDims}, "dy");
  const Operand& x = expect_same_shape(context.input(1), dy, second);
  const Operand& dx = expect_same_shape(context.output(0), dy, "dx");
  return std::make_unique<BinaryStep>(kernel, dy.as<float>(), x.as<float>(), dx.as<float>(), dy.elements(), per_piece,
                                      flops_each);
}

// b has the shape of a, or its last dimensions.
std::unique_ptr<Step> bind_repeating(BindContext& context, Repeating kernel) {
  expect_counts(context, 2, 2, 1);
  const Operand& a = expect(context.input(0), DType::f32, {kAnyDims}, "a");
  const Operand& b = expect(context.input(1), DType::f32, {kAnyDims}, "b");
  const size_t lead = a.shape.size() - std::min(a.shape.size(), b.shape.size());
  if (b.shape.size() > a.shape.size() || !std::equal(b.shape.begin(), b.shape.end(), a.shape.begin() + lead)) {
    throw BindError("expected the last dimensions of a, f32 " + shape_text(a.shape) + ", for b but received f32 " +
                    shape_text(b.shape));
  }
  const Operand& y = expect_same_shape(context.output(0), a, "y");
  return std::make_unique<RepeatingStep>(kernel, a, b, y.as<float>());
}

float slope_attribute(const BindContext& context) {
  const double slope = context.number("slope");
  if (!(slope >= 0 && slope <= 1)) attribute_error("slope", "a number from 0 to 1", slope);
  return static_cast<float>(slope);
}

const ElementwiseKernels& kernels(const BindContext& context) { return elementwise_table(context.isa()); }

}  // namespace

std::unique_ptr<Step> bind_relu(BindContext& context) { return bind_unary(context, kernels(context).relu, kCheap, 1); }
std::unique_ptr<Step> bind_gelu(BindContext& context) { return bind_unary(context, kernels(context).gelu, kCostly, 22); }
std::unique_ptr<Step> bind_relu_grad(BindContext& context) {
  return bind_gradient(context, kernels(context).relu_grad, "y", kCheap, 1);
}
std::unique_ptr<Step> bind_gelu_grad(BindContext& context) {
  return bind_gradient(context, kernels(context).gelu_grad, "x", kCostly, 26);
}
std::unique_ptr<Step> bind_gelu_with_slope(BindContext& context) {
  expect_counts(context, 1, 1, 2);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  return std::make_unique<GeluWithSlope>(kernels(context), x, y, expect_same_shape(context.output(1), x, "slope"));
}
std::unique_ptr<Step> bind_tanh(BindContext& context) { return bind_unary(context, kernels(context).tanh, kCostly, 25); }
std::unique_ptr<Step> bind_tanh_grad(BindContext& context) {
  return bind_gradient(context, kernels(context).tanh_grad, "y", kCheap, 3);
}
std::unique_ptr<Step> bind_sigmoid(BindContext& context) {
  return bind_unary(context, kernels(context).sigmoid, kCostly, 15);
}
std::unique_ptr<Step> bind_sigmoid_grad(BindContext& context) {
  return bind_gradient(context, kernels(context).sigmoid_grad, "y", kCheap, 3);
}
std::unique_ptr<Step> bind_exp(BindContext& context) { return bind_unary(context, kernels(context).exp, kCostly, 12); }
std::unique_ptr<Step> bind_add(BindContext& context) { return bind_repeating(context, kernels(context).add); }
std::unique_ptr<Step> bind_mul(BindContext& context) { return bind_repeating(context, kernels(context).mul); }

std::unique_ptr<Step> bind_leaky_relu(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  return std::make_unique<LeakyRelu>(kernels(context), x.as<float>(), slope_attribute(context), y.as<float>(), x.elements());
}

std::unique_ptr<Step> bind_leaky_relu_grad(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& dy = expect(context.input(0), DType::f32, {kAnyDims}, "dy");
  const Operand& y = expect_same_shape(context.input(1), dy, "y");
  const Operand& dx = expect_same_shape(context.output(0), dy, "dx");
  return std::make_unique<LeakyReluGrad>(kernels(context), dy.as<float>(), y.as<float>(), slope_attribute(context),
                                         dx.as<float>(), dy.elements());
}

std::unique_ptr<Step> bind_scale(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  return std::make_unique<ScaleStep>(kernels(context), x.as<float>(), static_cast<float>(context.number("factor")),
                                     y.as<float>(), x.elements());
}

std::unique_ptr<Step> bind_standardize(BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  const Operand& mean = expect(context.input(1), DType::f32, {x.columns()}, "mean");
  const Operand& inverse_std = expect(context.input(2), DType::f32, {x.columns()}, "inverseStd");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  const double clip = context.number("clip");
  if (!(clip > 0)) attribute_error("clip", "a positive number", clip);
  return std::make_unique<StandardizeStep>(kernels(context), x, mean, inverse_std, static_cast<float>(clip), y);
}

}  // namespace flashbook
