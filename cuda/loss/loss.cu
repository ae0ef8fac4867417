#include "cuda/loss/loss.h"

#include "cuda/device/warp.cuh"

namespace flashbook::cuda::loss {
namespace {

constexpr int kRows = kThreads / 32;   // of a block: one a warp

struct RowSums { float top, sum; };

// The largest value and Σ exp(x − top) of one row; y = softmax. NaN of the row is in the sum, as fmaxf passes it over.
__device__ __forceinline__ RowSums softmax_row(const float* x, float* y, int64_t columns, int lane) {
  float top = -INFINITY;
  for (int64_t c = lane; c < columns; c += 32) top = fmaxf(top, x[c]);
  top = warp_max(top);
  float sum = 0;
  for (int64_t c = lane; c < columns; c += 32) sum += expf(x[c] - top);
  sum = warp_sum(sum);
  for (int64_t c = lane; c < columns; c += 32) y[c] = __fdiv_rn(expf(x[c] - top), sum);
  return {top, sum};
}

__global__ void __launch_bounds__(kThreads) softmax_rows(const float* x, float* y, int64_t rows, int64_t columns) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kRows;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * kRows + threadIdx.x / 32; row < rows; row += stride) {
    softmax_row(x + row * columns, y + row * columns, columns, threadIdx.x % 32);
  }
}

__global__ void __launch_bounds__(kThreads) cross_entropy_rows(const float* __restrict__ logits, const int32_t* __restrict__ target,
                                                               float smoothing, float* losses, float* probs, int64_t rows,
                                                               int64_t columns) {
  const int lane = threadIdx.x % 32;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kRows;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * kRows + threadIdx.x / 32; row < rows; row += stride) {
    const float* x = logits + row * columns;
    const RowSums sums = softmax_row(x, probs + row * columns, columns, lane);
    float spread = 0;
    if (smoothing != 0.0f) {
      for (int64_t c = lane; c < columns; c += 32) spread += x[c] - sums.top;
      spread = warp_sum(spread);
    }
    if (lane != 0) continue;
    const int32_t t = target[row];
    float loss = NAN;   // a target that is neither −1 nor a class shows in the loss
    if (t == -1) {
      loss = 0.0f;
    } else if (t >= 0 && t < columns) {
      loss = logf(sums.sum) - (1.0f - smoothing) * (x[t] - sums.top);
      if (smoothing != 0.0f) loss -= smoothing * spread / static_cast<float>(columns);
    }
    losses[row] = loss;
  }
}

__device__ __forceinline__ int64_t counted_rows(const int32_t* target, int64_t rows, int64_t* shared) {
  int64_t count = 0;
  for (int64_t row = threadIdx.x; row < rows; row += kThreads) count += target[row] != -1;
  return block_sum(count, shared);
}

__global__ void __launch_bounds__(kThreads) mean_loss(const float* __restrict__ losses, const int32_t* __restrict__ target, int64_t rows,
                                                      float* loss) {
  __shared__ double sums[kThreads / 32];
  __shared__ int64_t counts[kThreads / 32];
  double sum = 0;
  for (int64_t row = threadIdx.x; row < rows; row += kThreads) sum += losses[row];
  sum = block_sum(sum, sums);
  const int64_t count = counted_rows(target, rows, counts);
  if (threadIdx.x == 0) *loss = count == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(count));
}

__global__ void __launch_bounds__(kThreads) gradient_factor(const float* __restrict__ dloss, const int32_t* __restrict__ target,
                                                            int64_t rows, float* factor) {
  __shared__ int64_t counts[kThreads / 32];
  const int64_t count = counted_rows(target, rows, counts);
  if (threadIdx.x == 0) *factor = count == 0 ? 0.0f : __fdiv_rn(*dloss, static_cast<float>(count));
}

__global__ void __launch_bounds__(kThreads) cross_entropy_gradient(const float* __restrict__ factor, const float* probs,
                                                                   const int32_t* __restrict__ target, float smoothing, float* dlogits,
                                                                   int64_t n, int64_t columns) {
  const float off = smoothing / static_cast<float>(columns), scale = *factor;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    const int32_t t = target[i / columns];
    const float q = i % columns == t ? 1.0f - smoothing + off : off;
    dlogits[i] = t == -1 ? 0.0f : t < 0 || t >= columns ? NAN : __fmul_rn(scale, probs[i] - q);
  }
}

}  // namespace

cudaError_t softmax(const float* x, float* y, int64_t rows, int64_t columns, cudaStream_t stream) {
  softmax_rows<<<blocks_for(rows, kRows), kThreads, 0, stream>>>(x, y, rows, columns);
  return cudaPeekAtLastError();
}

cudaError_t cross_entropy(const float* logits, const int32_t* target, float smoothing, float* loss, float* probs, int64_t rows,
                          int64_t columns, void* workspace, cudaStream_t stream) {
  float* losses = static_cast<float*>(workspace);
  cross_entropy_rows<<<blocks_for(rows, kRows), kThreads, 0, stream>>>(logits, target, smoothing, losses, probs, rows, columns);
  mean_loss<<<1, kThreads, 0, stream>>>(losses, target, rows, loss);
  return cudaPeekAtLastError();
}

cudaError_t cross_entropy_grad(const float* dloss, const float* probs, const int32_t* target, float smoothing, float* dlogits,
                               int64_t rows, int64_t columns, void* workspace, cudaStream_t stream) {
  float* factor = static_cast<float*>(workspace);
  const int64_t n = rows * columns;
  gradient_factor<<<1, kThreads, 0, stream>>>(dloss, target, rows, factor);
  cross_entropy_gradient<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(factor, probs, target, smoothing, dlogits, n, columns);
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda::loss
