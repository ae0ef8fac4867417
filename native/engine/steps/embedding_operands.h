// Operands of the steps of embedding, checked for the processor and for CUDA.
#pragma once

#include <vector>

#include "engine/step.h"
#include "engine/steps/operands.h"

namespace flashbook {

// table (count, columns), indices (positions) → y (positions, columns)
struct EmbeddingOperands {
  const float* table;
  const int32_t* indices;
  float* y;
  int64_t count, positions, columns;

  double bytes() const { return 4.0 * static_cast<double>(positions) * static_cast<double>(2 * columns + 1); }
};

// dy (positions, columns), indices (positions) → dtable (count, columns); `padding` is the row without a gradient, or −1
struct EmbeddingGradOperands {
  const float* dy;
  const int32_t* indices;
  float* dtable;
  int64_t count, positions, columns, padding;

  double flops() const { return static_cast<double>(positions) * static_cast<double>(columns); }
  double bytes() const {
    return 4.0 * (static_cast<double>(positions) * static_cast<double>(columns + 1) +
                  static_cast<double>(count) * static_cast<double>(columns));
  }
};

inline EmbeddingOperands embedding_operands(const BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& table = expect(context.input(0), DType::f32, {kAnySize, kAnySize}, "table");
  const Operand& indices = expect(context.input(1), DType::i32, {kAnyDims, kAnySize}, "indices");
  std::vector<int64_t> shape = indices.shape;
  shape.push_back(table.shape[1]);
  const Operand& y = expect(context.output(0), DType::f32, shape, "y");
  integer_attribute(context, "padding", -1, table.shape[0] - 1);   // for the gradient
  expect_apart(y, table, "table");
  expect_apart(y, indices, "indices");
  return {table.as<float>(), indices.as<int32_t>(), y.as<float>(), table.shape[0], indices.elements(), table.shape[1]};
}

inline EmbeddingGradOperands embedding_grad_operands(const BindContext& context) {
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
  return {dy.as<float>(), indices.as<int32_t>(), dtable.as<float>(), count, indices.elements(), dy.columns(), padding};
}

}  // namespace flashbook
