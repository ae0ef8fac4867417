// Steps attention, attention_grad {heads, causal, queries: all | last, windows, strides, alibi: one number a head} and attention_last:
// kernels/attention/attention.h has the formulas.
//   attention        qkv (B,T,3·D) → o (B,T,D), lse (B,heads,T); (B,1,D), (B,heads,1) for queries 'last'. lse may be left out.
//   attention_grad   do, qkv, o, lse → dqkv (B,T,3·D)
//   attention_last   q (B,D), kv (B,T,2·D) → o (B,D): the last query, projected apart; without queries, causal and dropout
// With {dropout, stream} both take rng u32 (4) as their last operand. In head h of sequence b, the weight of the key of step s for the
// query of step t is element ((b·heads + h)·T + t)·P + ⌊s/stride⌋ of the random numbers, P = T rounded up to 16.
#include "kernels/attention/attention.h"

#include <cstring>
#include <optional>

#include "engine/step.h"
#include "engine/steps/attention_operands.h"
#include "engine/steps/drawn.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

// Queries of one task, which share the packing of keys. Small batches are cut finer, so that every thread gets work; bits do not
// depend on the cut.
constexpr int64_t kQueryBlock = 2048;
constexpr int64_t kLeastQueryBlock = 32;
static_assert(kMostHeadDim == kMaxHeadDim, "what the operands may be is what the kernels can do");
// Work a thread, in operations, below which waking a second thread costs more than it brings.
constexpr double kWorthWaking = 400e3;

struct Layout : AttentionLayout {
  std::optional<Drawn> dropout;   // of the weights
  // The first query and the first key and value, the floats from row to row, and for q from sequence to sequence.
  const float *q, *k, *v;
  int64_t ld, q_sequence;

  int64_t padded_steps() const { return (steps + 15) / 16 * 16; }
  // Operations for each pair of a query and a key in a number of products.
  double pair_flops(int64_t products) const { return static_cast<double>(2 * products * head_dim + (dropout ? 10 : 0)); }
};

// The rows of a head that see each other: all of them, or with a stride those of one residue. A strided head is `stride` dense ones
// side by side, with rows, window and slope in steps of the stride.
struct Part {
  int64_t head, residue;
  AttentionRows rows;   // q, k and v are set for each sequence

  int64_t stride(const Layout& layout) const { return layout.patterns[static_cast<size_t>(head)].stride; }
};

std::vector<Part> parts_of(const Layout& layout) {
  std::vector<Part> parts;
  for (int64_t head = 0; head < layout.heads; ++head) {
    const HeadPattern& pattern = layout.patterns[static_cast<size_t>(head)];
    const bool all = layout.queries == layout.steps;
    const int64_t residues = std::min(pattern.stride, layout.steps);
    for (int64_t residue = all ? 0 : (layout.steps - 1) % pattern.stride; residue < residues; ++residue) {
      AttentionRows rows = {};
      rows.steps = (layout.steps - residue + pattern.stride - 1) / pattern.stride;
      rows.queries = all ? rows.steps : 1;
      rows.head_dim = layout.head_dim;
      rows.ld = layout.ld * pattern.stride;
      rows.causal = layout.causal;
      rows.window = pattern.window == 0 ? 0 : (pattern.window - 1) / pattern.stride + 1;
      rows.slope = pattern.slope * static_cast<float>(pattern.stride);
      rows.bf16 = layout.bf16;
      if (layout.dropout) rows.dropout = layout.dropout->attributes();
      rows.element_ld = static_cast<uint64_t>(layout.padded_steps() * pattern.stride);
      parts.push_back({head, residue, rows});
      if (!all) break;
    }
  }
  return parts;
}

// Pairs of a query and a key that it sees.
double pairs_of(const Layout& layout) {
  double sum = 0;
  for (const Part& part : parts_of(layout)) {
    for (int64_t query = 0; query < part.rows.queries; ++query) {
      sum += static_cast<double>(part.rows.end_key(query) - part.rows.first_key(query));
    }
  }
  return sum * static_cast<double>(layout.batch);
}

// The rows of sequence b, in this run.
AttentionRows rows_at(const Layout& layout, const Part& part, int64_t b) {
  AttentionRows rows = part.rows;
  const int64_t column = part.head * layout.head_dim, key = (b * layout.steps + part.residue) * layout.ld + column;
  rows.q = layout.q + b * layout.q_sequence + (layout.queries == layout.steps ? part.residue * layout.ld : 0) + column;
  rows.k = layout.k + key;
  rows.v = layout.v + key;
  if (layout.dropout) {
    rows.dropout = layout.dropout->draw();
    rows.first_element = static_cast<uint64_t>((b * layout.heads + part.head) * layout.steps + part.residue) *
                         static_cast<uint64_t>(layout.padded_steps());
  }
  return rows;
}

