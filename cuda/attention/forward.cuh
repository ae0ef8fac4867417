// The forward pass on tensor cores: a block of 4 warps takes 64 queries of one head, a warp 16 of them, and walks over the keys in tiles of 64.
//
// Q stays in registers as fragments. K and V tiles lie in two swizzled buffers: while one is multiplied, cp.async fills the other, so that
// one barrier a tile is enough. Scores stay in registers: the result fragments of Q·Kᵀ are, rounded, the A fragments of P·V. Probabilities are
// 2 to the power of score·log2(e)/√head_dim − top in one fused multiply-add, top being the running maximum, scaled and rounded: that it is rounded
// cancels, for sums, rescaling and lse go by the same number.
#pragma once

#include "cuda/attention/tensor_tile.cuh"

namespace flashbook::cuda::attention {

constexpr int kForwardKeys = 64;

template <int kDim>
constexpr int kForwardShared = (kTileRows + 4 * kForwardKeys) * kDim * 2;

template <class T, int kDim, bool kLastOnly>
__global__ void __launch_bounds__(kThreads, 1) attention_forward(const __grid_constant__ Shape shape, int tiles, const char* q,
                                                                 const char* k, const char* v, float* o, float* lse) {
  extern __shared__ __align__(128) char shared[];
  constexpr int kKeys = kForwardKeys, kRowBytes = kDim * 2, kBuffer = kKeys * kRowBytes;
  const Tile tile = tile_of_block<kTileRows, kLastOnly>(shape, tiles);
  if (tile.row0 < 0) return;
  const Class& of = tile.of;
  const int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 16;
  const int row_end = min(tile.row0 + kTileRows, of.places);
  const int64_t line = tile.batch * shape.heads + tile.head;
  const int unasked = shape.steps - shape.queries;
  q += line * shape.queries * kRowBytes;
  k += line * shape.steps * kRowBytes;
  v += line * shape.steps * kRowBytes;

  const uint32_t shared_q = shared_address(shared), shared_kv = shared_q + kTileRows * kRowBytes;
  const int tile_first = of.first_key(tile.row0) / kKeys, tile_last = of.last_key(row_end - 1) / kKeys;
  const auto copy = [&](int key_tile) {
    const uint32_t to = shared_kv + (key_tile & 1) * 2 * kBuffer;
    copy_rows<kKeys, kRowBytes>(to, of.keys<kRowBytes>(k), key_tile * kKeys);
    copy_rows<kKeys, kRowBytes>(to + kBuffer, of.keys<kRowBytes>(v), key_tile * kKeys);
    commit_copies();
  };
  copy_rows<kTileRows, kRowBytes>(shared_q, of.queries<kRowBytes>(q, unasked), tile.row0);
  copy(tile_first);

  const bool active = tile.row0 + warp_row < row_end;
  int low[2], high[2];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int place = tile.row0 + warp_row + lane / 4 + half * 8;
    low[half] = of.first_key(place);
    high[half] = of.last_key(place);
  }
  const float factor = shape.scale * kLog2E;
  uint32_t fragment_q[kDim / 16][4];
  float sum[kDim / 8][4] = {};
  float top[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f};

