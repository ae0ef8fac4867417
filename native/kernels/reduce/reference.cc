// Plain scalar reductions: reduce.h has the formulas.
#include "kernels/reduce/reduce.h"

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

void sum_rows(const float* x, float* out, int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) {
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r) sum += x[r * columns + c];
    out[c] = static_cast<float>(sum);
  }
}

double sum_squares(const float* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

const ReduceKernels reference = {sum_rows, sum_squares};

}  // namespace

FLASHBOOK_KERNEL_TABLE(ReduceKernels, reduce)

}  // namespace flashbook
