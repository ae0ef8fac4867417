// Operands and attributes of attention, attention_grad and attention_last, for the processor and for CUDA.
#pragma once

#include "engine/step.h"
#include "engine/steps/operands.h"

namespace flashbook {

struct HeadPattern {
  int64_t window = 0, stride = 1;
  float slope = 0;
};

// Attention over packed qkv: (B, steps, 3·width); attention_last over kv: (B, steps, 2·width).
struct AttentionLayout {
  int64_t batch, steps, heads, head_dim, queries;
  bool causal, bf16;
  std::vector<HeadPattern> patterns;   // one a head

  int64_t width() const { return heads * head_dim; }
};

constexpr int64_t kMostHeadDim = 256;

// One number a head, `fallback` where the attribute is absent.
inline std::vector<double> head_numbers(const BindContext& context, const char* name, int64_t heads, double low, bool whole, double fallback) {
  std::vector<double> list = context.numbers(name);
  if (list.empty()) return std::vector<double>(static_cast<size_t>(heads), fallback);
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
  return list;
}

// `packed` is qkv, or with `last` kv.
inline AttentionLayout attention_layout(const BindContext& context, const Operand& packed, bool last = false) {
  const int64_t parts = last ? 2 : 3;
  const std::string name = last ? "kv" : "qkv";
  expect(packed, DType::f32, {kAnySize, kAnySize, kAnySize}, name.c_str());
  const int64_t heads = integer_attribute(context, "heads", 1, INT32_MAX);
  const int64_t steps = packed.shape[1], columns = packed.shape[2];
  if (steps < 1 || steps > INT32_MAX || columns < 1 || columns % (parts * heads) != 0 || columns / (parts * heads) > kMostHeadDim) {
    throw BindError("expected (B, T, " + std::to_string(parts) + " · heads · headDim) with heads = " + std::to_string(heads) +
                    ", headDim 1 to " + std::to_string(kMostHeadDim) + " and T at least 1 for " + name + " but received " +
                    shape_text(packed.shape));
  }
  const std::string queries = last ? "last" : context.text("queries", "all");
  if (queries != "all" && queries != "last") {
    throw BindError("expected 'all' or 'last' for attribute queries but received '" + queries + "'");
  }
  const std::string precision = context.text("precision", "f32");
  if (precision != "f32" && precision != "bf16") {
    throw BindError("expected 'f32' or 'bf16' for attribute precision but received '" + precision + "'");
  }
  AttentionLayout layout = {.batch = packed.shape[0], .steps = steps, .heads = heads, .head_dim = columns / (parts * heads),
                   .queries = queries == "last" ? 1 : steps, .causal = context.flag("causal", false), .bf16 = precision == "bf16",
                   .patterns = std::vector<HeadPattern>(static_cast<size_t>(heads))};
  const std::vector<double> windows = head_numbers(context, "windows", heads, 0, true, 0);
  const std::vector<double> strides = head_numbers(context, "strides", heads, 1, true, 1);
  const std::vector<double> alibi = head_numbers(context, "alibi", heads, 0, false, 0);
  for (size_t head = 0; head < layout.patterns.size(); ++head) {
    layout.patterns[head] = {static_cast<int64_t>(windows[head]), static_cast<int64_t>(strides[head]), static_cast<float>(alibi[head])};
  }
  return layout;
}

}  // namespace flashbook
