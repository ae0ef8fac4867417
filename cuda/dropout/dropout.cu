#include "cuda/dropout/dropout.h"

#include "cuda/device/activation.cuh"
#include "cuda/device/map.cuh"
#include "cuda/device/philox.cuh"

namespace flashbook::cuda::dropout {
namespace {

constexpr int64_t kWarpElements = 256;   // 32 blocks of eight

struct Plain {
  float scale;
  __device__ float operator()(float x, float, bool kept) const { return kept ? __fmul_rn(x, scale) : 0.0f; }
};
struct Gelu {
  float scale;
  __device__ float operator()(float x, float, bool kept) const { return kept ? __fmul_rn(cuda::gelu(x), scale) : 0.0f; }
};
struct GeluSlope {
  float scale;
  __device__ float operator()(float x, float, bool kept) const { return kept ? __fmul_rn(cuda::gelu_slope(x), scale) : 0.0f; }
};
struct GeluGrad {
  float scale;
  __device__ float operator()(float dy, float x, bool kept) const { return (kept ? dy * scale : 0.0f) * cuda::gelu_slope(x); }
};
struct Add {
  float scale;
  __device__ float operator()(float x, float residual, bool kept) const {
    return __fadd_rn(kept ? __fmul_rn(x, scale) : 0.0f, residual);
  }
};

// Whether element e is kept, by drawing its block.
__device__ __forceinline__ bool kept(int64_t e, const Draw& draw) {
  const uint4 words = philox_block(static_cast<uint64_t>(e) / 8, draw.stream, draw.rng[2], draw.rng[0], draw.rng[1]);
  const int word = static_cast<int>(e % 8) / 2;
  const uint32_t pair = word == 0 ? words.x : word == 1 ? words.y : word == 2 ? words.z : words.w;
  return (e % 2 == 0 ? pair & 0xffffu : pair >> 16) >= draw.threshold;
}

template <class F, bool two>
__global__ void __launch_bounds__(kThreads) map_drawn(const float* a, const float* b, float* y, int64_t n, bool quads, Draw draw, F f) {
  const int lane = threadIdx.x % 32;
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (kThreads / 32);
  const uint32_t key0 = draw.rng[0], key1 = draw.rng[1], step = draw.rng[2];
  const int64_t whole = quads ? n / 4 * 4 : 0;   // elements that go by quads
  for (int64_t chunk = static_cast<int64_t>(blockIdx.x) * (kThreads / 32) + threadIdx.x / 32; chunk * kWarpElements < whole;
       chunk += warps) {
    const uint4 words = philox_block(static_cast<uint64_t>(chunk) * 32 + lane, draw.stream, step, key0, key1);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      // This lane's quad is the first or the second half of a block that another lane has drawn.
      const int source = half * 16 + lane / 2;
      const uint32_t w0 = __shfl_sync(0xffffffffu, words.x, source), w1 = __shfl_sync(0xffffffffu, words.y, source);
      const uint32_t w2 = __shfl_sync(0xffffffffu, words.z, source), w3 = __shfl_sync(0xffffffffu, words.w, source);
      const uint32_t front = lane % 2 == 0 ? w0 : w2, back = lane % 2 == 0 ? w1 : w3;
      const int64_t e = chunk * kWarpElements + half * 128 + 4 * lane;
      if (e >= whole) continue;
      const float4 x = *reinterpret_cast<const float4*>(a + e);
      const float4 z = two ? *reinterpret_cast<const float4*>(b + e) : x;
      // As an instruction: left to itself the compiler makes four stores of one quad, with the shuffles in between.
      __stwb(reinterpret_cast<float4*>(y + e),
             make_float4(f(x.x, z.x, (front & 0xffffu) >= draw.threshold), f(x.y, z.y, (front >> 16) >= draw.threshold),
                         f(x.z, z.z, (back & 0xffffu) >= draw.threshold), f(x.w, z.w, (back >> 16) >= draw.threshold)));
    }
  }
  // The tail, one by one, each drawing its block itself.
  for (int64_t e = whole + static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; e < n; e += warps * 32) {
    y[e] = f(a[e], two ? b[e] : 0.0f, kept(e, draw));
  }
}

// blockIdx.y goes over the samples, each of `size` elements.
__global__ void __launch_bounds__(kThreads) scale_samples(const float* x, float* y, int64_t samples, int64_t size, bool quads, Draw draw) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads, first = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (int64_t sample = blockIdx.y; sample < samples; sample += gridDim.y) {
    const Plain f = {draw.scale};
    const bool is_kept = kept(sample, draw);
    const float* from = x + sample * size;
    float* to = y + sample * size;
    const int64_t whole = quads ? size / 4 : 0;
    for (int64_t q = first; q < whole; q += stride) {
      const float4 v = reinterpret_cast<const float4*>(from)[q];
      reinterpret_cast<float4*>(to)[q] = make_float4(f(v.x, 0, is_kept), f(v.y, 0, is_kept), f(v.z, 0, is_kept), f(v.w, 0, is_kept));
    }
    for (int64_t i = 4 * whole + first; i < size; i += stride) to[i] = f(from[i], 0, is_kept);
  }
}

template <bool two, class F>
cudaError_t launch(const float* a, const float* b, float* y, int64_t n, const Draw& draw, cudaStream_t stream, F f) {
  const bool quads = two ? aligned_for_quads(a, b, y) : aligned_for_quads(a, y);
  map_drawn<F, two><<<blocks_for(n, kWarpElements * (kThreads / 32)), kThreads, 0, stream>>>(a, b, y, n, quads, draw, f);
  return cudaPeekAtLastError();
}

}  // namespace

cudaError_t plain(const float* x, float* y, int64_t n, const Draw& draw, cudaStream_t stream) {
  return launch<false>(x, nullptr, y, n, draw, stream, Plain{draw.scale});
}
cudaError_t gelu(const float* x, float* y, int64_t n, const Draw& draw, cudaStream_t stream) {
  return launch<false>(x, nullptr, y, n, draw, stream, Gelu{draw.scale});
}
cudaError_t gelu_slope(const float* x, float* slope, int64_t n, const Draw& draw, cudaStream_t stream) {
  return launch<false>(x, nullptr, slope, n, draw, stream, GeluSlope{draw.scale});
}
cudaError_t gelu_grad(const float* dy, const float* x, float* dx, int64_t n, const Draw& draw, cudaStream_t stream) {
  return launch<true>(dy, x, dx, n, draw, stream, GeluGrad{draw.scale});
}
cudaError_t add(const float* x, const float* residual, float* y, int64_t n, const Draw& draw, cudaStream_t stream) {
  return launch<true>(x, residual, y, n, draw, stream, Add{draw.scale});
}

cudaError_t path(const float* x, float* y, int64_t samples, int64_t size, const Draw& draw, cudaStream_t stream) {
  if (samples == 0 || size == 0) return cudaSuccess;
  const bool quads = aligned_for_quads(x, y) && size % 4 == 0;
  const dim3 grid(blocks_for(size, 4 * kThreads), static_cast<unsigned>(std::min<int64_t>(samples, 65535)));
  scale_samples<<<grid, kThreads, 0, stream>>>(x, y, samples, size, quads, draw);
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda::dropout
