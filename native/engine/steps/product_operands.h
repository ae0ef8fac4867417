// Operands of the steps with a matrix product: checked, and written into the Problem of the processor's kernels or of CUDA's, which name
// their fields alike.
#pragma once


#include "engine/step.h"
#include "engine/steps/norm_operands.h"
#include "engine/steps/operands.h"

namespace flashbook {

// The matrix behind an operand that may be absent, as large as y and apart from it.
inline const float* like_result(const BindContext& context, size_t i, const Operand& y, const char* name) {
  if (!context.has_input(i)) return nullptr;
  const Operand& operand = expect_same_shape(context.input(i), y, name);
  expect_apart(y, operand, name);
  return operand.as<float>();
}

// The same for a value a column.
inline const float* a_column(const BindContext& context, size_t i, const Operand& y, int64_t n, const char* name) {
  if (!context.has_input(i)) return nullptr;
  const Operand& operand = expect(context.input(i), DType::f32, {n}, name);
  expect_apart(y, operand, name);
  return operand.as<float>();
}

// y (…,N) of x (…,K), apart from it; sets m.
template <class Problem>
const Operand& result_of_rows(const BindContext& context, const Operand& x, Problem& problem, DType of_x = DType::f32,
                              DType of_y = DType::f32) {
  expect(x, of_x, {kAnyDims, problem.k}, "x");
  std::vector<int64_t> shape(x.shape.begin(), x.shape.end() - 1);
  shape.push_back(problem.n);
  const Operand& y = expect(context.output(0), of_y, shape, "y");
  expect_apart(y, x, "x");
  problem.m = problem.n == 0 ? 0 : y.elements() / problem.n;
  return y;
}

// linear: x (…,K), w (N,K), bias (N)?, residual (…,N)? → y (…,N). Returns w.
template <class Problem>
const Operand& read_linear(BindContext& context, Problem& problem) {
  expect_counts(context, 2, 4, 1);
  const Operand& x = context.input(0);
  const Operand& w = expect(context.input(1), DType::f32, {kAnySize, kAnySize}, "w");
  problem.n = w.shape[0];
  problem.k = w.shape[1];
  const Operand& y = result_of_rows(context, x, problem);
  expect_apart(y, w, "w");
  problem.a = x.as<float>();
  problem.a_row = problem.k;
  problem.a_col = 1;
  problem.b = w.as<float>();
  problem.b_row = 1;
  problem.b_col = problem.k;
  problem.c = y.as<float>();
  problem.bias = a_column(context, 2, y, problem.n, "bias");
  problem.residual = like_result(context, 3, y, "residual");
  return w;
}

// matmul {transA, transB}: a and b seen as matrices of their last dimension and all others; factor?, residual? as large as y. Returns b.
template <class Problem>
const Operand& read_matmul(BindContext& context, Problem& problem) {
  expect_counts(context, 2, 4, 1);
  const Operand& a = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "a");
  const Operand& b = expect(context.input(1), DType::f32, {kAnyDims, kAnySize}, "b");
  const bool trans_a = context.flag("transA", false), trans_b = context.flag("transB", false);
  // Product of all dimensions but the last; unlike rows(), right where the last is 0.
  const auto leading = [](const Operand& operand) {
    int64_t n = 1;
    for (size_t i = 0; i + 1 < operand.shape.size(); i++) n *= operand.shape[i];
    return n;
  };
  problem.m = trans_a ? a.columns() : leading(a);
  problem.k = trans_a ? leading(a) : a.columns();
  problem.n = trans_b ? leading(b) : b.columns();
  const int64_t k_of_b = trans_b ? b.columns() : leading(b);
  if (k_of_b != problem.k) {
    throw BindError("expected the inner dimensions of a " + pattern_text(a.shape) + " and b " + pattern_text(b.shape) +
                    " to be equal but received " + std::to_string(problem.k) + " and " + std::to_string(k_of_b));
  }
  std::vector<int64_t> shape = {problem.m, problem.n};
  if (!trans_a) {
    shape.assign(a.shape.begin(), a.shape.end());
    shape.back() = problem.n;
  }
  const Operand& y = expect(context.output(0), DType::f32, shape, "y");
  expect_apart(y, a, "a");
  expect_apart(y, b, "b");
  problem.a = a.as<float>();
  problem.a_row = trans_a ? 1 : problem.k;
  problem.a_col = trans_a ? problem.m : 1;
  problem.b = b.as<float>();
  problem.b_row = trans_b ? 1 : problem.n;
  problem.b_col = trans_b ? problem.k : 1;
  problem.c = y.as<float>();
  problem.factor = like_result(context, 2, y, "factor");
  problem.residual = like_result(context, 3, y, "residual");
  return b;
}

// qlinear: x (…,K), wq (N,K) i8, wscale (N), bias (N)?, residual (…,N)? → y (…,N). Where x or y is not float32, the problem
// has another field for it, which the caller sets. Returns wq.
template <class Problem>
const Operand& read_qlinear(BindContext& context, Problem& problem, int64_t most_inner, DType of_x = DType::f32, DType of_y = DType::f32) {
  const Operand& x = context.input(0);
  const Operand& w = expect(context.input(1), DType::i8, {kAnySize, kAnySize}, "wq");
  problem.n = w.shape[0];
  problem.k = w.shape[1];
  if (problem.k > most_inner) {
    throw BindError("expected at most " + std::to_string(most_inner) + " columns for wq but received " + std::to_string(problem.k) +
                    ": sums would not fit 32 bits");
  }
  const Operand& scale = expect(context.input(2), DType::f32, {problem.n}, "wscale");
  const Operand& y = result_of_rows(context, x, problem, of_x, of_y);
  expect_apart(y, w, "wq");
  expect_apart(y, scale, "wscale");
  if (of_x == DType::f32) problem.x = x.as<float>();
  problem.w = w.as<int8_t>();
  problem.w_scale = scale.as<float>();
  if (of_y == DType::f32) problem.y = y.as<float>();
  problem.bias = a_column(context, 3, y, problem.n, "bias");
  problem.residual = like_result(context, 4, y, "residual");
  return w;
}

// qlinear's largest magnitudes of the rows, peaks (…) of x and of y, where they are given.
struct PeakOperands {
  const Operand* of_x = nullptr;
  const Operand* of_y = nullptr;
};

inline void expect_peak_counts(const BindContext& context) { expect_counts(context, 3, 6, context.output_count() == 2 ? 2 : 1); }

inline PeakOperands read_peaks(const BindContext& context) {
  PeakOperands peaks;
  const Operand& y = context.output(0);
  if (context.has_input(5)) {
    peaks.of_x = &expect_row_values(context.input(5), context.input(0), "peaks");
    expect_apart(y, *peaks.of_x, "peaks");
  }
  if (context.output_count() == 2) {
    peaks.of_y = &expect_row_values(context.output(1), y, "peaks of y");
    for (size_t i = 0; i < context.input_count(); i++) {
      if (context.has_input(i)) expect_apart(*peaks.of_y, context.input(i), "an input");
    }
    expect_apart(*peaks.of_y, y, "y");
  }
  return peaks;
}

}  // namespace flashbook
