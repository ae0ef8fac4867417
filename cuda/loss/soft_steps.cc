// Steps soft_cross_entropy and soft_cross_entropy_grad {gamma}, operands as in native/engine/steps/soft_loss.cc.
#include "cuda/loss/soft_loss.h"

#include "cuda/engine/steps.h"

namespace flashbook {
namespace {

double gamma_attribute(const BindContext& context) {
  const double gamma = context.number("gamma");
  if (!(gamma >= 0 && std::isfinite(gamma))) attribute_error("gamma", "a number of at least 0", gamma);
  return static_cast<float>(gamma);
}

cuda::Cost cost_of(const Operand& x, double flops) {
  const double n = static_cast<double>(x.elements());
  return {.flops = flops * n, .bytes = 12.0 * n};
}

}  // namespace

std::unique_ptr<Step> bind_soft_cross_entropy(BindContext& context) {
  expect_counts(context, 2, 2, 2);
  const Operand& logits = expect(context.input(0), DType::f32, {kAnySize, kAnySize}, "logits");
  const float* target = expect_same_shape(context.input(1), logits, "target").as<float>();
  float* loss = expect(context.output(0), DType::f32, {1}, "loss").as<float>();
  float* probs = expect_same_shape(context.output(1), logits, "probs").as<float>();
  const double gamma = gamma_attribute(context);
  const int64_t rows = logits.rows(), columns = logits.columns();
  const float* from = logits.as<float>();
  context.workspace(cuda::loss::soft_workspace_bytes(rows));
  return cuda::step(cost_of(logits, 12), [=](RunContext& run) {
    return cuda::loss::soft_cross_entropy(from, target, gamma, loss, probs, rows, columns, run.workspace, cuda::stream());
  });
}

std::unique_ptr<Step> bind_soft_cross_entropy_grad(BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const float* dloss = expect(context.input(0), DType::f32, {1}, "dloss").as<float>();
  const Operand& probs = expect(context.input(1), DType::f32, {kAnySize, kAnySize}, "probs");
  const float* target = expect_same_shape(context.input(2), probs, "target").as<float>();
  float* dlogits = expect_same_shape(context.output(0), probs, "dlogits").as<float>();
  const double gamma = gamma_attribute(context);
  const int64_t rows = probs.rows(), columns = probs.columns();
  const float* from = probs.as<float>();
  context.workspace(cuda::loss::soft_workspace_bytes(rows));
  return cuda::step(cost_of(probs, 20), [=](RunContext& run) {
    return cuda::loss::soft_cross_entropy_grad(dloss, from, target, gamma, dlogits, rows, columns, run.workspace, cuda::stream());
  });
}

}  // namespace flashbook
