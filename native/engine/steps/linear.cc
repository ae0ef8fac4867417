// linear: y = activation(x·wᵀ + bias) + residual. x (…,K), w (N,K), bias (N)?, residual (…,N)? → y (…,N)
#include "engine/steps/gemm_run.h"
#include "engine/steps/product_operands.h"

namespace flashbook {
namespace {

class Linear final : public Step {
 public:
  explicit Linear(BindContext& context) {
    gemm::Problem problem;
    const Operand& w = read_linear(context, problem);
    problem.activation = activation_attribute(context);
    gemm_.bind(context, problem, w);
  }

  void run(RunContext& context) override { gemm_.run(context); }
  RowCut rows() const override { return gemm_.rows(1 << 0 | 1 << 3); }
  void run_rows(RunContext& context, int64_t begin, int64_t end) override { gemm_.run_rows(context, begin, end); }
  double flops() const override { return gemm_.flops(); }
  double bytes() const override { return gemm_.bytes(); }

 private:
  GemmRun gemm_;
};

}  // namespace

std::unique_ptr<Step> bind_linear(BindContext& context) { return std::make_unique<Linear>(context); }

}  // namespace flashbook
