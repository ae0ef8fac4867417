// The launches behind attention.h, one file each; operands are split by heads (split_heads.cuh), padded to `dim` values.
#pragma once

#include <type_traits>

#include "cuda/attention/operands.h"
#include "cuda/attention/rows.cuh"

namespace flashbook::cuda::attention {

struct ForwardLaunch {
  Shape shape;
  int64_t batch;
  int dim;               // 16, 32, 64 or 128
  const char *q, *k, *v;
  float *o, *lse;        // lse may be null
};

struct BackwardLaunch {
  Shape shape;
  int64_t batch;
  int dim;
  BackwardOperands operands;
};

cudaError_t launch_forward(Precision precision, const ForwardLaunch& launch, cudaStream_t stream);     // bf16, f16
cudaError_t launch_backward(Precision precision, const BackwardLaunch& launch, cudaStream_t stream);
cudaError_t launch_forward_f32(const ForwardLaunch& launch, cudaStream_t stream);
cudaError_t launch_backward_f32(const BackwardLaunch& launch, cudaStream_t stream);

// Calls `call` with the padded head size as a compile-time number.
template <class Call>
cudaError_t with_dim(int dim, Call call) {
  switch (dim) {
    case 16: return call(std::integral_constant<int, 16>());
    case 32: return call(std::integral_constant<int, 32>());
    case 64: return call(std::integral_constant<int, 64>());
    default: return call(std::integral_constant<int, 128>());
  }
}

// Launches a kernel with as many blocks as heads have tiles of `rows`, allowing it its shared memory.
template <class Kernel, class... Arguments>
cudaError_t launch_tiles(Kernel kernel, const Shape& shape, int64_t batch, int tiles, int threads, int shared_bytes,
                         cudaStream_t stream, Arguments... arguments) {
  if (const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes)) {
    return error;
  }
  const int64_t blocks = batch * shape.heads * tiles;
  if (blocks > INT32_MAX) return cudaErrorInvalidValue;
  kernel<<<static_cast<unsigned>(blocks), threads, shared_bytes, stream>>>(shape, tiles, arguments...);
  return cudaGetLastError();
}

}  // namespace flashbook::cuda::attention
