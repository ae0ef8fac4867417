// Updates of whole lists of tensors: the twin of native/kernels/optim/optim.h, which has the formulas.
//
// Idea: the list is cut into stretches of at most 8192 elements, by sizes alone; one launch serves all tensors, a block a stretch, which it
// finds in a table on the device. Hyper-parameters and the clipping coefficient are read from device memory. Sums are kept one
// a stretch, in float64, and added in order. Bound by memory bandwidth.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace flashbook::cuda::optim {

constexpr int kMostOperands = 4;

struct Stretch {
  float* at[kMostOperands];   // operand k where the stretch begins
  int32_t count;
  int32_t tensor;
};

struct List {
  const Stretch* stretches;   // on the device
  int64_t count;
};

// Operands: param, grad, m, v; hyper (tensors, 8), coefficient (1).
cudaError_t adam(const List& list, const float* hyper, const float* coefficient, cudaStream_t stream);
// Operands: param, grad, buffer.
cudaError_t sgd(const List& list, const float* hyper, const float* coefficient, cudaStream_t stream);
// Operands as adam. `sums` has two doubles a stretch, `rates` a float a tensor; first[t] is the first stretch of tensor t, first[tensors]
// their number.
cudaError_t lamb(const List& list, const float* hyper, const float* coefficient, const int32_t* first, int64_t tensors, double* sums,
                 float* rates, cudaStream_t stream);

// Operand: grad. `partial` has a double a stretch.
cudaError_t clip_norm(const List& list, double max_norm, double* partial, float* coefficient, float* norm, cudaStream_t stream);
// grad = factor·grad, and the norm of all of them afterwards.
cudaError_t unscale(const List& list, const float* factor, double* partial, float* norm, cudaStream_t stream);
cudaError_t clamp(const List& list, float limit, cudaStream_t stream);
// Operands: to, from; weights (2).
cudaError_t blend(const List& list, const float* weights, cudaStream_t stream);
// Operands: param, grad; adaptive (tensors).
cudaError_t ascend(const List& list, const float* adaptive, double rho, float eta, double* partial, float* norm, cudaStream_t stream);

struct Row {
  float* at;
  int64_t columns;
};
// Each row less its mean.
cudaError_t centre(const Row* rows, int64_t count, cudaStream_t stream);

}  // namespace flashbook::cuda::optim
