// Steps soft_cross_entropy and soft_cross_entropy_grad {gamma}, operands as in native/engine/steps/soft_loss.cc.
#include "cuda/loss/soft_loss.h"

#include "cuda/engine/steps.h"
#include "engine/steps/soft_loss_operands.h"

namespace flashbook {

std::unique_ptr<Step> bind_soft_cross_entropy(BindContext& context) {
  const SoftLossOperands o = soft_loss_operands(context);
  context.workspace(cuda::loss::soft_workspace_bytes(o.rows));
  return cuda::step({.flops = o.flops(), .bytes = o.bytes()}, [o](RunContext& run) {
    return cuda::loss::soft_cross_entropy(o.logits, o.target, o.gamma, o.loss, o.probs, o.rows, o.columns, run.workspace,
                                          cuda::stream());
  });
}

std::unique_ptr<Step> bind_soft_cross_entropy_grad(BindContext& context) {
  const SoftLossGradOperands o = soft_loss_grad_operands(context);
  context.workspace(cuda::loss::soft_workspace_bytes(o.rows));
  return cuda::step({.flops = o.flops(), .bytes = o.bytes()}, [o](RunContext& run) {
    return cuda::loss::soft_cross_entropy_grad(o.dloss, o.probs, o.target, o.gamma, o.dlogits, o.rows, o.columns, run.workspace,
                                               cuda::stream());
  });
}

}  // namespace flashbook
