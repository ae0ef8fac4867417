// Layer normalisation: the twin of native/kernels/norm/norm.h, which has the formulas.
//
// Idea: one warp a row, eight rows a block. The row is read three times (sum, squares, result), the second and third time from L1; sums
// are taken lane by lane and then over the warp, so a row's bits depend on its length alone. The backward pass computes dx a
// warp a row, and dgamma and dbeta a thread a column over chunks of rows that the shape cuts, added up in order by a second kernel.
// Bound by memory bandwidth.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace flashbook::cuda::norm {

// mean and rstd may be null. y may be x.
cudaError_t forward(const float* x, const float* gamma, const float* beta, float eps, float* y, float* mean, float* rstd,
                    int64_t rows, int64_t columns, cudaStream_t stream);

size_t backward_workspace_bytes(int64_t rows, int64_t columns);
// dx may be dy or the residual, which may be null.
cudaError_t backward(const float* dy, const float* x, const float* gamma, const float* mean, const float* rstd, const float* residual,
                     float* dx, float* dgamma, float* dbeta, int64_t rows, int64_t columns, void* workspace, cudaStream_t stream);

}  // namespace flashbook::cuda::norm
