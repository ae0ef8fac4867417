// Steps attention and attention_grad {heads, causal, queries: all | last}: kernels/attention/attention.h has the formulas.
//   attention        qkv (B,T,3·D) → o (B,T,D), lse (B,heads,T); (B,1,D), (B,heads,1) for queries 'last'. lse may be left out.
//   attention_grad   do, qkv, o, lse → dqkv (B,T,3·D)
#include "kernels/attention/attention.h"

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

// Queries of one task. Small batches are cut finer, so that every thread gets work; bits do not depend on the cut.
constexpr int64_t kQueryBlock = 128;
constexpr int64_t kLeastQueryBlock = 32;
// Work a thread, in operations, below which waking a second thread costs more than it brings.
constexpr double kWorthWaking = 400e3;

class Attention final : public Step {
 public:
  Attention(BindContext& context, const AttentionShape& shape, int64_t batch, const Operand& qkv, const Operand& o, float* lse)
      : kernels_(attention_table(context.isa())), shape_(shape), batch_(batch), qkv_(qkv.as<float>()), o_(o.as<float>()),
        lse_(lse), slots_(context.pool().threads()) {
    const int64_t heads = batch * shape.heads;
    query_block_ = kQueryBlock;
    while (query_block_ > kLeastQueryBlock && heads * blocks() < 2 * slots_ && shape.queries > query_block_ / 2) query_block_ /= 2;
    if (flops() < 2 * kWorthWaking) slots_ = 1;
    scratch_ = (kernels_.forward_scratch(shape) + 15) / 16 * 16;
    context.workspace(static_cast<size_t>(slots_ * scratch_) * sizeof(float));
  }

  void run(RunContext& context) override {
    float* scratch = reinterpret_cast<float*>(context.workspace);
    split_items(context.pool, batch_ * shape_.heads * blocks(), slots_, [&](int64_t slot, int64_t item) {
      const int64_t block = item % blocks(), head = item / blocks() % shape_.heads, b = item / blocks() / shape_.heads;
      const int64_t first = block * query_block_, last = std::min(shape_.queries, first + query_block_);
      kernels_.forward(shape_, qkv_ + b * shape_.steps * 3 * shape_.width(), head, first, last,
                       o_ + b * shape_.queries * shape_.width(),
                       lse_ ? lse_ + (b * shape_.heads + head) * shape_.queries : nullptr, scratch + slot * scratch_);
    });
  }
  double flops() const override { return pairs() * static_cast<double>(4 * shape_.head_dim + 5); }
  double bytes() const override {
    return 4.0 * static_cast<double>(batch_ * (3 * shape_.steps * shape_.width() + shape_.queries * (shape_.width() + shape_.heads)));
  }

 private:
  int64_t blocks() const { return (shape_.queries + query_block_ - 1) / query_block_; }
  double pairs() const {
    const double t = static_cast<double>(shape_.steps), all = shape_.causal && shape_.queries > 1
        ? t * (t + 1) / 2 : t * static_cast<double>(shape_.queries);
    return all * static_cast<double>(batch_ * shape_.heads);
  }

  const AttentionKernels& kernels_;
  AttentionShape shape_;
  int64_t batch_;
  const float* qkv_;
  float *o_, *lse_;
  int slots_;
  int64_t query_block_, scratch_;
};

class AttentionGrad final : public Step {
 public:
  AttentionGrad(BindContext& context, const AttentionShape& shape, int64_t batch, const Operand& d_o, const Operand& qkv,
                const Operand& o, const Operand& lse, const Operand& dqkv)
      : kernels_(attention_table(context.isa())), shape_(shape), batch_(batch), d_o_(d_o.as<float>()), qkv_(qkv.as<float>()),
        o_(o.as<float>()), lse_(lse.as<float>()), dqkv_(dqkv.as<float>()), slots_(context.pool().threads()) {
    scratch_ = (kernels_.backward_scratch(shape) + 15) / 16 * 16;
    slots_ = flops() < 2 * kWorthWaking ? 1 : static_cast<int>(std::min<int64_t>(slots_, batch * shape.heads));
    context.workspace(static_cast<size_t>(slots_ * scratch_) * sizeof(float));
  }

