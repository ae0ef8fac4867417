// Checks of operands and attributes at bind time, with one wording: «expected f32 (…, 128) for gamma but received f32 (64)».
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/plan_spec.h"
#include "engine/step.h"

namespace flashbook {

// (64, 100, 128); a leading kAnyDims stands for any number of dimensions and prints as …, kAnySize for any size of one.
constexpr int64_t kAnyDims = -1;
constexpr int64_t kAnySize = -2;

inline std::string pattern_text(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += shape[i] == kAnyDims ? "…" : shape[i] == kAnySize ? "any" : std::to_string(shape[i]);
  }
  return text + ")";
}

inline bool shape_matches(const std::vector<int64_t>& shape, const std::vector<int64_t>& pattern) {
  const bool open = !pattern.empty() && pattern[0] == kAnyDims;
  const size_t fixed = pattern.size() - (open ? 1 : 0);
  if (open ? shape.size() < fixed : shape.size() != fixed) return false;
  for (size_t i = 0; i < fixed; ++i) {
    const int64_t want = pattern[pattern.size() - fixed + i];
    if (want != kAnySize && want != shape[shape.size() - fixed + i]) return false;
  }
  return true;
}

// Returns the operand, so that a check and a use are one line: `const Operand& gamma = expect(c.input(1), …, "gamma")`.
inline const Operand& expect(const Operand& operand, DType dtype, const std::vector<int64_t>& pattern, const char* name) {
  if (operand.dtype != dtype || !shape_matches(operand.shape, pattern)) {
    throw BindError(std::string("expected ") + dtype_name(dtype) + " " + pattern_text(pattern) + " for " + name +
                    " but received " + dtype_name(operand.dtype) + " " + pattern_text(operand.shape));
  }
  return operand;
}

inline const Operand& expect_same_shape(const Operand& operand, const Operand& like, const char* name) {
  return expect(operand, DType::f32, like.shape, name);
}

// Throws a BindError where the memory of `written` touches that of `read`.
inline void expect_apart(const Operand& written, const Operand& read, const char* name) {
  if (!read.present()) return;
  const auto bytes = [](const Operand& o) { return o.elements() * dtype_bytes(o.dtype); };
  const char* w = written.as<char>();
  const char* r = read.as<char>();
  if (w < r + bytes(read) && r < w + bytes(written)) {
    throw BindError(std::string("the output must not share memory with ") + name);
  }
}

inline void expect_counts(const BindContext& context, size_t min_inputs, size_t max_inputs, size_t outputs) {
  const size_t inputs = context.input_count();
  if (inputs < min_inputs || inputs > max_inputs) {
    const std::string want = min_inputs == max_inputs ? std::to_string(min_inputs)
                                                      : std::to_string(min_inputs) + " to " + std::to_string(max_inputs);
    throw BindError("expected " + want + " inputs but received " + std::to_string(inputs));
  }
  if (context.output_count() != outputs) {
    throw BindError("expected " + std::to_string(outputs) + " outputs but received " +
                    std::to_string(context.output_count()));
  }
}

[[noreturn]] inline void attribute_error(const char* name, const std::string& expected, double received) {
  std::string text = std::to_string(received);
  if (received == std::floor(received) && std::abs(received) < 1e15) text = std::to_string(static_cast<int64_t>(received));
  throw BindError("expected " + expected + " for attribute " + name + " but received " + text);
}

// A whole number in low … high.
inline int64_t integer_attribute(const BindContext& context, const char* name, int64_t low, int64_t high) {
  const double value = context.number(name);
  if (!(value >= static_cast<double>(low) && value <= static_cast<double>(high)) || value != std::floor(value)) {
    attribute_error(name, "an integer from " + std::to_string(low) + " to " + std::to_string(high), value);
  }
  return static_cast<int64_t>(value);
}

}  // namespace flashbook
