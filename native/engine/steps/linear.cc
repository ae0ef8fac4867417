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
  double flops() const override { return gemm_.flops(); }
  double bytes() const override { return gemm_.bytes(); }

 private:
  GemmRun gemm_;
};

}  // namespace

std::unique_ptr<Step> bind_linear(BindContext& context) { return std::make_unique<Linear>(context); }

}  // namespace flashbook
