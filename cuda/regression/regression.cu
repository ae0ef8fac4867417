#include "cuda/regression/regression.h"

#include "cuda/device/warp.cuh"

namespace flashbook::cuda::regression {
namespace {

// A target that is NaN is left out.
__device__ __forceinline__ int64_t counted(const float* target, int64_t n, int64_t* shared) {
  int64_t count = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) count += target[i] == target[i];
  return block_sum(count, shared);
}

struct Huber {
  double delta;
  __device__ double loss(double y, double target, int64_t) const {
    const double e = fabs(y - target);
    return e <= delta ? e * e / 2 : delta * (e - delta / 2);
  }
  __device__ double slope(double y, double target, int64_t) const {
    const double e = y - target;
    return e < -delta ? -delta : e > delta ? delta : e;   // NaN of y stays
  }
};

struct Pinball {
  const float* quantiles;
  __device__ double loss(double y, double target, int64_t c) const {
    const double e = target - y, q = quantiles[c];
    return e >= 0 ? q * e : (q - 1) * e;
  }
  __device__ double slope(double y, double target, int64_t c) const {
    const double e = target - y, q = quantiles[c];
    return e < 0 ? 1 - q : e > 0 ? -q : 0 * e;   // NaN of y stays
  }
};

template <class F>
__global__ void __launch_bounds__(kThreads) mean_loss(const float* __restrict__ y, const float* __restrict__ target, float* loss,
                                                      int64_t rows, int64_t columns, F f) {
  __shared__ double sums[kThreads / 32];
  __shared__ int64_t counts[kThreads / 32];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < rows * columns; i += kThreads) {
    const float t = target[i / columns];
    if (t == t) sum += f.loss(y[i], t, i % columns);
  }
  sum = block_sum(sum, sums);
  const int64_t n = counted(target, rows, counts) * columns;
  if (threadIdx.x == 0) *loss = n == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(n));
}

template <class F>
__global__ void __launch_bounds__(kThreads) gradient(const float* __restrict__ dloss, const float* y, const float* __restrict__ target,
                                                     float* dy, int64_t rows, int64_t columns, F f) {
  __shared__ int64_t counts[kThreads / 32];
  const int64_t n = counted(target, rows, counts) * columns;
  const double factor = static_cast<double>(*dloss) / static_cast<double>(n < 1 ? 1 : n);
  for (int64_t i = threadIdx.x; i < rows * columns; i += kThreads) {
    const float t = target[i / columns];
    dy[i] = t == t ? static_cast<float>(factor * f.slope(y[i], t, i % columns)) : 0.0f;
  }
}

}  // namespace

cudaError_t huber(const float* y, const float* target, float delta, float* loss, int64_t n, cudaStream_t stream) {
  mean_loss<<<1, kThreads, 0, stream>>>(y, target, loss, n, int64_t{1}, Huber{delta});
  return cudaPeekAtLastError();
}
cudaError_t huber_grad(const float* dloss, const float* y, const float* target, float delta, float* dy, int64_t n, cudaStream_t stream) {
  gradient<<<1, kThreads, 0, stream>>>(dloss, y, target, dy, n, int64_t{1}, Huber{delta});
  return cudaPeekAtLastError();
}
cudaError_t pinball(const float* y, const float* target, const float* quantiles, float* loss, int64_t rows, int64_t columns,
                    cudaStream_t stream) {
  mean_loss<<<1, kThreads, 0, stream>>>(y, target, loss, rows, columns, Pinball{quantiles});
  return cudaPeekAtLastError();
}
cudaError_t pinball_grad(const float* dloss, const float* y, const float* target, const float* quantiles, float* dy, int64_t rows,
                         int64_t columns, cudaStream_t stream) {
  gradient<<<1, kThreads, 0, stream>>>(dloss, y, target, dy, rows, columns, Pinball{quantiles});
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda::regression
