// Steps softmax, softmax_cross_entropy {smoothing}, softmax_cross_entropy_grad {smoothing}, operands as in
// native/engine/steps/loss.cc.
#include "cuda/loss/loss.h"

#include "cuda/engine/steps.h"

namespace flashbook {
namespace {

void expect_classes(const Operand& x) {
  if (x.columns() < 1) throw BindError("expected at least one class but received f32 " + shape_text(x.shape));
}

float smoothing_attribute(const BindContext& context) {
  const double smoothing = context.number("smoothing");
  if (!(smoothing >= 0 && smoothing <= 1)) attribute_error("smoothing", "a number from 0 to 1", smoothing);
  return static_cast<float>(smoothing);
}

}  // namespace

std::unique_ptr<Step> bind_softmax(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  expect_classes(x);
  const float* from = x.as<float>();
  float* to = expect_same_shape(context.output(0), x, "y").as<float>();
  const int64_t rows = x.rows(), columns = x.columns();
  return cuda::step({.flops = 17.0 * static_cast<double>(rows * columns), .bytes = 8.0 * static_cast<double>(rows * columns)},
                    [=](RunContext&) { return cuda::loss::softmax(from, to, rows, columns, cuda::stream()); });
}

std::unique_ptr<Step> bind_softmax_cross_entropy(BindContext& context) {
  expect_counts(context, 2, 2, 2);
  const Operand& logits = expect(context.input(0), DType::f32, {kAnySize, kAnySize}, "logits");
  expect_classes(logits);
  const int32_t* target = expect(context.input(1), DType::i32, {logits.rows()}, "target").as<int32_t>();
  float* loss = expect(context.output(0), DType::f32, {1}, "loss").as<float>();
  float* probs = expect_same_shape(context.output(1), logits, "probs").as<float>();
  const float smoothing = smoothing_attribute(context);
  const int64_t rows = logits.rows(), columns = logits.columns();
  context.workspace(cuda::loss::cross_entropy_workspace_bytes(rows));
  const float* from = logits.as<float>();
  return cuda::step({.flops = 20.0 * static_cast<double>(rows * columns), .bytes = 8.0 * static_cast<double>(rows * columns)},
                    [=](RunContext& run) {
                      return cuda::loss::cross_entropy(from, target, smoothing, loss, probs, rows, columns, run.workspace, cuda::stream());
                    });
}

std::unique_ptr<Step> bind_softmax_cross_entropy_grad(BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const float* dloss = expect(context.input(0), DType::f32, {1}, "dloss").as<float>();
  const Operand& probs = expect(context.input(1), DType::f32, {kAnySize, kAnySize}, "probs");
  expect_classes(probs);
  const int32_t* target = expect(context.input(2), DType::i32, {probs.rows()}, "target").as<int32_t>();
  float* dlogits = expect_same_shape(context.output(0), probs, "dlogits").as<float>();
  const float smoothing = smoothing_attribute(context);
  const int64_t rows = probs.rows(), columns = probs.columns();
  context.workspace(cuda::loss::kGradientWorkspaceBytes);
  const float* from = probs.as<float>();
  return cuda::step({.flops = 2.0 * static_cast<double>(rows * columns), .bytes = 8.0 * static_cast<double>(rows * columns)},
                    [=](RunContext& run) {
                      return cuda::loss::cross_entropy_grad(dloss, from, target, smoothing, dlogits, rows, columns, run.workspace, cuda::stream());
                    });
}

}  // namespace flashbook
