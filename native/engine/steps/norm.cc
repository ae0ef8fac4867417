// Steps layer_norm {eps} and layer_norm_grad: kernels/norm/norm.h has the formulas.
//   layer_norm        x (…,D), gamma (D), beta (D) → y (…,D), mean (rows), rstd (rows); the last two may be left out
//   layer_norm_grad   dy (…,D), x (…,D), gamma (D), mean (rows), rstd (rows), residual (…,D)? → dx (…,D), dgamma (D), dbeta (D)
#include "kernels/norm/norm.h"

#include "engine/step.h"
#include "engine/steps/norm_operands.h"
#include "engine/steps/split.h"
#include "kernels/reduce/reduce.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 32768;   // elements in about ten microseconds

class LayerNorm final : public Step {
 public:
  LayerNorm(const NormKernels& kernels, const Operand& x, const Operand& gamma, const Operand& beta, float eps,
            const Operand& y, float* mean, float* rstd)
      : kernels_(kernels), x_(x.as<float>()), gamma_(gamma.as<float>()), beta_(beta.as<float>()), eps_(eps),
        y_(y.as<float>()), mean_(mean), rstd_(rstd), rows_(x.rows()), columns_(x.columns()) {}

  void run(RunContext& context) override {
    split_range(context.pool, rows_, 1, kPerPiece / columns_ + 1,
                [&](int64_t begin, int64_t end) { run_rows(context, begin, end); });
  }
  RowCut rows() const override { return {rows_, 1, 1 << 0}; }
  void run_rows(RunContext&, int64_t begin, int64_t end) override {
    kernels_.forward(x_ + begin * columns_, gamma_, beta_, eps_, y_ + begin * columns_, mean_ ? mean_ + begin : nullptr,
                     rstd_ ? rstd_ + begin : nullptr, end - begin, columns_);
  }
  double flops() const override { return 7.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 8.0 * static_cast<double>((rows_ + 1) * columns_); }

 private:
  const NormKernels& kernels_;
  const float *x_, *gamma_, *beta_;
  float eps_;
  float *y_, *mean_, *rstd_;
  int64_t rows_, columns_;
};

class LayerNormGrad final : public Step {
 public:
  LayerNormGrad(BindContext& context, const Operand& dy, const Operand& x, const Operand& gamma, const Operand& mean,
                const Operand& rstd, const float* residual, const Operand& dx, const Operand& dgamma, const Operand& dbeta)
      : kernels_(norm_table(context.isa())), reduce_(reduce_table(context.isa())), dy_(dy.as<float>()), x_(x.as<float>()),
        gamma_(gamma.as<float>()), mean_(mean.as<float>()), rstd_(rstd.as<float>()), residual_(residual),
        dx_(dx.as<float>()), dgamma_(dgamma.as<float>()), dbeta_(dbeta.as<float>()), rows_(dy.rows()), columns_(dy.columns()),
        chunk_(norm_chunk_rows(rows_)), chunks_((rows_ + chunk_ - 1) / chunk_) {
    context.workspace(static_cast<size_t>(2 * chunks_ * columns_) * sizeof(float));
  }

  void run(RunContext& context) override {
    float* dgammas = reinterpret_cast<float*>(context.workspace);   // one row a chunk
    float* dbetas = dgammas + chunks_ * columns_;
    split_range(context.pool, chunks_, 1, kPerPiece / (chunk_ * columns_) + 1, [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; ++c) {
        const int64_t begin = c * chunk_, rows = std::min(chunk_, rows_ - begin), at = begin * columns_;
        kernels_.backward(dy_ + at, x_ + at, gamma_, mean_ + begin, rstd_ + begin, residual_ ? residual_ + at : nullptr, dx_ + at,
                          dgammas + c * columns_, dbetas + c * columns_, rows, columns_);
      }
    });
    reduce_.sum_rows(dgammas, dgamma_, chunks_, columns_);
    reduce_.sum_rows(dbetas, dbeta_, chunks_, columns_);
  }
  double flops() const override { return (residual_ ? 16.0 : 15.0) * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return (residual_ ? 16.0 : 12.0) * static_cast<double>((rows_ + 1) * columns_); }

 private:
  const NormKernels& kernels_;
  const ReduceKernels& reduce_;
  const float *dy_, *x_, *gamma_, *mean_, *rstd_, *residual_;
  float *dx_, *dgamma_, *dbeta_;
  int64_t rows_, columns_, chunk_, chunks_;
};

}  // namespace

std::unique_ptr<Step> bind_layer_norm(BindContext& context) {
  expect_counts(context, 3, 3, context.output_count() == 1 ? 1 : 3);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  expect_columns(x);
  const Operand& gamma = expect(context.input(1), DType::f32, {x.columns()}, "gamma");
  const Operand& beta = expect(context.input(2), DType::f32, {x.columns()}, "beta");
  const double eps = context.number("eps");
  if (!(eps >= 0)) attribute_error("eps", "a number of at least 0", eps);
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  const bool statistics = context.output_count() == 3;
  return std::make_unique<LayerNorm>(
      norm_table(context.isa()), x, gamma, beta, static_cast<float>(eps), y,
      statistics ? expect_row_values(context.output(1), x, "mean").as<float>() : nullptr,
      statistics ? expect_row_values(context.output(2), x, "rstd").as<float>() : nullptr);
}

std::unique_ptr<Step> bind_layer_norm_grad(BindContext& context) {
  expect_counts(context, 5, 6, 3);
  const Operand& dy = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "dy");
  const Operand& x = expect_same_shape(context.input(1), dy, "x");
  expect_columns(x);
  const Operand& gamma = expect(context.input(2), DType::f32, {x.columns()}, "gamma");
  const Operand& mean = expect_row_values(context.input(3), x, "mean");
  const Operand& rstd = expect_row_values(context.input(4), x, "rstd");
  const Operand& dx = expect_same_shape(context.output(0), dy, "dx");
  const Operand& dgamma = expect(context.output(1), DType::f32, {x.columns()}, "dgamma");
  const Operand& dbeta = expect(context.output(2), DType::f32, {x.columns()}, "dbeta");
  const float* residual = context.has_input(5) ? expect_same_shape(context.input(5), dy, "residual").as<float>() : nullptr;
  return std::make_unique<LayerNormGrad>(context, dy, x, gamma, mean, rstd, residual, dx, dgamma, dbeta);
}

}  // namespace flashbook
