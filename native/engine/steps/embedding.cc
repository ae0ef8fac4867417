// Rows of a table by their indices. What an index outside 0 … V − 1 points to is never touched.
//   embedding {padding}               table (V,D), indices i32 (…) → y (…,D): the row of each index; NaN for an index outside the table
//   embedding_grad {count, padding}   dy (…,D), indices i32 (…) → dtable (count,D): the sum of the rows of dy with that index, in rising
//                                     order of position; zeros for the row `padding` (−1: none)
#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kCopiedPerPiece = 65536;   // elements in about ten microseconds
constexpr int64_t kSummedPerPiece = 32768;

class Embedding final : public Step {
 public:
  Embedding(const Operand& table, const Operand& indices, const Operand& y)
      : table_(table.as<float>()), indices_(indices.as<int32_t>()), y_(y.as<float>()), count_(table.shape[0]),
        positions_(indices.elements()), columns_(table.shape[1]) {}
  void run(RunContext& context) override {
    split_range(context.pool, positions_, 1, kCopiedPerPiece / std::max<int64_t>(columns_, 1) + 1, [this](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t index = indices_[i];
        float* to = y_ + i * columns_;
        if (index >= 0 && index < count_) {
          std::memcpy(to, table_ + index * columns_, static_cast<size_t>(columns_) * sizeof(float));
        } else {
          std::fill(to, to + columns_, std::numeric_limits<float>::quiet_NaN());
        }
      }
    });
  }
  double bytes() const override { return 4.0 * static_cast<double>(positions_) * static_cast<double>(2 * columns_ + 1); }

 private:
  const float* table_;
  const int32_t* indices_;
  float* y_;
  int64_t count_, positions_, columns_;
};

// A thread owns rows of the table and walks all positions, so that the order of a sum is that of the positions however many threads there are.
class EmbeddingGrad final : public Step {
 public:
  EmbeddingGrad(const Operand& dy, const Operand& indices, const Operand& dtable, int64_t padding)
      : dy_(dy.as<float>()), indices_(indices.as<int32_t>()), dtable_(dtable.as<float>()), count_(dtable.shape[0]),
        positions_(indices.elements()), columns_(dtable.shape[1]), padding_(padding) {}
  void run(RunContext& context) override {
    const double work = static_cast<double>(count_ + positions_) * static_cast<double>(columns_);
    const double rows = kSummedPerPiece * static_cast<double>(count_) / std::max(work, 1.0);
    split_range(context.pool, count_, 1, static_cast<int64_t>(rows) + 1, [this](int64_t begin, int64_t end) {
      std::memset(dtable_ + begin * columns_, 0, static_cast<size_t>((end - begin) * columns_) * sizeof(float));
      for (int64_t i = 0; i < positions_; ++i) {
        const int64_t index = indices_[i];
        if (index < begin || index >= end || index == padding_) continue;
        const float* from = dy_ + i * columns_;
        float* to = dtable_ + index * columns_;
        for (int64_t j = 0; j < columns_; ++j) to[j] += from[j];
      }
    });
  }
  double flops() const override { return static_cast<double>(positions_) * static_cast<double>(columns_); }
  double bytes() const override {
    return 4.0 * (static_cast<double>(positions_) * static_cast<double>(columns_ + 1) +
                  static_cast<double>(count_) * static_cast<double>(columns_));
  }

 private:
  const float* dy_;
  const int32_t* indices_;
  float* dtable_;
  int64_t count_, positions_, columns_, padding_;
};

}  // namespace

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
  return std::make_unique<Embedding>(table, indices, y);
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
  return std::make_unique<EmbeddingGrad>(dy, indices, dtable, padding);
}

}  // namespace flashbook
