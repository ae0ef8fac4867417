// The forward pass in float32, without tensor cores: a block takes 32 queries of one head and walks over the keys in tiles of 32. The softmax
// subtracts the unscaled maximum, so that scores of any size are exact there; probabilities pass through shared memory, from the eight threads of a row to the same eight.
#include "cuda/attention/f32_tile.cuh"
#include "cuda/attention/launch.h"

namespace flashbook::cuda::attention {
namespace {

constexpr int kForwardKeysF32 = 32;

template <int kDim>
constexpr int kForwardSharedF32 = (kF32Rows + 4 * kForwardKeysF32) * kDim * 4 + kF32Rows * kCoefficientPitch<kForwardKeysF32> * 4;

template <int kDim, bool kLastOnly>
__global__ void __launch_bounds__(kThreads, 1)
attention_forward_f32(const __grid_constant__ Shape shape, int tiles, const char* q, const char* k, const char* v, float* o,
                      float* lse) {
  extern __shared__ __align__(128) char shared[];
  constexpr int kRowBytes = kDim * 4, kBuffer = kForwardKeysF32 * kRowBytes;
  const Tile tile = tile_of_block<kF32Rows, kLastOnly>(shape, tiles);
  if (tile.row0 < 0) return;
  const Class& of = tile.of;
  const int row_end = min(tile.row0 + kF32Rows, of.places);
  const int64_t line = tile.batch * shape.heads + tile.head;
  const int unasked = shape.steps - shape.queries;
  q += line * shape.queries * kRowBytes;
  k += line * shape.steps * kRowBytes;
  v += line * shape.steps * kRowBytes;
  char* const buffers = shared + kF32Rows * kRowBytes;
  float* const weights = reinterpret_cast<float*>(buffers + 4 * kBuffer);

  const int tile_first = of.first_key(tile.row0) / kForwardKeysF32, tile_last = of.last_key(row_end - 1) / kForwardKeysF32;
  const auto copy = [&](int key_tile) {
    const uint32_t to = shared_address(buffers) + (key_tile & 1) * 2 * kBuffer;
    copy_rows<kForwardKeysF32, kRowBytes>(to, of.keys<kRowBytes>(k), key_tile * kForwardKeysF32);
    copy_rows<kForwardKeysF32, kRowBytes>(to + kBuffer, of.keys<kRowBytes>(v), key_tile * kForwardKeysF32);
    commit_copies();
  };
  copy_rows<kF32Rows, kRowBytes>(shared_address(shared), of.queries<kRowBytes>(q, unasked), tile.row0);
  copy(tile_first);

  int low[2], high[2];
#pragma unroll
  for (int r = 0; r < 2; r++) {
    low[r] = of.first_key(tile.row0 + 2 * thread_y() + r);
    high[r] = of.last_key(tile.row0 + 2 * thread_y() + r);
  }
  const float factor = shape.scale * kLog2E;
  float sum[2][kDim / 8] = {}, top[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f};
  for (int key_tile = tile_first; key_tile <= tile_last; key_tile++) {
    wait_copies<0>();
    __syncthreads();   // the tile is there for all, and all have left the other buffer
    if (key_tile < tile_last) copy(key_tile + 1);
    const int key0 = key_tile * kForwardKeysF32;
    const char* tile_k = buffers + (key_tile & 1) * 2 * kBuffer;
    const char* tile_v = tile_k + kBuffer;
    const bool partial = key0 < of.first_key(row_end - 1) || key0 + kForwardKeysF32 - 1 > of.last_key(tile.row0);
    float score[2][kForwardKeysF32 / 8] = {};
    add_scores<kDim, kForwardKeysF32>(score, shared, tile_k);
#pragma unroll
    for (int r = 0; r < 2; r++) {
      float most = top[r];
#pragma unroll
      for (int j = 0; j < kForwardKeysF32 / 8; j++) {
        const int key = key0 + thread_x() + 8 * j;
        if (of.slope != 0.0f) {
          score[r][j] = fmaf(-of.slope, static_cast<float>(abs(tile.row0 + 2 * thread_y() + r - key)), score[r][j]);
        }
        if (partial && (key < low[r] || key > high[r])) score[r][j] = -INFINITY;
        most = fmaxf(most, score[r][j]);
      }
#pragma unroll
      for (int step = 1; step < 8; step *= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, step));
      const float subtracted = most == -INFINITY ? 0.0f : most;
      const float shrink = exp2_flushed((top[r] - subtracted) * factor);
      top[r] = most;
      total[r] *= shrink;
#pragma unroll
      for (int i = 0; i < kDim / 8; i++) sum[r][i] *= shrink;
#pragma unroll
      for (int j = 0; j < kForwardKeysF32 / 8; j++) {
        const float p = exp2_flushed((score[r][j] - subtracted) * factor);
        total[r] += p;
        weights[(2 * thread_y() + r) * kCoefficientPitch<kForwardKeysF32> + thread_x() + 8 * j] = p;
      }
    }
    __syncwarp();
    if (partial) {
      add_rows<kDim, kForwardKeysF32, true>(sum, weights, tile_v, low, high, key0);
    } else {
      add_rows<kDim, kForwardKeysF32, false>(sum, weights, tile_v, low, high, key0);
    }
    __syncwarp();
  }
#pragma unroll
  for (int r = 0; r < 2; r++) {
    float all = total[r];
#pragma unroll
    for (int step = 1; step < 8; step *= 2) all += __shfl_xor_sync(0xffffffffu, all, step);
    const int place = tile.row0 + 2 * thread_y() + r;
    if (place >= row_end) continue;
    const int64_t query = of.step_of(place) - unasked;
    float* row = o + ((tile.batch * shape.queries + query) * shape.heads + tile.head) * shape.head_dim;
    store_share<kDim>(row, sum[r], all == 0.0f ? 0.0f : 1.0f / all, shape.head_dim);
    if (lse != nullptr && thread_x() == 0) {
      lse[line * shape.queries + query] = all == 0.0f ? -INFINITY : fmaf(top[r], shape.scale, logf(all));
    }
  }
}

}  // namespace

cudaError_t launch_forward_f32(const ForwardLaunch& l, cudaStream_t stream) {
  return with_dim(l.dim, [&](auto dim) {
    constexpr int kDim = decltype(dim)::value;
    const bool last = l.shape.queries == 1;
    const auto kernel = last ? attention_forward_f32<kDim, true> : attention_forward_f32<kDim, false>;
    return launch_tiles(kernel, l.shape, l.batch, last ? 1 : tiles_of_all(l.shape, kF32Rows), kThreads, kForwardSharedF32<kDim>, stream,
                        l.q, l.k, l.v, l.o, l.lse);
  });
}

}  // namespace flashbook::cuda::attention
