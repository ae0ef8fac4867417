// dropout_add_norm_grad {p, stream}: the gradient at a residual connection sum = dropout(x) + residual that a layer norm follows.
// dy (…,D), sum (…,D), gamma (D), mean (rows), rstd (rows), past (…,D), rng
//   → dresidual (…,D) = that of the norm + past, dgamma (D), dbeta (D), dx (…,D) = dropout(dresidual), dbias (D) = Σ_rows dx
// `past` is the gradient that comes past the norm. A chunk of rows lies in the cache from the first of the kernels to the last. To the bits of
// layer_norm_grad and dropout; dbias is summed in the chunks of dgamma. drawn.h says what rng is.
#include "engine/step.h"
#include "engine/steps/drawn.h"
#include "engine/steps/norm_operands.h"
#include "engine/steps/split.h"
#include "kernels/norm/norm.h"
#include "kernels/reduce/reduce.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 32768;   // elements in about ten microseconds

class DropoutAddNormGrad final : public Step {
 public:
  explicit DropoutAddNormGrad(BindContext& context)
      : dropout_(dropout_table(context.isa())), norm_(norm_table(context.isa())), reduce_(reduce_table(context.isa())),
        drawn_(context, expect(context.input(6), DType::u32, {4}, "rng")) {
    const Operand& dy = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "dy");
    const Operand& sum = expect_same_shape(context.input(1), dy, "sum");
    expect_columns(sum);
    const Operand& past = expect_same_shape(context.input(5), dy, "past");
    const Operand& dresidual = expect_same_shape(context.output(0), dy, "dresidual");
    const Operand& dx = expect_same_shape(context.output(3), dy, "dx");
    for (const auto& [operand, name] : {std::pair{&dy, "dy"}, {&sum, "sum"}, {&past, "past"}}) expect_apart(dx, *operand, name);
    expect_apart(dresidual, sum, "sum");
    dy_ = dy.as<float>();
    sum_ = sum.as<float>();
    gamma_ = expect(context.input(2), DType::f32, {sum.columns()}, "gamma").as<float>();
    mean_ = expect_row_values(context.input(3), sum, "mean").as<float>();
    rstd_ = expect_row_values(context.input(4), sum, "rstd").as<float>();
    past_ = past.as<float>();
    dresidual_ = dresidual.as<float>();
    dgamma_ = expect(context.output(1), DType::f32, {sum.columns()}, "dgamma").as<float>();
    dbeta_ = expect(context.output(2), DType::f32, {sum.columns()}, "dbeta").as<float>();
    dx_ = dx.as<float>();
    dbias_ = expect(context.output(4), DType::f32, {sum.columns()}, "dbias").as<float>();
    rows_ = sum.rows();
    columns_ = sum.columns();
    chunk_ = norm_chunk_rows(rows_);
    chunks_ = (rows_ + chunk_ - 1) / chunk_;
    context.workspace(static_cast<size_t>(3 * chunks_ * columns_) * sizeof(float));
  }

  void run(RunContext& context) override {
    const DropoutDraw draw = drawn_.draw();
    float* const dgammas = reinterpret_cast<float*>(context.workspace);   // one row a chunk, as the two that follow
    float* const dbetas = dgammas + chunks_ * columns_;
    float* const dbiases = dbetas + chunks_ * columns_;
    split_range(context.pool, chunks_, 1, kPerPiece / (chunk_ * columns_) + 1, [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; ++c) {
        const int64_t begin = c * chunk_, rows = std::min(chunk_, rows_ - begin), at = begin * columns_;
        norm_.backward(dy_ + at, sum_ + at, gamma_, mean_ + begin, rstd_ + begin, past_ + at, dresidual_ + at,
                       dgammas + c * columns_, dbetas + c * columns_, rows, columns_);
        dropout_.dropout(dresidual_ + at, dx_ + at, at, rows * columns_, draw);
        reduce_.sum_rows(dx_ + at, dbiases + c * columns_, rows, columns_);
      }
    });
    reduce_.sum_rows(dgammas, dgamma_, chunks_, columns_);
    reduce_.sum_rows(dbetas, dbeta_, chunks_, columns_);
    reduce_.sum_rows(dbiases, dbias_, chunks_, columns_);
  }
  double flops() const override { return 18.0 * static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 20.0 * static_cast<double>(rows_ * columns_); }

 private:
  const DropoutKernels& dropout_;
  const NormKernels& norm_;
  const ReduceKernels& reduce_;
  Drawn drawn_;
  const float *dy_, *sum_, *gamma_, *mean_, *rstd_, *past_;
  float *dresidual_, *dgamma_, *dbeta_, *dx_, *dbias_;
  int64_t rows_, columns_, chunk_, chunks_;
};

}  // namespace

std::unique_ptr<Step> bind_dropout_add_norm_grad(BindContext& context) {
  expect_counts(context, 7, 7, 5);
  return std::make_unique<DropoutAddNormGrad>(context);
}

}  // namespace flashbook
