#include "cuda/attention/backward.cuh"

#include "cuda/attention/launch.h"

namespace flashbook::cuda::attention {
namespace {

template <class T>
cudaError_t launch(const BackwardLaunch& l, cudaStream_t stream) {
  return with_dim(l.dim, [&](auto dim) {
    constexpr int kDim = decltype(dim)::value;
    const int tiles = tiles_of_all(l.shape, kTileRows);
    if (const cudaError_t error = launch_tiles(attention_backward<T, kDim, true>, l.shape, l.batch, tiles, kThreads,
                                               kBackwardShared<kDim, true>, stream, l.operands)) {
      return error;
    }
    return launch_tiles(attention_backward<T, kDim, false>, l.shape, l.batch, tiles, kThreads, kBackwardShared<kDim, false>, stream,
                        l.operands);
  });
}

}  // namespace

cudaError_t launch_backward(Precision precision, const BackwardLaunch& l, cudaStream_t stream) {
  return precision == Precision::f16 ? launch<F16>(l, stream) : launch<Bf16>(l, stream);
}

}  // namespace flashbook::cuda::attention
