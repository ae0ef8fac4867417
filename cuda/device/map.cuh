// Elementwise kernels in quads: y[i] = f(i, a[i], …) with 16-byte loads where all pointers allow them.
#pragma once

#include <cstdint>

#include "cuda/runtime/launch.h"

namespace flashbook::cuda {

// Whether quads may be loaded: every pointer is a multiple of 16 bytes. Places in arenas and state buffers always are.
template <class... P> bool aligned_for_quads(const P*... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % 16 == 0) && ...);
}

// f(i, a) → y. No restrict: y may be a.
template <class F> __global__ void __launch_bounds__(kThreads) map1(const float* a, float* y, int64_t n, bool quads, F f) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, whole = quads ? n / 4 : 0;
  for (int64_t q = first; q < whole; q += stride) {
    const float4 x = reinterpret_cast<const float4*>(a)[q];
    reinterpret_cast<float4*>(y)[q] = make_float4(f(4 * q, x.x), f(4 * q + 1, x.y), f(4 * q + 2, x.z), f(4 * q + 3, x.w));
  }
  for (int64_t i = 4 * whole + first; i < n; i += stride) y[i] = f(i, a[i]);
}

// f(i, a, b) → y.
template <class F>
__global__ void __launch_bounds__(kThreads) map2(const float* a, const float* b, float* y, int64_t n, bool quads, F f) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, whole = quads ? n / 4 : 0;
  for (int64_t q = first; q < whole; q += stride) {
    const float4 x = reinterpret_cast<const float4*>(a)[q], z = reinterpret_cast<const float4*>(b)[q];
    reinterpret_cast<float4*>(y)[q] = make_float4(f(4 * q, x.x, z.x), f(4 * q + 1, x.y, z.y), f(4 * q + 2, x.z, z.z),
                                                  f(4 * q + 3, x.w, z.w));
  }
  for (int64_t i = 4 * whole + first; i < n; i += stride) y[i] = f(i, a[i], b[i]);
}

template <class F> cudaError_t launch_map(const float* a, float* y, int64_t n, cudaStream_t stream, F f) {
  map1<<<blocks_for(n, 4 * kThreads), kThreads, 0, stream>>>(a, y, n, aligned_for_quads(a, y), f);
  return cudaPeekAtLastError();
}

template <class F> cudaError_t launch_map(const float* a, const float* b, float* y, int64_t n, cudaStream_t stream, F f) {
  map2<<<blocks_for(n, 4 * kThreads), kThreads, 0, stream>>>(a, b, y, n, aligned_for_quads(a, b, y), f);
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda
