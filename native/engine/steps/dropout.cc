// Steps dropout, gelu_dropout, gelu_dropout_with_slope, gelu_dropout_grad, dropout_add, drop_path {p, stream}:
// kernels/dropout/dropout.h has the formulas.
//   dropout, gelu_dropout   x, rng → y. The gradient of dropout is dropout of dy.
//   gelu_dropout_with_slope x, rng → y, slope
//   gelu_dropout_grad       dy, x, rng → dx
//   dropout_add             x, residual, rng → y
//   drop_path               x (B, …), rng → y: sample b times what dropout makes of element b of (1, …, 1); its own gradient too
// drawn.h says what rng is. A result may share memory with any other operand.
#include "kernels/dropout/dropout.h"
#include "kernels/elementwise/elementwise.h"

#include <algorithm>

#include "engine/steps/drawn.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 32768;   // elements in about ten microseconds

class DropoutStep : public Step {
 public:
  DropoutStep(const BindContext& context, const Operand& rng, int64_t n) : n_(n), drawn_(context, rng) {}
  double flops() const override { return static_cast<double>(n_); }

 protected:
  DropoutDraw draw() const { return drawn_.draw(); }

  int64_t n_;

 private:
  Drawn drawn_;
};

using Unary = void (*)(const float*, float*, int64_t, int64_t, const DropoutDraw&);
using Binary = void (*)(const float*, const float*, float*, int64_t, int64_t, const DropoutDraw&);

class UnaryDropout final : public DropoutStep {
 public:
  UnaryDropout(const BindContext& context, Unary kernel, const Operand& x, const Operand& rng, const Operand& y)
      : DropoutStep(context, rng, x.elements()), kernel_(kernel), x_(x.as<float>()), y_(y.as<float>()) {}
  void run(RunContext& context) override {
    const DropoutDraw drawn = draw();
    split_range(context.pool, n_, 64, kPerPiece, [&](int64_t begin, int64_t end) {
      kernel_(x_ + begin, y_ + begin, begin, end - begin, drawn);
    });
  }
  double bytes() const override { return 8.0 * static_cast<double>(n_); }

 private:
  Unary kernel_;
  const float* x_;
  float* y_;
};

class SlopeDropout final : public DropoutStep {
 public:
  SlopeDropout(const BindContext& context, const Operand& x, const Operand& rng, const Operand& y, const Operand& slope)
      : DropoutStep(context, rng, x.elements()), kernel_(dropout_table(context.isa()).gelu_dropout_with_slope),
        x_(x.as<float>()), y_(y.as<float>()), slope_(slope.as<float>()) {}
  void run(RunContext& context) override {
    const DropoutDraw drawn = draw();
    split_range(context.pool, n_, 64, kPerPiece, [&](int64_t begin, int64_t end) {
      kernel_(x_ + begin, y_ + begin, slope_ + begin, begin, end - begin, drawn);
    });
  }
  double bytes() const override { return 12.0 * static_cast<double>(n_); }

 private:
  decltype(DropoutKernels::gelu_dropout_with_slope) kernel_;
  const float* x_;
  float *y_, *slope_;
};

class BinaryDropout final : public DropoutStep {
 public:
  BinaryDropout(const BindContext& context, Binary kernel, const Operand& a, const Operand& b, const Operand& rng,
                const Operand& y)
      : DropoutStep(context, rng, a.elements()), kernel_(kernel), a_(a.as<float>()), b_(b.as<float>()), y_(y.as<float>()) {}
  void run(RunContext& context) override {
    const DropoutDraw drawn = draw();
    split_range(context.pool, n_, 64, kPerPiece, [&](int64_t begin, int64_t end) {
      kernel_(a_ + begin, b_ + begin, y_ + begin, begin, end - begin, drawn);
    });
  }
  double bytes() const override { return 12.0 * static_cast<double>(n_); }

 private:
  Binary kernel_;
  const float *a_, *b_;
  float* y_;
};

class DropPath final : public DropoutStep {
 public:
  DropPath(BindContext& context, const Operand& x, const Operand& rng, const Operand& y)
      : DropoutStep(context, rng, x.elements()), dropout_(dropout_table(context.isa())),
        elementwise_(elementwise_table(context.isa())), x_(x.as<float>()), y_(y.as<float>()), samples_(x.shape[0]),
        size_(samples_ == 0 ? 0 : x.elements() / samples_) {
    context.workspace(static_cast<size_t>(samples_) * sizeof(float));
  }
  void run(RunContext& context) override {
    float* factors = reinterpret_cast<float*>(context.workspace);
    std::fill(factors, factors + samples_, 1.0f);
    dropout_.dropout(factors, factors, 0, samples_, draw());
    split_range(context.pool, samples_, 1, kPerPiece / std::max<int64_t>(size_, 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        float* y = y_ + b * size_;
        if (factors[b] == 0.0f) std::fill(y, y + size_, 0.0f);   // NaN too
        else elementwise_.scale(x_ + b * size_, factors[b], y, size_);
      }
    });
  }
  double bytes() const override { return 8.0 * static_cast<double>(n_); }

 private:
  const DropoutKernels& dropout_;
  const ElementwiseKernels& elementwise_;
  const float* x_;
  float* y_;
  int64_t samples_, size_;
};

std::unique_ptr<Step> bind_unary(BindContext& context, Unary kernel) {
  expect_counts(context, 2, 2, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  const Operand& rng = expect(context.input(1), DType::u32, {4}, "rng");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  return std::make_unique<UnaryDropout>(context, kernel, x, rng, y);
}

std::unique_ptr<Step> bind_binary(BindContext& context, Binary kernel, const char* a_name, const char* b_name,
                                  const char* y_name) {
  expect_counts(context, 3, 3, 1);
  const Operand& a = expect(context.input(0), DType::f32, {kAnyDims}, a_name);
  const Operand& b = expect_same_shape(context.input(1), a, b_name);
  const Operand& rng = expect(context.input(2), DType::u32, {4}, "rng");
  const Operand& y = expect_same_shape(context.output(0), a, y_name);
  return std::make_unique<BinaryDropout>(context, kernel, a, b, rng, y);
}

const DropoutKernels& kernels(const BindContext& context) { return dropout_table(context.isa()); }

}  // namespace

std::unique_ptr<Step> bind_drop_path(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  const Operand& rng = expect(context.input(1), DType::u32, {4}, "rng");
  return std::make_unique<DropPath>(context, x, rng, expect_same_shape(context.output(0), x, "y"));
}
std::unique_ptr<Step> bind_dropout(BindContext& context) { return bind_unary(context, kernels(context).dropout); }
std::unique_ptr<Step> bind_gelu_dropout(BindContext& context) { return bind_unary(context, kernels(context).gelu_dropout); }
std::unique_ptr<Step> bind_gelu_dropout_with_slope(BindContext& context) {
  expect_counts(context, 2, 2, 2);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  const Operand& rng = expect(context.input(1), DType::u32, {4}, "rng");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  return std::make_unique<SlopeDropout>(context, x, rng, y, expect_same_shape(context.output(1), x, "slope"));
}
std::unique_ptr<Step> bind_gelu_dropout_grad(BindContext& context) {
  return bind_binary(context, kernels(context).gelu_dropout_grad, "dy", "x", "dx");
}
std::unique_ptr<Step> bind_dropout_add(BindContext& context) {
  return bind_binary(context, kernels(context).dropout_add, "x", "residual", "y");
}

}  // namespace flashbook
