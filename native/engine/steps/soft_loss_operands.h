// Operands of the steps of the cross-entropy against soft targets, checked for the processor and for CUDA.
#pragma once

#include <cmath>

#include "engine/step.h"
#include "engine/steps/operands.h"

namespace flashbook {

// Rounded to float32, as every number of a step.
inline double gamma_attribute(const BindContext& context) {
  const double gamma = context.number("gamma");
  if (!(gamma >= 0 && std::isfinite(gamma))) attribute_error("gamma", "a number of at least 0", gamma);
  return static_cast<float>(gamma);
}

struct SoftLossOperands {
  const float *logits, *target;
  double gamma;
  float *loss, *probs;
  int64_t rows, columns;

  double flops() const { return 12.0 * static_cast<double>(rows * columns); }
  double bytes() const { return 12.0 * static_cast<double>(rows * columns); }
};

struct SoftLossGradOperands {
  const float *dloss, *probs, *target;
  double gamma;
  float* dlogits;
  int64_t rows, columns;

  double flops() const { return 20.0 * static_cast<double>(rows * columns); }
  double bytes() const { return 12.0 * static_cast<double>(rows * columns); }
};

inline SoftLossOperands soft_loss_operands(const BindContext& context) {
  expect_counts(context, 2, 2, 2);
  const Operand& logits = expect(context.input(0), DType::f32, {kAnySize, kAnySize}, "logits");
  const Operand& target = expect_same_shape(context.input(1), logits, "target");
  const Operand& loss = expect(context.output(0), DType::f32, {1}, "loss");
  const Operand& probs = expect_same_shape(context.output(1), logits, "probs");
  return {logits.as<float>(), target.as<float>(), gamma_attribute(context), loss.as<float>(), probs.as<float>(), logits.rows(),
          logits.columns()};
}

inline SoftLossGradOperands soft_loss_grad_operands(const BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const Operand& dloss = expect(context.input(0), DType::f32, {1}, "dloss");
  const Operand& probs = expect(context.input(1), DType::f32, {kAnySize, kAnySize}, "probs");
  const Operand& target = expect_same_shape(context.input(2), probs, "target");
  const Operand& dlogits = expect_same_shape(context.output(0), probs, "dlogits");
  return {dloss.as<float>(), probs.as<float>(), target.as<float>(), gamma_attribute(context), dlogits.as<float>(), probs.rows(),
          probs.columns()};
}

}  // namespace flashbook
