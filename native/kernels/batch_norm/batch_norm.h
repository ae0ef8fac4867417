// Batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167): every column of rows × columns by itself, float32.
//
//   deviations   out = Σ_rows (x − mean)²                          (the mean comes from reduce.sum_rows)
//   normalise    y = (x − mean)·factor + shift                     factor = gamma/√(variance + eps), shift = beta. y may be x.
//   sums         dbeta = Σ_rows dy, dgamma = Σ_rows dy·(x − mean)·rstd
//   gradient     dx = factor·(dy − a − (x − mean)·b)               a = dbeta/n, b = dgamma·rstd/n. dx may be dy.
//
// Sums are over the rows given; the caller cuts all rows into chunks that depend on the shape alone and adds them up in order.
// Two passes for the variance: no cancellation for columns far from 0. Bound by memory bandwidth.
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct BatchNormKernels {
  void (*deviations)(const float* x, const float* mean, float* out, int64_t rows, int64_t columns);
  void (*normalise)(const float* x, const float* mean, const float* factor, const float* shift, float* y, int64_t rows,
                    int64_t columns);
  void (*sums)(const float* dy, const float* x, const float* mean, const float* rstd, float* dgamma, float* dbeta,
               int64_t rows, int64_t columns);
  void (*gradient)(const float* dy, const float* x, const float* mean, const float* factor, const float* a, const float* b,
                   float* dx, int64_t rows, int64_t columns);
};

const BatchNormKernels& batch_norm_table(Isa isa);

}  // namespace flashbook
