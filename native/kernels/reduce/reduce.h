// Reductions, float32. The caller cuts long inputs into chunks that depend on the shape alone and adds the partial results up
// in order, so that the sum has the same bits for any number of threads.
//
//   sum_rows      out[c] = Σ_r x[r, c] over the rows given (bias gradients)
//                 Error ≤ rows/4·2⁻²⁴·Σ|x|: rows are added four at a time, (0+1)+(2+3), to the running sum.
//   sum_squares   Σ x² over n elements, as float64; products and sums inside are float32 in 4·width accumulators
//                 Error ≤ (n/(4·width) + 8)·2⁻²⁴ relative. Squares beyond float32 become +∞.
//
// Fast path: sum_rows keeps the running row in L1 and touches it once for four rows of x; both are bound by memory bandwidth
// where x does not lie in cache. Measured in L2 (Zen 4, one core, AVX-512, FMA peak 109 GFLOP/s): 80 and 90 GB/s.
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct ReduceKernels {
  void (*sum_rows)(const float* x, float* out, int64_t rows, int64_t columns);
  double (*sum_squares)(const float* x, int64_t n);
};

const ReduceKernels& reduce_table(Isa isa);

}  // namespace flashbook
