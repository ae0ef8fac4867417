// Weight normalisation (Salimans & Kingma 2016, arXiv:1602.07868): plain loops over few numbers, sums in float64.
//   weight_norm        v (O,…), gain (O) → w (O,…): w[o] = gain[o]·v[o]/‖v[o]‖
//   weight_norm_grad   dw (O,…), v, gain → dv (O,…), dgain (O)
#include <cmath>

#include "engine/step.h"
#include "engine/steps/gemm_run.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 16384;   // elements in about ten microseconds

class WeightNorm final : public Step {
 public:
  WeightNorm(const Operand& v, const Operand& gain, const Operand& w)
      : v_(v.as<float>()), gain_(gain.as<float>()), w_(w.as<float>()), rows_(v.shape[0]), columns_(v.elements() / rows_) {}
  void run(RunContext& context) override {
    split_range(context.pool, rows_, 1, kPerPiece / columns_ + 1, [this](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        const float* v = v_ + o * columns_;
        double squares = 0;
        for (int64_t i = 0; i < columns_; ++i) squares += static_cast<double>(v[i]) * v[i];
        const double factor = gain_[o] / std::sqrt(squares);
        for (int64_t i = 0; i < columns_; ++i) w_[o * columns_ + i] = static_cast<float>(v[i] * factor);
      }
    });
  }
  double flops() const override { return 4.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 8.0 * static_cast<double>(rows_ * columns_); }

 private:
  const float *v_, *gain_;
  float* w_;
  int64_t rows_, columns_;
};

class WeightNormGrad final : public Step {
 public:
  WeightNormGrad(const Operand& dw, const Operand& v, const Operand& gain, const Operand& dv, const Operand& dgain)
      : dw_(dw.as<float>()), v_(v.as<float>()), gain_(gain.as<float>()), dv_(dv.as<float>()), dgain_(dgain.as<float>()),
        rows_(v.shape[0]), columns_(v.elements() / rows_) {}
  void run(RunContext& context) override {
    split_range(context.pool, rows_, 1, kPerPiece / columns_ + 1, [this](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        const float *v = v_ + o * columns_, *dw = dw_ + o * columns_;
        double squares = 0, product = 0;
        for (int64_t i = 0; i < columns_; ++i) {
          squares += static_cast<double>(v[i]) * v[i];
          product += static_cast<double>(dw[i]) * v[i];
        }
        const double norm = std::sqrt(squares), factor = gain_[o] / norm, along = product / squares;
        dgain_[o] = static_cast<float>(product / norm);
        for (int64_t i = 0; i < columns_; ++i) dv_[o * columns_ + i] = static_cast<float>(factor * (dw[i] - along * v[i]));
      }
    });
  }
  double flops() const override { return 9.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 12.0 * static_cast<double>(rows_ * columns_); }

 private:
  const float *dw_, *v_, *gain_;
  float *dv_, *dgain_;
  int64_t rows_, columns_;
};

const Operand& expect_weights(const Operand& v) {
  expect(v, DType::f32, {kAnyDims, kAnySize, kAnySize}, "v");
  if (v.elements() < 1) throw BindError("expected at least one element for v but received f32 " + shape_text(v.shape));
  return v;
}

}  // namespace

std::unique_ptr<Step> bind_weight_norm(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& v = expect_weights(context.input(0));
  const Operand& gain = expect(context.input(1), DType::f32, {v.shape[0]}, "gain");
  return std::make_unique<WeightNorm>(v, gain, expect_same_shape(context.output(0), v, "w"));
}

std::unique_ptr<Step> bind_weight_norm_grad(BindContext& context) {
  expect_counts(context, 3, 3, 2);
  const Operand& v = expect_weights(context.input(1));
  const Operand& dw = expect_same_shape(context.input(0), v, "dw");
  const Operand& gain = expect(context.input(2), DType::f32, {v.shape[0]}, "gain");
  const Operand& dv = expect_same_shape(context.output(0), v, "dv");
  const Operand& dgain = expect(context.output(1), DType::f32, {v.shape[0]}, "dgain");
  return std::make_unique<WeightNormGrad>(dw, v, gain, dv, dgain);
}

}  // namespace flashbook
