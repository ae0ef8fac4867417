// Huber and pinball losses and their gradients: the formulas are in native/engine/steps/regression.cc. Heads of regression have few
// numbers: one block adds them up in float64.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace flashbook::cuda::regression {

cudaError_t huber(const float* y, const float* target, float delta, float* loss, int64_t n, cudaStream_t stream);
cudaError_t huber_grad(const float* dloss, const float* y, const float* target, float delta, float* dy, int64_t n, cudaStream_t stream);
cudaError_t pinball(const float* y, const float* target, const float* quantiles, float* loss, int64_t rows, int64_t columns,
                    cudaStream_t stream);
cudaError_t pinball_grad(const float* dloss, const float* y, const float* target, const float* quantiles, float* dy, int64_t rows,
                         int64_t columns, cudaStream_t stream);

}  // namespace flashbook::cuda::regression
