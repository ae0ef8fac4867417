// Rotary position embedding: the twin of native/kernels/rotary/rotary.h, which has the formulas; the same bits.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace flashbook::cuda::rotary {

struct Shape {
  int64_t rows;    // of qkv: batch · steps
  int64_t steps;
  int64_t heads;
  int64_t half;    // half of a head's size
  bool interleaved;
};

// cos and sin: (steps, half). y may be x.
cudaError_t turn(const Shape& shape, const float* x, const float* cos, const float* sin, float* y, cudaStream_t stream);

}  // namespace flashbook::cuda::rotary
