// Steps attention, attention_grad and attention_last {heads, causal, queries: all | last, precision, windows, strides, alibi: one number a head},
// operands as on the processor:
//   attention        qkv (B,T,3·D) → o (B,T,D), lse (B,heads,T); (B,1,D), (B,heads,1) for queries 'last'. lse may be left out.
//   attention_grad   do, qkv, o, lse → dqkv (B,T,3·D)
//   attention_last   q (B,D), kv (B,T,2·D) → o (B,D); without causal and queries
#include "cuda/attention/attention.h"

#include <algorithm>

#include "cuda/engine/steps.h"
#include "engine/steps/attention_operands.h"

namespace flashbook {
namespace {

using cuda::attention::Problem;

cuda::attention::Patterns patterns_of(const AttentionLayout& layout) {
  cuda::attention::Patterns patterns;
  patterns.causal = layout.causal;
  patterns.per_head = std::any_of(layout.patterns.begin(), layout.patterns.end(),
                                  [](const HeadPattern& p) { return p.window != 0 || p.stride != 1 || p.slope != 0; });
  if (!patterns.per_head) return patterns;
  constexpr int64_t kMaxHeads = cuda::attention::kMaxPatternHeads;
  if (layout.heads > kMaxHeads) {
    throw BindError("expected at most " + std::to_string(kMaxHeads) + " heads with a pattern of their own on CUDA but received " +
                    std::to_string(layout.heads));
  }
  for (size_t head = 0; head < layout.patterns.size(); head++) {
    const HeadPattern& pattern = layout.patterns[head];
    patterns.window[head] = static_cast<int>(pattern.window);
    patterns.stride[head] = static_cast<int>(pattern.stride);
    patterns.slope[head] = pattern.slope;
  }
  return patterns;
}

// Dropout of the weights comes with an operand rng behind the `inputs` others.
void refuse_dropout(const BindContext& context, size_t inputs) {
  if (!context.has_input(inputs) && context.number("dropout", 0) == 0) return;
  throw BindError("dropout of attention weights is not offered on CUDA: train with device 'cpu' or attentionDropout 0");
}

// All but the memory that is written. `packed` is qkv, or with `last` kv.
Problem problem_of(const BindContext& context, const Operand& packed, bool last = false) {
  const AttentionLayout layout = attention_layout(context, packed, last);
  if (layout.head_dim > cuda::attention::kMaxHeadDim || layout.steps > cuda::attention::kMaxSteps) {
    throw BindError("expected headDim 1 to " + std::to_string(cuda::attention::kMaxHeadDim) + " and T 1 to " +
                    std::to_string(cuda::attention::kMaxSteps) + " on CUDA but received headDim " + std::to_string(layout.head_dim) +
                    " and T " + std::to_string(layout.steps));
  }
  Problem problem;
  problem.batch = layout.batch;
  problem.heads = static_cast<int>(layout.heads);
  problem.steps = static_cast<int>(layout.steps);
  problem.queries = static_cast<int>(layout.queries);
  problem.head_dim = static_cast<int>(layout.head_dim);
  problem.patterns = patterns_of(layout);
  problem.precision = layout.bf16 ? cuda::Precision::bf16 : cuda::Precision::f32;
  problem.qkv = packed.as<float>();
  return problem;
}

// Pairs of a query and a key that it sees, all heads together.
double pairs_of(const Problem& problem) {
  double pairs = 0;
  for (int head = 0; head < problem.heads; head++) {
    const bool own = problem.patterns.per_head;
    const int64_t stride = own ? problem.patterns.stride[head] : 1, window = own ? problem.patterns.window[head] : 0;
    for (int64_t t = problem.steps - problem.queries; t < problem.steps; t++) {
      const int64_t reach = window == 0 ? problem.steps : window - 1, ahead = problem.patterns.causal ? 0 : problem.steps - 1 - t;
      pairs += static_cast<double>(1 + std::min(t, reach) / stride + std::min(ahead, reach) / stride);
    }
  }
  return pairs * static_cast<double>(problem.batch);
}

}  // namespace

std::unique_ptr<Step> bind_attention(BindContext& context) {
  refuse_dropout(context, 1);
  expect_counts(context, 1, 2, context.output_count() == 1 ? 1 : 2);
  Problem problem = problem_of(context, context.input(0));
  const int64_t width = int64_t{problem.heads} * problem.head_dim;
  const Operand& o = expect(context.output(0), DType::f32, {problem.batch, problem.queries, width}, "o");
  problem.o = o.as<float>();
  if (context.output_count() == 2) {
    problem.lse = expect(context.output(1), DType::f32, {problem.batch, problem.heads, problem.queries}, "lse").as<float>();
  }
  context.workspace(cuda::attention::forward_workspace_bytes(problem));
  const int64_t elements = problem.batch * (3 * problem.steps * width + problem.queries * (width + problem.heads));
  return cuda::step({.flops = pairs_of(problem) * (4 * problem.head_dim + 5), .bytes = 4.0 * static_cast<double>(elements)},
                    [=](RunContext& run) { return cuda::attention::forward(problem, run.workspace, cuda::stream()); });
}

std::unique_ptr<Step> bind_attention_last(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  Problem problem = problem_of(context, context.input(1), true);
  const int64_t width = int64_t{problem.heads} * problem.head_dim;
  const Operand& q = expect(context.input(0), DType::f32, {problem.batch, width}, "q");
  const Operand& o = expect(context.output(0), DType::f32, {problem.batch, width}, "o");
  expect_apart(o, q, "q");
  problem.q = q.as<float>();
  problem.o = o.as<float>();
  context.workspace(cuda::attention::forward_workspace_bytes(problem));
  const int64_t elements = problem.batch * 2 * (problem.steps + 1) * width;
  return cuda::step({.flops = pairs_of(problem) * (4 * problem.head_dim + 5), .bytes = 4.0 * static_cast<double>(elements)},
                    [=](RunContext& run) { return cuda::attention::forward(problem, run.workspace, cuda::stream()); });
}

std::unique_ptr<Step> bind_attention_grad(BindContext& context) {
  refuse_dropout(context, 4);
  expect_counts(context, 4, 5, 1);
  const Operand& qkv = context.input(1);
  Problem problem = problem_of(context, qkv);
  const int64_t width = int64_t{problem.heads} * problem.head_dim;
  const Operand& d_o = expect(context.input(0), DType::f32, {problem.batch, problem.queries, width}, "do");
  problem.d_o = d_o.as<float>();
  problem.o = expect_same_shape(context.input(2), d_o, "o").as<float>();
  problem.lse = expect(context.input(3), DType::f32, {problem.batch, problem.heads, problem.queries}, "lse").as<float>();
  problem.dqkv = expect_same_shape(context.output(0), qkv, "dqkv").as<float>();
  context.workspace(cuda::attention::backward_workspace_bytes(problem));
  const int64_t elements = problem.batch * (6 * problem.steps * width + problem.queries * (2 * width + problem.heads));
  return cuda::step({.flops = pairs_of(problem) * (10 * problem.head_dim + 8), .bytes = 4.0 * static_cast<double>(elements)},
                    [=](RunContext& run) { return cuda::attention::backward(problem, run.workspace, cuda::stream()); });
}

}  // namespace flashbook
