#include "cuda/rotary/rotary.h"

#include "cuda/runtime/launch.h"

namespace flashbook::cuda::rotary {
namespace {

// One thread a pair of q, k, or of v, where it copies.
__global__ void __launch_bounds__(kThreads) turn_pairs(Shape shape, const float* x, const float* __restrict__ cos,
                                                       const float* __restrict__ sin, float* y, int64_t pairs) {
  const int64_t row_pairs = 3 * shape.heads * shape.half, stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t p = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; p < pairs; p += stride) {
    const int64_t row = p / row_pairs, head = p % row_pairs / shape.half, i = p % shape.half;
    const int64_t base = 2 * (row * row_pairs + head * shape.half);
    const int64_t first = base + (shape.interleaved ? 2 * i : i), second = first + (shape.interleaved ? 1 : shape.half);
    const float a = x[first], b = x[second];
    if (head >= 2 * shape.heads) {
      y[first] = a;
      y[second] = b;
      continue;
    }
    const int64_t angle = row % shape.steps * shape.half + i;
    const float c = cos[angle], s = sin[angle];
    y[first] = __fsub_rn(__fmul_rn(a, c), __fmul_rn(b, s));
    y[second] = __fadd_rn(__fmul_rn(b, c), __fmul_rn(a, s));
  }
}

}  // namespace

cudaError_t turn(const Shape& shape, const float* x, const float* cos, const float* sin, float* y, cudaStream_t stream) {
  const int64_t pairs = shape.rows * 3 * shape.heads * shape.half;
  turn_pairs<<<blocks_for(pairs, kThreads), kThreads, 0, stream>>>(shape, x, cos, sin, y, pairs);
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda::rotary
