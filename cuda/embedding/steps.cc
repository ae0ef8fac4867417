// Steps embedding {padding}, embedding_grad {count, padding}, operands as in native/engine/steps/embedding.cc.
#include "cuda/embedding/embedding.h"

#include "cuda/engine/steps.h"

namespace flashbook {

std::unique_ptr<Step> bind_embedding(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& table = expect(context.input(0), DType::f32, {kAnySize, kAnySize}, "table");
  const Operand& indices = expect(context.input(1), DType::i32, {kAnyDims, kAnySize}, "indices");
  std::vector<int64_t> shape = indices.shape;
  shape.push_back(table.shape[1]);
  const Operand& y = expect(context.output(0), DType::f32, shape, "y");
  integer_attribute(context, "padding", -1, table.shape[0] - 1);   // for the gradient
  expect_apart(y, table, "table");
  expect_apart(y, indices, "indices");
  const int64_t count = table.shape[0], columns = table.shape[1], positions = indices.elements();
  const float* from = table.as<float>();
  const int32_t* at = indices.as<int32_t>();
  float* to = y.as<float>();
  return cuda::step({.bytes = 4.0 * static_cast<double>(positions) * static_cast<double>(2 * columns + 1)}, [=](RunContext&) {
    return cuda::embedding::lookup(from, at, to, count, positions, columns, cuda::stream());
  });
}

std::unique_ptr<Step> bind_embedding_grad(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& indices = expect(context.input(1), DType::i32, {kAnyDims, kAnySize}, "indices");
  std::vector<int64_t> shape = indices.shape;
  shape.push_back(kAnySize);
  const Operand& dy = expect(context.input(0), DType::f32, shape, "dy");
  const int64_t count = integer_attribute(context, "count", 1, INT32_MAX);
  const int64_t padding = integer_attribute(context, "padding", -1, count - 1);
  const Operand& dtable = expect(context.output(0), DType::f32, {count, dy.columns()}, "dtable");
  expect_apart(dtable, dy, "dy");
  expect_apart(dtable, indices, "indices");
  const int64_t columns = dy.columns(), positions = indices.elements();
  const float* from = dy.as<float>();
  const int32_t* at = indices.as<int32_t>();
  float* to = dtable.as<float>();
  return cuda::step({.flops = static_cast<double>(positions) * static_cast<double>(columns),
                     .bytes = 4.0 * (static_cast<double>(positions) * static_cast<double>(columns + 1) +
                                     static_cast<double>(count) * static_cast<double>(columns))},
                    [=](RunContext&) {
                      return cuda::embedding::gradient(from, at, to, count, positions, columns, padding, cuda::stream());
                    });
}

}  // namespace flashbook
