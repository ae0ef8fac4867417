// Softmax and softmax cross-entropy: the twin of native/kernels/loss/loss.h, which has the formulas.
//
// Idea: one warp a row, three passes of which the later ones read L1. The loss is the sum of the rows' losses in float64 by one block, in
// an order that the number of rows decides; the number of counted rows is found on the device too.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace flashbook::cuda::loss {

// y may be x.
cudaError_t softmax(const float* x, float* y, int64_t rows, int64_t columns, cudaStream_t stream);

// A float a row.
inline size_t cross_entropy_workspace_bytes(int64_t rows) { return static_cast<size_t>(rows) * sizeof(float); }
cudaError_t cross_entropy(const float* logits, const int32_t* target, float smoothing, float* loss, float* probs, int64_t rows,
                          int64_t columns, void* workspace, cudaStream_t stream);

constexpr size_t kGradientWorkspaceBytes = sizeof(float);
// dlogits may be probs.
cudaError_t cross_entropy_grad(const float* dloss, const float* probs, const int32_t* target, float smoothing, float* dlogits,
                               int64_t rows, int64_t columns, void* workspace, cudaStream_t stream);

}  // namespace flashbook::cuda::loss
