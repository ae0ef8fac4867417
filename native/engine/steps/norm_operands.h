// What the steps of layer normalisation have in common.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/steps/operands.h"

namespace flashbook {

// Rows of one partial sum of dgamma and dbeta: at most 64 partial sums, by the shape alone. A multiple of 8, so that a chunk begins where
// dropout draws a block.
inline int64_t norm_chunk_rows(int64_t rows) { return std::max<int64_t>(32, (rows + 511) / 512 * 8); }

inline void expect_columns(const Operand& x) {
  if (x.columns() < 1) throw BindError("expected at least one column for x but received f32 " + shape_text(x.shape));
}

// One value a row: (rows), or the leading dimensions of x.
inline const Operand& expect_row_values(const Operand& operand, const Operand& x, const char* name) {
  const std::vector<int64_t> leading(x.shape.begin(), x.shape.end() - 1);
  if (operand.dtype == DType::f32 && operand.shape == leading) return operand;
  return expect(operand, DType::f32, {x.rows()}, name);
}

}  // namespace flashbook
