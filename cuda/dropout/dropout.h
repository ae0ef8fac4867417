// Dropout and its fused forms: the twin of native/kernels/dropout/dropout.h, which has the formulas and the random bits. The bits of
// dropout and dropout_add equal the CPU's.
//
// Idea: a warp works on 256 elements. Each lane draws one Philox block, the bits of eight elements; the words then go by shuffle to the
// lanes that load those elements, so that every load and store of a warp is one whole line. The random state is read from
// device memory at every run.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace flashbook::cuda::dropout {

struct Draw {
  const uint32_t* rng;   // [seed low, seed high, step, unused] on the device
  uint32_t stream;
  uint32_t threshold;    // 0 … 2¹⁶
  float scale;
};

cudaError_t plain(const float* x, float* y, int64_t n, const Draw& draw, cudaStream_t stream);
cudaError_t gelu(const float* x, float* y, int64_t n, const Draw& draw, cudaStream_t stream);
// slope = kept ? gelu'(x)·scale : 0, the factor that the gradient of gelu takes.
cudaError_t gelu_slope(const float* x, float* slope, int64_t n, const Draw& draw, cudaStream_t stream);
cudaError_t gelu_grad(const float* dy, const float* x, float* dx, int64_t n, const Draw& draw, cudaStream_t stream);
cudaError_t add(const float* x, const float* residual, float* y, int64_t n, const Draw& draw, cudaStream_t stream);
// Sample b of `size` elements times what dropout makes of element b of a vector of ones; y may be x.
cudaError_t path(const float* x, float* y, int64_t samples, int64_t size, const Draw& draw, cudaStream_t stream);

}  // namespace flashbook::cuda::dropout
