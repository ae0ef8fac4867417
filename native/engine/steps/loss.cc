// Steps softmax, softmax_cross_entropy {smoothing}, softmax_cross_entropy_grad {smoothing}: kernels/loss/loss.h has the formulas.
//   softmax                      x (…,C) → y (…,C)
//   softmax_cross_entropy        logits (M,C), target i32 (M) → loss (1), probs (M,C). The loss is the mean over the rows whose target
//                                is not −1; 0 when there are none.
//   softmax_cross_entropy_grad   dloss (1), probs (M,C), target i32 (M) → dlogits (M,C)
#include "kernels/loss/loss.h"

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 16384;   // elements in about ten microseconds

int64_t counted_rows(const int32_t* target, int64_t rows) {
  int64_t count = 0;
  for (int64_t r = 0; r < rows; ++r) count += target[r] != -1;
  return count;
}

class Softmax final : public Step {
 public:
  Softmax(const LossKernels& kernels, const Operand& x, const Operand& y)
      : kernels_(kernels), x_(x.as<float>()), y_(y.as<float>()), rows_(x.rows()), columns_(x.columns()) {}
  void run(RunContext& context) override {
    split_range(context.pool, rows_, 1, kPerPiece / columns_ + 1, [this](int64_t begin, int64_t end) {
      kernels_.softmax(x_ + begin * columns_, y_ + begin * columns_, end - begin, columns_);
    });
  }
  double flops() const override { return 17.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 8.0 * static_cast<double>(rows_ * columns_); }

 private:
  const LossKernels& kernels_;
  const float* x_;
  float* y_;
  int64_t rows_, columns_;
};

class CrossEntropy final : public Step {
 public:
  CrossEntropy(BindContext& context, const Operand& logits, const Operand& target, float smoothing, const Operand& loss,
               const Operand& probs)
      : kernels_(loss_table(context.isa())), logits_(logits.as<float>()), target_(target.as<int32_t>()),
        smoothing_(smoothing), loss_(loss.as<float>()), probs_(probs.as<float>()), rows_(logits.rows()),
        columns_(logits.columns()) {
    context.workspace(static_cast<size_t>(rows_) * sizeof(float));
  }
  void run(RunContext& context) override {
    float* losses = reinterpret_cast<float*>(context.workspace);   // one a row
    split_range(context.pool, rows_, 1, kPerPiece / columns_ + 1, [&](int64_t begin, int64_t end) {
      kernels_.cross_entropy(logits_ + begin * columns_, target_ + begin, smoothing_, losses + begin,
                             probs_ + begin * columns_, end - begin, columns_);
    });
    double sum = 0;
    for (int64_t r = 0; r < rows_; ++r) sum += losses[r];
    const int64_t count = counted_rows(target_, rows_);
    *loss_ = count == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(count));
  }
  double flops() const override { return 20.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 8.0 * static_cast<double>(rows_ * columns_); }

 private:
  const LossKernels& kernels_;
  const float* logits_;
  const int32_t* target_;
  float smoothing_;
  float *loss_, *probs_;
  int64_t rows_, columns_;
};

class CrossEntropyGrad final : public Step {
 public:
  CrossEntropyGrad(const LossKernels& kernels, const Operand& dloss, const Operand& probs, const Operand& target,
                   float smoothing, const Operand& dlogits)
      : kernels_(kernels), dloss_(dloss.as<float>()), probs_(probs.as<float>()), target_(target.as<int32_t>()),
        smoothing_(smoothing), dlogits_(dlogits.as<float>()), rows_(probs.rows()), columns_(probs.columns()) {}
  void run(RunContext& context) override {
    const int64_t count = counted_rows(target_, rows_);
    const float factor = count == 0 ? 0.0f : *dloss_ / static_cast<float>(count);
    split_range(context.pool, rows_, 1, 2 * kPerPiece / columns_ + 1, [&](int64_t begin, int64_t end) {
      kernels_.cross_entropy_grad(factor, probs_ + begin * columns_, target_ + begin, smoothing_,
                                  dlogits_ + begin * columns_, end - begin, columns_);
    });
  }
  double flops() const override { return 2.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 8.0 * static_cast<double>(rows_ * columns_); }

 private:
  const LossKernels& kernels_;
  const float *dloss_, *probs_;
  const int32_t* target_;
  float smoothing_;
  float* dlogits_;
  int64_t rows_, columns_;
};

void expect_classes(const Operand& x) {
  if (x.columns() < 1) throw BindError("expected at least one class but received f32 " + shape_text(x.shape));
}

float smoothing_attribute(const BindContext& context) {
  const double smoothing = context.number("smoothing");
  if (!(smoothing >= 0 && smoothing <= 1)) attribute_error("smoothing", "a number from 0 to 1", smoothing);
  return static_cast<float>(smoothing);
}

}  // namespace

std::unique_ptr<Step> bind_softmax(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  expect_classes(x);
  return std::make_unique<Softmax>(loss_table(context.isa()), x, expect_same_shape(context.output(0), x, "y"));
}

std::unique_ptr<Step> bind_softmax_cross_entropy(BindContext& context) {
  expect_counts(context, 2, 2, 2);
  const Operand& logits = expect(context.input(0), DType::f32, {kAnySize, kAnySize}, "logits");
  expect_classes(logits);
  const Operand& target = expect(context.input(1), DType::i32, {logits.rows()}, "target");
  const Operand& loss = expect(context.output(0), DType::f32, {1}, "loss");
  const Operand& probs = expect_same_shape(context.output(1), logits, "probs");
  return std::make_unique<CrossEntropy>(context, logits, target, smoothing_attribute(context), loss, probs);
}

std::unique_ptr<Step> bind_softmax_cross_entropy_grad(BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const Operand& dloss = expect(context.input(0), DType::f32, {1}, "dloss");
  const Operand& probs = expect(context.input(1), DType::f32, {kAnySize, kAnySize}, "probs");
  expect_classes(probs);
  const Operand& target = expect(context.input(2), DType::i32, {probs.rows()}, "target");
  const Operand& dlogits = expect_same_shape(context.output(0), probs, "dlogits");
  return std::make_unique<CrossEntropyGrad>(loss_table(context.isa()), dloss, probs, target, smoothing_attribute(context),
                                            dlogits);
}

}  // namespace flashbook
