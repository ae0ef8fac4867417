// Elementwise operations over n float32 elements: the twin of native/kernels/elementwise/elementwise.h, which has the
// formulas. The output may be any of the inputs, never a shifted part of one.
//
// Idea: one thread takes four elements as one 16-byte load and store; a grid-stride loop does what is beyond the grid, and the tail goes
// one by one. Bound by memory bandwidth: every sector is read and written once.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace flashbook::cuda::elementwise {

enum class Unary : uint8_t { relu, gelu, gelu_slope, leaky_relu, tanh, sigmoid, exp, log, scale };
// (dy, x or y) → dx
enum class Gradient : uint8_t { relu, gelu, leaky_relu, tanh, sigmoid };
enum class Binary : uint8_t { add, mul };

// `parameter`: the slope of leaky_relu, the factor of scale.
cudaError_t unary(Unary operation, const float* x, float parameter, float* y, int64_t n, cudaStream_t stream);
cudaError_t gradient(Gradient operation, const float* dy, const float* x, float parameter, float* dx, int64_t n,
                     cudaStream_t stream);
// b is repeated every `period` elements; period = n: no repetition.
cudaError_t binary(Binary operation, const float* a, const float* b, float* y, int64_t n, int64_t period, cudaStream_t stream);
cudaError_t standardize(const float* x, const float* mean, const float* inverse_std, float clip, float* y, int64_t n,
                        int64_t period, cudaStream_t stream);

}  // namespace flashbook::cuda::elementwise
