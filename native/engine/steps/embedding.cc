// Rows of a table by their indices. What an index outside 0 … V − 1 points to is never touched.
//   embedding {padding}               table (V,D), indices i32 (…) → y (…,D): the row of each index; NaN for an index outside the table
//   embedding_grad {count, padding}   dy (…,D), indices i32 (…) → dtable (count,D): the sum of the rows of dy with that index, in rising
//                                     order of position; zeros for the row `padding` (−1: none)
#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/steps/embedding_operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kCopiedPerPiece = 65536;   // elements in about ten microseconds
constexpr int64_t kSummedPerPiece = 32768;

class Embedding final : public Step {
 public:
  explicit Embedding(const EmbeddingOperands& operands) : o_(operands) {}
  void run(RunContext& context) override {
    split_range(context.pool, o_.positions, 1, kCopiedPerPiece / std::max<int64_t>(o_.columns, 1) + 1, [this](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t index = o_.indices[i];
        float* to = o_.y + i * o_.columns;
        if (index >= 0 && index < o_.count) {
          std::memcpy(to, o_.table + index * o_.columns, static_cast<size_t>(o_.columns) * sizeof(float));
        } else {
          std::fill(to, to + o_.columns, std::numeric_limits<float>::quiet_NaN());
        }
      }
    });
  }
  double bytes() const override { return o_.bytes(); }

 private:
  const EmbeddingOperands o_;
};

// A thread owns rows of the table and walks all positions, so that the order of a sum is that of the positions however many threads there are.
class EmbeddingGrad final : public Step {
 public:
  explicit EmbeddingGrad(const EmbeddingGradOperands& operands) : o_(operands) {}
  void run(RunContext& context) override {
    const double work = static_cast<double>(o_.count + o_.positions) * static_cast<double>(o_.columns);
    const double rows = kSummedPerPiece * static_cast<double>(o_.count) / std::max(work, 1.0);
    split_range(context.pool, o_.count, 1, static_cast<int64_t>(rows) + 1, [this](int64_t begin, int64_t end) {
      std::memset(o_.dtable + begin * o_.columns, 0, static_cast<size_t>((end - begin) * o_.columns) * sizeof(float));
      for (int64_t i = 0; i < o_.positions; ++i) {
        const int64_t index = o_.indices[i];
        if (index < begin || index >= end || index == o_.padding) continue;
        const float* from = o_.dy + i * o_.columns;
        float* to = o_.dtable + index * o_.columns;
        for (int64_t j = 0; j < o_.columns; ++j) to[j] += from[j];
      }
    });
  }
  double flops() const override { return o_.flops(); }
  double bytes() const override { return o_.bytes(); }

 private:
  const EmbeddingGradOperands o_;
};

}  // namespace

std::unique_ptr<Step> bind_embedding(BindContext& context) { return std::make_unique<Embedding>(embedding_operands(context)); }

std::unique_ptr<Step> bind_embedding_grad(BindContext& context) {
  return std::make_unique<EmbeddingGrad>(embedding_grad_operands(context));
}

}  // namespace flashbook
