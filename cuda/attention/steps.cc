// Steps attention and attention_grad {heads, causal, queries: all | last, precision, windows, strides, alibi: one number a head}, checked as in native/engine/steps/attention.cc:
//   attention        qkv (B,T,3·D) → o (B,T,D), lse (B,heads,T); (B,1,D), (B,heads,1) for queries 'last'. lse may be left out.
//   attention_grad   do, qkv, o, lse → dqkv (B,T,3·D)
#include "cuda/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "cuda/gemm/attributes.h"

namespace flashbook {
namespace {

using cuda::attention::Problem;

// One number a head; false where the attribute is absent.
template <class T>
bool read_pattern(const BindContext& context, const char* name, int64_t heads, double low, bool whole, T* into) {
  const std::vector<double> list = context.numbers(name);
  if (list.empty()) return false;
  if (static_cast<int64_t>(list.size()) != heads) {
    throw BindError("expected " + std::to_string(heads) + " numbers, one a head, for attribute " + name + " but received " +
                    std::to_string(list.size()));
  }
  for (double value : list) {
    if (!(value >= low && value <= INT32_MAX) || (whole && value != std::floor(value))) {
      attribute_error(name, (whole ? "integers" : "numbers") + std::string(" from ") + std::to_string(static_cast<int64_t>(low)) +
                            " to " + std::to_string(INT32_MAX), value);
    }
  }
  constexpr int kMaxHeads = cuda::attention::kMaxPatternHeads;
  if (heads > kMaxHeads) {
    throw BindError("expected at most " + std::to_string(kMaxHeads) + " heads with a pattern of their own on CUDA but received " +
                    std::to_string(heads));
  }
  std::transform(list.begin(), list.end(), into, [](double value) { return static_cast<T>(value); });
  return true;
}

cuda::attention::Patterns patterns_of(const BindContext& context, int64_t heads) {
  cuda::attention::Patterns patterns;
  std::fill(std::begin(patterns.stride), std::end(patterns.stride), 1);
  patterns.causal = context.flag("causal", false);
  const bool windows = read_pattern(context, "windows", heads, 0, true, patterns.window);
  const bool strides = read_pattern(context, "strides", heads, 1, true, patterns.stride);
  const bool slopes = read_pattern(context, "alibi", heads, 0, false, patterns.slope);
  patterns.per_head = windows || strides || slopes;
  return patterns;
}

// All but the memory that is written.
Problem problem_of(const BindContext& context, const Operand& qkv) {
  expect(qkv, DType::f32, {kAnySize, kAnySize, kAnySize}, "qkv");
  const int64_t heads = integer_attribute(context, "heads", 1, INT32_MAX);
  const int64_t steps = qkv.shape[1], columns = qkv.shape[2];
  constexpr int64_t kMaxHeadDim = 256;   // of the processor; the sizes that are this device's own limits come last
  if (steps < 1 || columns < 1 || columns % (3 * heads) != 0 || columns / (3 * heads) > kMaxHeadDim) {
    throw BindError("expected (B, T, 3 · heads · headDim) with heads = " + std::to_string(heads) + ", headDim 1 to " +
                    std::to_string(kMaxHeadDim) + " and T at least 1 for qkv but received " + shape_text(qkv.shape));
  }
  const std::string queries = context.text("queries", "all");
  if (queries != "all" && queries != "last") {
    throw BindError("expected 'all' or 'last' for attribute queries but received '" + queries + "'");
  }
  if (columns / (3 * heads) > cuda::attention::kMaxHeadDim || steps > cuda::attention::kMaxSteps) {
    throw BindError("expected headDim 1 to " + std::to_string(cuda::attention::kMaxHeadDim) + " and T 1 to " +
                    std::to_string(cuda::attention::kMaxSteps) + " on CUDA but received headDim " +
                    std::to_string(columns / (3 * heads)) + " and T " + std::to_string(steps));
  }
  Problem problem;
  problem.batch = qkv.shape[0];
  problem.heads = static_cast<int>(heads);
  problem.steps = static_cast<int>(steps);
  problem.queries = queries == "last" ? 1 : problem.steps;
  problem.head_dim = static_cast<int>(columns / (3 * heads));
  problem.patterns = patterns_of(context, heads);
  problem.precision = cuda::precision_attribute(context);
  problem.qkv = qkv.as<float>();
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
  expect_counts(context, 1, 1, context.output_count() == 1 ? 1 : 2);
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

std::unique_ptr<Step> bind_attention_grad(BindContext& context) {
  expect_counts(context, 4, 4, 1);
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
