// Steps that move values without changing them.
//   select_step {index}               x (B,T,D) → (B,D): step index of each sequence; −1 is the last
//   select_step_grad {index, steps}   dy (B,D) → (B,steps,D): dy at that step, zeros elsewhere
//   concat                            n × (…,C_i) → (…,ΣC_i), along the last axis
//   slice {start, length}             (…,C) → (…,length), along the last axis
//   transpose                         (…,M,N) → (…,N,M)
#include <cstring>

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 131072;   // elements in about ten microseconds

// Copies a block of `width` columns in every row from one row length to another.
struct Block {
  const float* from;
  int64_t from_columns;
  float* to;
  int64_t to_columns;
  int64_t width;
};

class CopyBlocks final : public Step {
 public:
  CopyBlocks(std::vector<Block> blocks, int64_t rows) : blocks_(std::move(blocks)), rows_(rows) {
    for (const Block& b : blocks_) width_ += b.width;
  }
  void run(RunContext& context) override {
    split_range(context.pool, rows_, 1, kPerPiece / std::max<int64_t>(width_, 1) + 1, [this](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        for (const Block& b : blocks_) {
          if (b.width > 0) {
            std::memcpy(b.to + r * b.to_columns, b.from + r * b.from_columns, static_cast<size_t>(b.width) * sizeof(float));
          }
        }
      }
    });
  }
  double bytes() const override { return 8.0 * static_cast<double>(rows_ * width_); }

 private:
  std::vector<Block> blocks_;
  int64_t rows_, width_ = 0;
};

class PlaceStep final : public Step {
 public:
  PlaceStep(const float* dy, float* dx, int64_t batch, int64_t steps, int64_t columns, int64_t index)
      : dy_(dy), dx_(dx), batch_(batch), steps_(steps), columns_(columns), index_(index) {}
  void run(RunContext& context) override {
    const int64_t size = steps_ * columns_;
    split_range(context.pool, batch_, 1, kPerPiece / std::max<int64_t>(size, 1) + 1, [&](int64_t begin, int64_t end) {
      std::memset(dx_ + begin * size, 0, static_cast<size_t>((end - begin) * size) * sizeof(float));
      for (int64_t b = begin; b < end; ++b) {
        std::memcpy(dx_ + b * size + index_ * columns_, dy_ + b * columns_, static_cast<size_t>(columns_) * sizeof(float));
      }
    });
  }
  double bytes() const override { return 4.0 * static_cast<double>(batch_ * (steps_ + 1) * columns_); }

 private:
  const float* dy_;
  float* dx_;
  int64_t batch_, steps_, columns_, index_;
};

class Transpose final : public Step {
 public:
  Transpose(const float* x, float* y, int64_t matrices, int64_t rows, int64_t columns)
      : x_(x), y_(y), matrices_(matrices), rows_(rows), columns_(columns) {}
  void run(RunContext& context) override {
    const int64_t size = rows_ * columns_;
    split_range(context.pool, matrices_, 1, kPerPiece / 4 / std::max<int64_t>(size, 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) turn(x_ + m * size, y_ + m * size);
    });
  }
  double bytes() const override { return 8.0 * static_cast<double>(matrices_ * rows_ * columns_); }

 private:
  // In squares of 16 × 16, of which both sides stay in L1.
  void turn(const float* x, float* y) const {
    constexpr int64_t kSide = 16;
    for (int64_t i0 = 0; i0 < rows_; i0 += kSide) {
      for (int64_t j0 = 0; j0 < columns_; j0 += kSide) {
        const int64_t i1 = std::min(rows_, i0 + kSide), j1 = std::min(columns_, j0 + kSide);
        for (int64_t j = j0; j < j1; ++j) {
          for (int64_t i = i0; i < i1; ++i) y[j * rows_ + i] = x[i * columns_ + j];
        }
      }
    }
  }

  const float* x_;
  float* y_;
  int64_t matrices_, rows_, columns_;
};

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
  return std::make_unique<CopyBlocks>(std::vector<Block>{{from, steps * columns, y.as<float>(), columns, columns}}, x.shape[0]);
}

std::unique_ptr<Step> bind_select_step_grad(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& dy = expect(context.input(0), DType::f32, {kAnySize, kAnySize}, "dy");
  const int64_t steps = integer_attribute(context, "steps", 1, INT32_MAX);
  const Operand& dx = expect(context.output(0), DType::f32, {dy.shape[0], steps, dy.shape[1]}, "dx");
  return std::make_unique<PlaceStep>(dy.as<float>(), dx.as<float>(), dy.shape[0], steps, dy.shape[1],
                                     step_index(context, steps));
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
  return std::make_unique<CopyBlocks>(std::move(blocks), y.rows());
}

std::unique_ptr<Step> bind_slice(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
  const int64_t start = integer_attribute(context, "start", 0, x.columns());
  const int64_t length = integer_attribute(context, "length", 0, x.columns() - start);
  std::vector<int64_t> shape = x.shape;
  shape.back() = length;
  const Operand& y = expect(context.output(0), DType::f32, shape, "y");
  return std::make_unique<CopyBlocks>(std::vector<Block>{{x.as<float>() + start, x.columns(), y.as<float>(), length, length}},
                                      x.rows());
}

std::unique_ptr<Step> bind_transpose(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize, kAnySize}, "x");
  std::vector<int64_t> shape = x.shape;
  std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
  const Operand& y = expect(context.output(0), DType::f32, shape, "y");
  expect_apart(y, x, "x");
  const int64_t rows = x.shape[x.shape.size() - 2], size = std::max<int64_t>(1, rows * x.columns());
  return std::make_unique<Transpose>(x.as<float>(), y.as<float>(), x.elements() / size, rows, x.columns());
}

}  // namespace flashbook
