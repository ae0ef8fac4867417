// Steps sum_rows, sum_squares: kernels/reduce/reduce.h has the formulas.
//   sum_rows      x (…,N) → (N)
//   sum_squares   x → (1)
#include "kernels/reduce/reduce.h"

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 65536;      // elements in about ten microseconds
constexpr int64_t kSquaresChunk = 8192;   // elements of one partial sum of squares

class SumRows final : public Step {
 public:
  SumRows(BindContext& context, const Operand& x, const Operand& out)
      : kernels_(reduce_table(context.isa())), x_(x.as<float>()), out_(out.as<float>()), rows_(x.rows()),
        columns_(x.columns()), chunk_(std::max<int64_t>(32, (rows_ + 63) / 64)), chunks_((rows_ + chunk_ - 1) / chunk_) {
    context.workspace(static_cast<size_t>(chunks_ * columns_) * sizeof(float));
  }

  void run(RunContext& context) override {
    if (chunks_ <= 1) return kernels_.sum_rows(x_, out_, rows_, columns_);
    float* partial = reinterpret_cast<float*>(context.workspace);   // one row a chunk
    split_range(context.pool, chunks_, 1, kPerPiece / (chunk_ * columns_) + 1, [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; ++c) {
        kernels_.sum_rows(x_ + c * chunk_ * columns_, partial + c * columns_, std::min(chunk_, rows_ - c * chunk_), columns_);
      }
    });
    kernels_.sum_rows(partial, out_, chunks_, columns_);
  }
  double flops() const override { return static_cast<double>(rows_ * columns_); }
  double bytes() const override { return 4.0 * static_cast<double>((rows_ + 1) * columns_); }

 private:
  const ReduceKernels& kernels_;
  const float* x_;
  float* out_;
  int64_t rows_, columns_, chunk_, chunks_;
};

class SumSquares final : public Step {
 public:
  SumSquares(BindContext& context, const Operand& x, const Operand& out)
      : kernels_(reduce_table(context.isa())), x_(x.as<float>()), out_(out.as<float>()), n_(x.elements()),
        chunks_((n_ + kSquaresChunk - 1) / kSquaresChunk) {
    context.workspace(static_cast<size_t>(chunks_) * sizeof(double));
  }

  void run(RunContext& context) override {
    double* partial = reinterpret_cast<double*>(context.workspace);
    split_range(context.pool, chunks_, 1, kPerPiece / kSquaresChunk, [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; ++c) {
        partial[c] = kernels_.sum_squares(x_ + c * kSquaresChunk, std::min(kSquaresChunk, n_ - c * kSquaresChunk));
      }
    });
    double sum = 0;
    for (int64_t c = 0; c < chunks_; ++c) sum += partial[c];
    *out_ = static_cast<float>(sum);
  }
  double flops() const override { return 2.0 * static_cast<double>(n_); }
  double bytes() const override { return 4.0 * static_cast<double>(n_); }

 private:
  const ReduceKernels& kernels_;
  const float* x_;
  float* out_;
  int64_t n_, chunks_;
};

}  // namespace

std::unique_ptr<Step> bind_sum_rows(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  return std::make_unique<SumRows>(context, x, expect(context.output(0), DType::f32, {x.columns()}, "sum"));
}

std::unique_ptr<Step> bind_sum_squares(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims}, "x");
  return std::make_unique<SumSquares>(context, x, expect(context.output(0), DType::f32, {1}, "sum"));
}

}  // namespace flashbook
