// Cross-entropy and focal loss against weighted soft targets: the twin of native/engine/steps/soft_loss.cc, which has the formulas.
//
// Idea: the rows of a batch are few and short: a thread a row, in float64, and one block that adds up what the rows say.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace flashbook::cuda::loss {

// Two float64 a row: its loss and the sum of its targets. The gradient needs one more, for the factor of all rows.
inline size_t soft_workspace_bytes(int64_t rows) { return (2 * static_cast<size_t>(rows) + 1) * sizeof(double); }

cudaError_t soft_cross_entropy(const float* logits, const float* target, double gamma, float* loss, float* probs, int64_t rows,
                               int64_t columns, void* workspace, cudaStream_t stream);
// dlogits may be probs.
cudaError_t soft_cross_entropy_grad(const float* dloss, const float* probs, const float* target, double gamma, float* dlogits,
                                    int64_t rows, int64_t columns, void* workspace, cudaStream_t stream);

}  // namespace flashbook::cuda::loss