class Attention final : public Step {
 public:
  Attention(BindContext& context, Layout layout, const Operand& o, float* lse)
      : kernels_(attention_table(context.isa())), layout_(std::move(layout)), o_(o.as<float>()), lse_(lse),
        slots_(context.pool().threads()), flops_(pairs_of(layout_) * (layout_.pair_flops(2) + 5)) {
    const std::vector<Part> parts = parts_of(layout_);
    int64_t block = kQueryBlock;
    const auto pieces = [&] {
      int64_t count = 0;
      for (const Part& part : parts) count += (part.rows.queries + block - 1) / block;
      return count * layout_.batch;
    };
    while (block > kLeastQueryBlock && pieces() < 2 * slots_) block /= 2;
    for (const Part& part : parts) {
      for (int64_t first = 0; first < part.rows.queries; first += block) {
        pieces_.push_back({part, first, std::min(part.rows.queries, first + block)});
      }
      scratch_ = std::max(scratch_, (kernels_.forward_scratch(part.rows) + 15) / 16 * 16);
    }
    if (flops_ < 2 * kWorthWaking) slots_ = 1;
    context.workspace(static_cast<size_t>(slots_ * scratch_) * sizeof(float));
  }

  void run(RunContext& context) override {
    float* scratch = reinterpret_cast<float*>(context.workspace);
    const int64_t count = static_cast<int64_t>(pieces_.size());
    split_items(context.pool, layout_.batch * count, slots_, [&](int64_t slot, int64_t item) {
      run_piece(item / count, pieces_[static_cast<size_t>(item % count)], scratch + slot * scratch_);
    });
  }
  // A sequence at a time.
  RowCut rows() const override {
    if (layout_.queries != layout_.steps || layout_.batch == 1 || lse_ != nullptr) return {};
    return {layout_.batch * layout_.steps, layout_.steps, 1 << 0, static_cast<size_t>(scratch_) * sizeof(float)};
  }
  void run_rows(RunContext& context, int64_t begin, int64_t end) override {
    for (int64_t b = begin / layout_.steps; b < end / layout_.steps; ++b) {
      for (const Piece& piece : pieces_) run_piece(b, piece, reinterpret_cast<float*>(context.workspace));
    }
  }
  double flops() const override { return flops_; }
  double bytes() const override {
    const int64_t read = layout_.queries == layout_.steps ? 3 * layout_.steps : 2 * layout_.steps + 1;
    return 4.0 * static_cast<double>(layout_.batch * (read * layout_.width() + layout_.queries * (layout_.width() + layout_.heads)));
  }

 private:
  struct Piece {
    Part part;
    int64_t first, last;   // queries
  };

  void run_piece(int64_t b, const Piece& piece, float* scratch) const {
    const auto& [part, first, last] = piece;
    const int64_t stride = part.stride(layout_), width = layout_.width();
    // A lone query is row 0 of o, whatever its step.
    const int64_t row = layout_.queries == layout_.steps ? part.residue : 0;
    kernels_.forward(rows_at(layout_, part, b), first, last,
                     o_ + (b * layout_.queries + row) * width + part.head * layout_.head_dim, width * stride,
                     lse_ ? lse_ + (b * layout_.heads + part.head) * layout_.queries + row : nullptr, stride, scratch);
  }

  const AttentionKernels& kernels_;
  const Layout layout_;
  float *o_, *lse_;
  int slots_;
  const double flops_;
  std::vector<Piece> pieces_;   // of one sequence
  int64_t scratch_ = 0;
};

class AttentionGrad final : public Step {
 public:
  AttentionGrad(BindContext& context, Layout layout, const Operand& d_o, const Operand& o, const Operand& lse, const Operand& dqkv)
      : kernels_(attention_table(context.isa())), layout_(std::move(layout)), parts_(parts_of(layout_)), d_o_(d_o.as<float>()),
        o_(o.as<float>()), lse_(lse.as<float>()), dqkv_(dqkv.as<float>()), slots_(context.pool().threads()),
        flops_(pairs_of(layout_) * (layout_.pair_flops(5) + 8)) {
    for (const Part& part : parts_) scratch_ = std::max(scratch_, (kernels_.backward_scratch(part.rows) + 15) / 16 * 16);
    slots_ = flops_ < 2 * kWorthWaking
        ? 1 : static_cast<int>(std::min<int64_t>(slots_, layout_.batch * static_cast<int64_t>(parts_.size())));
    context.workspace(static_cast<size_t>(slots_ * scratch_) * sizeof(float));
  }