  for (int key_tile = tile_first; key_tile <= tile_last; key_tile++) {
    wait_copies<0>();
    __syncthreads();   // the tile is there for all, and all have left the other buffer
    if (key_tile < tile_last) copy(key_tile + 1);
    if (key_tile == tile_first) {
#pragma unroll
      for (int step = 0; step < kDim / 16; step++) load_rows<kRowBytes>(fragment_q[step], shared_q, warp_row, step);
    }
    const int key0 = key_tile * kKeys, buffer = (key_tile & 1) * 2 * kBuffer;
    const uint32_t shared_k = shared_kv + buffer, shared_v = shared_k + kBuffer;
    const char* tile_v = shared + kTileRows * kRowBytes + buffer + kBuffer;
    // Not every row sees every key of the tile.
    const bool partial = key0 < of.first_key(row_end - 1) || key0 + kKeys - 1 > of.last_key(tile.row0);
    const bool careful = partial && __syncthreads_or(holds_special<T, kBuffer>(tile_v));
    if (!active) continue;

    float score[kKeys / 8][4] = {};
#pragma unroll
    for (int step = 0; step < kDim / 16; step++) {
#pragma unroll
      for (int j = 0; j < kKeys / 16; j++) {
        uint32_t b[4];
        load_columns<kRowBytes>(b, shared_k, j * 16, step);
        T::mma(score[2 * j], fragment_q[step], b[0], b[1]);
        T::mma(score[2 * j + 1], fragment_q[step], b[2], b[3]);
      }
    }
    if (of.slope != 0.0f) {
      asm volatile("");   // else the compiler does it for all, and takes the result for some
#pragma unroll
      for (int j = 0; j < kKeys / 8; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const int distance = tile.row0 + warp_row + lane / 4 + e / 2 * 8 - (key0 + j * 8 + lane % 4 * 2 + e % 2);
          score[j][e] = fmaf(-of.slope, static_cast<float>(abs(distance)), score[j][e]);
        }
      }
    }
    if (partial) {
#pragma unroll
      for (int j = 0; j < kKeys / 8; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const int key = key0 + j * 8 + lane % 4 * 2 + e % 2;
          if (key < low[e / 2] || key > high[e / 2]) score[j][e] = -INFINITY;
        }
      }
    }

    // The online softmax: new maximum, the old sums scaled down to it, the new terms.
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float most = top[half];
#pragma unroll
      for (int j = 0; j < kKeys / 8; j++) most = fmaxf(most, fmaxf(score[j][half * 2], score[j][half * 2 + 1]));
      most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
      most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
      const float subtracted = most == -INFINITY ? 0.0f : __fmul_rn(most, factor);
      const float shrink = exp2_flushed(__fmul_rn(top[half], factor) - subtracted);
      top[half] = most;
      total[half] *= shrink;
#pragma unroll
      for (int n = 0; n < kDim / 8; n++) {
        sum[n][half * 2] *= shrink;
        sum[n][half * 2 + 1] *= shrink;
      }
#pragma unroll
      for (int j = 0; j < kKeys / 8; j++) {
#pragma unroll
        for (int e = half * 2; e < half * 2 + 2; e++) {
          score[j][e] = exp2_flushed(fmaf(score[j][e], factor, -subtracted));
          total[half] += score[j][e];
        }
      }
    }
    uint32_t weights[kKeys / 16][4];
    as_rows<T, kKeys>(weights, score);
    if (careful) {
      add_visible<T, kDim, kKeys>(sum, weights, tile_v, low, high, key0);
    } else {
      add_product<T, kDim, kKeys>(sum, weights, shared_v);
    }
  }

  if (!active) return;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    float all = total[half];
    all += __shfl_xor_sync(0xffffffffu, all, 1);
    all += __shfl_xor_sync(0xffffffffu, all, 2);
    const int place = tile.row0 + warp_row + lane / 4 + half * 8;
    if (place >= row_end) continue;
    const int64_t query = of.step_of(place) - unasked;
    const float inverse = all == 0.0f ? 0.0f : 1.0f / all;
    float* row = o + ((tile.batch * shape.queries + query) * shape.heads + tile.head) * shape.head_dim;
#pragma unroll
    for (int n = 0; n < kDim / 8; n++) {
      store_pair(row, n * 8 + lane % 4 * 2, shape.head_dim, sum[n][half * 2] * inverse, sum[n][half * 2 + 1] * inverse);
    }
    if (lse != nullptr && lane % 4 == 0) {
      lse[line * shape.queries + query] = all == 0.0f ? -INFINITY : fmaf(__fmul_rn(top[half], factor), kLn2, logf(all));
    }
  }
}

}  // namespace flashbook::cuda::attention
