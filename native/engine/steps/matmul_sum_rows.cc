// matmul_sum_rows {transB, precision}: y = (a·op(b))∘factor + residual as matmul has it, and the sums of its columns over all rows.
// a (…,K), b (K,N), with transB (N,K), factor (…,N)?, residual (…,N)? → y (…,N), sums (N)
//
// The rows of a strip are summed while they lie in the cache, and the sums of strips are added in order. Strips are cut by the shape and the
// kernel alone.
#include "kernels/reduce/reduce.h"

#include <vector>

#include "engine/steps/gemm_run.h"
#include "engine/steps/operands.h"

namespace flashbook {
namespace {

constexpr int64_t kStripBytes = int64_t{256} << 10;   // of y: a part of L2

class MatMulSumRows final : public Step {
 public:
  explicit MatMulSumRows(BindContext& context) : reduce_(reduce_table(context.isa())) {
    expect_counts(context, 2, 4, 2);
    const Operand& a = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "a");
    const Operand& b = expect(context.input(1), DType::f32, {kAnySize, kAnySize}, "b");
    const bool trans_b = context.flag("transB", false);
    gemm::Problem problem;
    problem.k = b.shape[trans_b ? 1 : 0];
    problem.n = b.shape[trans_b ? 0 : 1];
    expect(a, DType::f32, {kAnyDims, problem.k}, "a");
    std::vector<int64_t> shape(a.shape.begin(), a.shape.end() - 1);
    shape.push_back(problem.n);
    const Operand& y = expect(context.output(0), DType::f32, shape, "y");
    problem.m = problem.n == 0 ? 0 : y.elements() / problem.n;
    problem.a = a.as<float>();
    problem.a_row = problem.k;
    problem.a_col = 1;
    problem.b = b.as<float>();
    problem.b_row = trans_b ? 1 : problem.n;
    problem.b_col = trans_b ? problem.k : 1;
    problem.c = y.as<float>();
    expect_apart(y, a, "a");
    expect_apart(y, b, "b");
    const auto elementwise = [&](size_t i, const char* name) -> const float* {
      if (!context.has_input(i)) return nullptr;
      const Operand& operand = expect_same_shape(context.input(i), y, name);
      expect_apart(y, operand, name);
      return operand.as<float>();
    };
    problem.factor = elementwise(2, "factor");
    problem.residual = elementwise(3, "residual");
    y_ = problem.c;
    n_ = problem.n;
    sums_ = expect(context.output(1), DType::f32, {n_}, "sums").as<float>();
    gemm_.bind_strips(context, problem, b, kStripBytes);
    partial_offset_ = (gemm_.workspace_bytes() + 63) / 64 * 64;
    context.workspace(partial_offset_ + static_cast<size_t>(gemm_.strips() * n_) * sizeof(float));
  }

  void run(RunContext& context) override {
    float* const partial = reinterpret_cast<float*>(context.workspace + partial_offset_);   // one row a strip
    gemm_.run_strips(context, [&](int64_t strip, int64_t m0, int64_t m1) {
      reduce_.sum_rows(y_ + m0 * n_, partial + strip * n_, m1 - m0, n_);
    });
    reduce_.sum_rows(partial, sums_, gemm_.strips(), n_);
  }
  double flops() const override { return gemm_.flops(); }
  double bytes() const override { return gemm_.bytes(); }

 private:
  const ReduceKernels& reduce_;
  GemmRun gemm_;
  const float* y_ = nullptr;
  int64_t n_ = 0;
  float* sums_ = nullptr;
  size_t partial_offset_ = 0;
};

}  // namespace

std::unique_ptr<Step> bind_matmul_sum_rows(BindContext& context) { return std::make_unique<MatMulSumRows>(context); }

}  // namespace flashbook
