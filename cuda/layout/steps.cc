// Steps select_step {index}, select_step_grad {index, steps}, concat, slice {start, length}, transpose, operands as in
// native/engine/steps/layout.cc.
#include "cuda/layout/layout.h"

#include "cuda/engine/steps.h"

namespace flashbook {
namespace {

using namespace cuda::layout;

// Copies a block of `width` columns in every row from one row length to another.
struct Block {
  const float* from;
  int64_t from_columns;
  float* to;
  int64_t to_columns;
  int64_t width;
};

std::unique_ptr<Step> copy_blocks(std::vector<Block> blocks, int64_t rows) {
  int64_t width = 0;
  for (const Block& b : blocks) width += b.width;
  return cuda::step({.bytes = 8.0 * static_cast<double>(rows * width)}, [blocks = std::move(blocks), rows](RunContext&) {
    for (const Block& b : blocks) {
      const cudaError_t status = copy_block(b.from, b.from_columns, b.to, b.to_columns, b.width, rows, cuda::stream());
      if (status != cudaSuccess) return status;
    }
    return cudaSuccess;
  });
}

int64_t step_index(const BindContext& context, int64_t steps) {
  const int64_t index = integer_attribute(context, "index", -1, steps - 1);
  return index < 0 ? steps - 1 : index;
}

}  // namespace

std::unique_ptr<Step> bind_select_step(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnySize, kAnySize, kAnySize}, "x");
  const int64_t steps = x.shape[1], columns = x.shape[2];
  if (steps < 1) throw BindError("expected at least one step for x but received f32 " + shape_text(x.shape));
  const Operand& y = expect(context.output(0), DType::f32, {x.shape[0], columns}, "y");
  const float* from = x.as<float>() + step_index(context, steps) * columns;
  return copy_blocks({{from, steps * columns, y.as<float>(), columns, columns}}, x.shape[0]);
}

std::unique_ptr<Step> bind_select_step_grad(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& dy = expect(context.input(0), DType::f32, {kAnySize, kAnySize}, "dy");
  const int64_t steps = integer_attribute(context, "steps", 1, INT32_MAX);
  const Operand& dx = expect(context.output(0), DType::f32, {dy.shape[0], steps, dy.shape[1]}, "dx");
  const int64_t batch = dy.shape[0], columns = dy.shape[1], index = step_index(context, steps);
  const float* from = dy.as<float>();
  float* to = dx.as<float>();
  return cuda::step({.bytes = 4.0 * static_cast<double>(batch * (steps + 1) * columns)},
                    [=](RunContext&) { return place_step(from, to, batch, steps, columns, index, cuda::stream()); });
}

std::unique_ptr<Step> bind_concat(BindContext& context) {
  expect_counts(context, 1, SIZE_MAX, 1);
  const Operand& y = expect(context.output(0), DType::f32, {kAnyDims, kAnySize}, "y");
  std::vector<Block> blocks;
  int64_t column = 0;
  for (size_t i = 0; i < context.input_count(); ++i) {
    std::vector<int64_t> pattern = y.shape;
    pattern.back() = kAnySize;
    const Operand& x = expect(context.input(i), DType::f32, pattern, ("input " + std::to_string(i)).c_str());
    blocks.push_back({x.as<float>(), x.columns(), y.as<float>() + column, y.columns(), x.columns()});
    column += x.columns();
    if (column > y.columns()) break;
  }
  if (column != y.columns()) {
    throw BindError("expected the columns of the inputs to sum to " + std::to_string(y.columns()) + ", those of y, but received " +
                    std::to_string(column));
  }
  return copy_blocks(std::move(blocks), y.rows());
}

std::unique_ptr<Step> bind_slice(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  const int64_t start = integer_attribute(context, "start", 0, x.columns());
  const int64_t length = integer_attribute(context, "length", 0, x.columns() - start);
  std::vector<int64_t> shape = x.shape;
  shape.back() = length;
  const Operand& y = expect(context.output(0), DType::f32, shape, "y");
  return copy_blocks({{x.as<float>() + start, x.columns(), y.as<float>(), length, length}}, x.rows());
}

std::unique_ptr<Step> bind_transpose(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize, kAnySize}, "x");
  std::vector<int64_t> shape = x.shape;
  std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
  const Operand& y = expect(context.output(0), DType::f32, shape, "y");
  expect_apart(y, x, "x");
  const int64_t columns = x.columns(), rows = x.shape[x.shape.size() - 2];
  const int64_t batch = x.elements() / std::max<int64_t>(1, rows * columns);
  const float* from = x.as<float>();
  float* to = y.as<float>();
  return cuda::step({.bytes = 8.0 * static_cast<double>(x.elements())},
                    [=](RunContext&) { return transpose(from, to, batch, rows, columns, cuda::stream()); });
}

}  // namespace flashbook