  void run(RunContext& context) override {
    float* scratch = reinterpret_cast<float*>(context.workspace);
    const int64_t count = static_cast<int64_t>(parts_.size()), width = layout_.width();
    split_items(context.pool, layout_.batch * count, slots_, [&](int64_t slot, int64_t item) {
      const Part& part = parts_[static_cast<size_t>(item % count)];
      const int64_t b = item / count, stride = part.stride(layout_);
      const bool all = layout_.queries == layout_.steps;
      const int64_t row = all ? part.residue : 0, column = part.head * layout_.head_dim;
      float* sequence = dqkv_ + b * layout_.steps * 3 * width + column;
      if (!all && stride > 1) clear_other_residues(sequence, part.residue, stride);
      float* dq = sequence + part.residue * 3 * width;
      const int64_t at = (b * layout_.queries + row) * width + column;
      kernels_.backward(rows_at(layout_, part, b), d_o_ + at, o_ + at, width * stride,
                        lse_ + (b * layout_.heads + part.head) * layout_.queries + row, stride, dq, dq + width, dq + 2 * width,
                        scratch + slot * scratch_);
    });
  }
  double flops() const override { return flops_; }
  double bytes() const override {
    const int64_t read = layout_.queries == layout_.steps ? 3 * layout_.steps : 2 * layout_.steps + 1;
    return 4.0 * static_cast<double>(layout_.batch * ((read + 3 * layout_.steps) * layout_.width() +
                                                      layout_.queries * (2 * layout_.width() + layout_.heads)));
  }

 private:
  // A lone query reaches the steps of its own residue; the gradient of the others is 0.
  void clear_other_residues(float* sequence, int64_t residue, int64_t stride) const {
    const int64_t width = layout_.width();
    for (int64_t t = 0; t < layout_.steps; ++t) {
      if (t % stride == residue) continue;
      for (int64_t kind = 0; kind < 3; ++kind) {
        std::memset(sequence + (3 * t + kind) * width, 0, static_cast<size_t>(layout_.head_dim) * sizeof(float));
      }
    }
  }

  const AttentionKernels& kernels_;
  const Layout layout_;
  const std::vector<Part> parts_;   // of one sequence
  const float *d_o_, *o_, *lse_;
  float* dqkv_;
  int slots_;
  const double flops_;
  int64_t scratch_ = 0;
};

// With dropout of the weights where operand `rng` is there.
Layout layout_of(const BindContext& context, const Operand& qkv, size_t rng) {
  Layout layout{attention_layout(context, qkv), std::nullopt, qkv.as<float>(), nullptr, nullptr, qkv.columns(), 0};
  const int64_t width = layout.width();
  layout.k = layout.q + width;
  layout.v = layout.k + width;
  layout.q += (layout.steps - layout.queries) * layout.ld;
  layout.q_sequence = layout.steps * layout.ld;
  if (context.has_input(rng)) {
    layout.dropout.emplace(context, expect(context.input(rng), DType::u32, {4}, "rng"), "dropout", 0.9999, "a probability from 0 to 0.9999");
  } else if (context.number("dropout", 0) != 0) {
    throw BindError("expected the operand rng with attribute dropout but received none");
  }
  return layout;
}

}  // namespace

std::unique_ptr<Step> bind_attention(BindContext& context) {
  expect_counts(context, 1, 2, context.output_count() == 1 ? 1 : 2);
  const Operand& qkv = context.input(0);
  Layout layout = layout_of(context, qkv, 1);
  const Operand& o = expect(context.output(0), DType::f32, {layout.batch, layout.queries, layout.width()}, "o");
  float* lse = context.output_count() == 1
      ? nullptr : expect(context.output(1), DType::f32, {layout.batch, layout.heads, layout.queries}, "lse").as<float>();
  return std::make_unique<Attention>(context, std::move(layout), o, lse);
}

std::unique_ptr<Step> bind_attention_last(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& kv = context.input(1);
  Layout layout{attention_layout(context, kv, true), std::nullopt, nullptr, kv.as<float>(), nullptr, kv.columns(), 0};
  const int64_t width = layout.width();
  layout.v = layout.k + width;
  layout.q = expect(context.input(0), DType::f32, {layout.batch, width}, "q").as<float>();
  layout.q_sequence = width;
  const Operand& o = expect(context.output(0), DType::f32, {layout.batch, width}, "o");
  expect_apart(o, context.input(0), "q");
  return std::make_unique<Attention>(context, std::move(layout), o, nullptr);
}

std::unique_ptr<Step> bind_attention_grad(BindContext& context) {
  expect_counts(context, 4, 5, 1);
  const Operand& qkv = context.input(1);
  Layout layout = layout_of(context, qkv, 4);
  const Operand& d_o = expect(context.input(0), DType::f32, {layout.batch, layout.queries, layout.width()}, "do");
  const Operand& o = expect_same_shape(context.input(2), d_o, "o");
  const Operand& lse = expect(context.input(3), DType::f32, {layout.batch, layout.heads, layout.queries}, "lse");
  const Operand& dqkv = expect_same_shape(context.output(0), qkv, "dqkv");
  return std::make_unique<AttentionGrad>(context, std::move(layout), d_o, o, lse, dqkv);
}

}  // namespace flashbook
