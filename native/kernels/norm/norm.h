// Layer normalisation over the last axis (Ba, Kiros & Hinton 2016, arXiv:1607.06450, eq. 4), rows × columns, float32.
//
//   forward    mean = Σx/D,  rstd = 1/√(Σ(x−mean)²/D + eps),  y = (x−mean)·rstd·gamma + beta
//              Two passes over the row (the second one subtracts the mean first): no cancellation for rows far from 0.
//              A constant row gives y = beta, up to the rounding of its mean. mean and rstd may be null. y may be x.
//   backward   x̂ = (x−mean)·rstd, g = dy·gamma:  dx = rstd·(g − Σg/D − x̂·Σ(g·x̂)/D)
//              dgamma = Σ_rows dy·x̂,  dbeta = Σ_rows dy: the sums over the rows given; the caller cuts all rows into chunks
//              that depend on the shape alone and adds the chunks up in order. With a residual, dx = … + residual: the gradient that
//              comes past the layer. dx may be dy or the residual, which may be null.
//
// Error against float64: forward ≤ 2e-6·(1 + |x̂·gamma| + |beta|) per element for |mean| ≤ 10·deviation; a mean that is r times
// the deviation costs r roundings (6e-8·r), as in any float32 input.
//
// Fast path: a row stays in L1 between its passes; sums run in four vector accumulators. Bound by memory bandwidth when the
// rows do not lie in cache. Measured in L2 on rows of 128 (Zen 4, one core, AVX-512, FMA peak 109 GFLOP/s): 35 GB/s of
// compulsory traffic, forward and backward.
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct NormKernels {
  void (*forward)(const float* x, const float* gamma, const float* beta, float eps, float* y, float* mean, float* rstd,
                  int64_t rows, int64_t columns);
  void (*backward)(const float* dy, const float* x, const float* gamma, const float* mean, const float* rstd,
                   const float* residual, float* dx, float* dgamma, float* dbeta, int64_t rows, int64_t columns);
};

const NormKernels& norm_table(Isa isa);

}  // namespace flashbook