  void run(RunContext& context) override {
    float* scratch = reinterpret_cast<float*>(context.workspace);
    const int64_t width = shape_.width();
    split_items(context.pool, batch_ * shape_.heads, slots_, [&](int64_t slot, int64_t item) {
      const int64_t head = item % shape_.heads, b = item / shape_.heads;
      kernels_.backward(shape_, d_o_ + b * shape_.queries * width, qkv_ + b * shape_.steps * 3 * width,
                        o_ + b * shape_.queries * width, lse_ + item * shape_.queries, head,
                        dqkv_ + b * shape_.steps * 3 * width, scratch + slot * scratch_);
    });
  }
  double flops() const override {
    const double t = static_cast<double>(shape_.steps);
    const double pairs = shape_.causal && shape_.queries > 1 ? t * (t + 1) / 2 : t * static_cast<double>(shape_.queries);
    return pairs * static_cast<double>(batch_ * shape_.heads * (10 * shape_.head_dim + 8));
  }
  double bytes() const override {
    return 4.0 * static_cast<double>(batch_ * (6 * shape_.steps * shape_.width() +
                                               shape_.queries * (2 * shape_.width() + shape_.heads)));
  }

 private:
  const AttentionKernels& kernels_;
  AttentionShape shape_;
  int64_t batch_;
  const float *d_o_, *qkv_, *o_, *lse_;
  float* dqkv_;
  int slots_;
  int64_t scratch_;
};

constexpr int64_t kMaxHeadDim = 256;

AttentionShape attention_shape(const BindContext& context, const Operand& qkv) {
  expect(qkv, DType::f32, {kAnySize, kAnySize, kAnySize}, "qkv");
  const int64_t heads = integer_attribute(context, "heads", 1, INT32_MAX);
  const int64_t steps = qkv.shape[1], columns = qkv.shape[2];
  if (steps < 1 || columns < 1 || columns % (3 * heads) != 0 || columns / (3 * heads) > kMaxHeadDim) {
    throw BindError("expected (B, T, 3 · heads · headDim) with heads = " + std::to_string(heads) + ", headDim 1 to " +
                    std::to_string(kMaxHeadDim) + " and T at least 1 for qkv but received " + shape_text(qkv.shape));
  }
  const std::string queries = context.text("queries", "all");
  if (queries != "all" && queries != "last") {
    throw BindError("expected 'all' or 'last' for attribute queries but received '" + queries + "'");
  }
  return {.steps = steps, .heads = heads, .head_dim = columns / (3 * heads), .queries = queries == "last" ? 1 : steps,
          .causal = context.flag("causal", false)};
}

}  // namespace

std::unique_ptr<Step> bind_attention(BindContext& context) {
  expect_counts(context, 1, 1, context.output_count() == 1 ? 1 : 2);
  const Operand& qkv = context.input(0);
  const AttentionShape shape = attention_shape(context, qkv);
  const int64_t batch = qkv.shape[0];
  const Operand& o = expect(context.output(0), DType::f32, {batch, shape.queries, shape.width()}, "o");
  float* lse = context.output_count() == 1
      ? nullptr : expect(context.output(1), DType::f32, {batch, shape.heads, shape.queries}, "lse").as<float>();
  return std::make_unique<Attention>(context, shape, batch, qkv, o, lse);
}

std::unique_ptr<Step> bind_attention_grad(BindContext& context) {
  expect_counts(context, 4, 4, 1);
  const Operand& qkv = context.input(1);
  const AttentionShape shape = attention_shape(context, qkv);
  const int64_t batch = qkv.shape[0];
  const Operand& d_o = expect(context.input(0), DType::f32, {batch, shape.queries, shape.width()}, "do");
  const Operand& o = expect_same_shape(context.input(2), d_o, "o");
  const Operand& lse = expect(context.input(3), DType::f32, {batch, shape.heads, shape.queries}, "lse");
  const Operand& dqkv = expect_same_shape(context.output(0), qkv, "dqkv");
  return std::make_unique<AttentionGrad>(context, shape, batch, d_o, qkv, o, lse, dqkv);
}

}  // namespace flashbook
