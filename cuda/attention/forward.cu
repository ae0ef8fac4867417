#include "cuda/attention/forward.cuh"

#include "cuda/attention/launch.h"

namespace flashbook::cuda::attention {
namespace {

template <class T>
cudaError_t launch(const ForwardLaunch& l, cudaStream_t stream) {
  return with_dim(l.dim, [&](auto dim) {
    constexpr int kDim = decltype(dim)::value;
    const bool last = l.shape.queries == 1;
    const auto kernel = last ? attention_forward<T, kDim, true> : attention_forward<T, kDim, false>;
    return launch_tiles(kernel, l.shape, l.batch, last ? 1 : tiles_of_all(l.shape, kTileRows), kThreads, kForwardShared<kDim>,
                        stream, l.q, l.k, l.v, l.o, l.lse);
  });
}

}  // namespace

cudaError_t launch_forward(Precision precision, const ForwardLaunch& l, cudaStream_t stream) {
  return precision == Precision::f16 ? launch<F16>(l, stream) : launch<Bf16>(l, stream);
}

}  // namespace flashbook::cuda::attention
