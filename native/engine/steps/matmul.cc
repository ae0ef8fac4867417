// matmul: y = (op(a)·op(b))∘factor + residual, a and b seen as matrices of their last dimension and all others; op transposes
// where transA, transB say so; factor and residual may be absent. With transB it is a linear layer without bias, with neither its dx, with transA its dw.
#include "engine/steps/gemm_run.h"
#include "engine/steps/product_operands.h"

namespace flashbook {
namespace {

class MatMul final : public Step {
 public:
  explicit MatMul(BindContext& context) {
    gemm::Problem problem;
    const Operand& b = read_matmul(context, problem);
    gemm_.bind(context, problem, b);
  }

  void run(RunContext& context) override { gemm_.run(context); }
  double flops() const override { return gemm_.flops(); }
  double bytes() const override { return gemm_.bytes(); }

 private:
  GemmRun gemm_;
};

}  // namespace

std::unique_ptr<Step> bind_matmul(BindContext& context) { return std::make_unique<MatMul>(context); }

}  // namespace flashbook
