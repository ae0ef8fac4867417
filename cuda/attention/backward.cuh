// The backward pass on tensor cores, in two kernels of one form, so that every sum is made in one block and in a fixed order:
//
//   kKeys = false   rows are 64 queries (Q, dO), columns 32 keys at a time (K, V):       dq  = Σ dS·K
//   kKeys = true    rows are 64 keys (K, V), columns 32 (16) queries at a time (Q, dO):       dk  = Σ dSᵀ·Q,  dv = Σ Pᵀ·dO
//
// Both compute the scores of rows × columns, first·firstᵀ, and dP, second·secondᵀ, again; with keys as rows these are the transposes, whose
// fragments are what dk and dv need, so that nothing is turned round in memory. Column tiles come through two buffers, one barrier a tile.
#pragma once

#include "cuda/attention/operands.h"
#include "cuda/attention/tensor_tile.cuh"

namespace flashbook::cuda::attention {

// dk and dv of 128 values leave registers for 16 columns.
template <int kDim, bool kKeys>
constexpr int kBackwardColumns = kDim == 128 && kKeys ? 16 : 32;

template <int kDim, bool kKeys>
constexpr int kBackwardShared = (2 * kTileRows + 4 * kBackwardColumns<kDim, kKeys>) * kDim * 2 + 4 * kBackwardColumns<kDim, kKeys> * 4;

template <class T, int kDim, bool kKeys>
__global__ void __launch_bounds__(kThreads, 1) attention_backward(const __grid_constant__ Shape shape, int tiles,
                                                                  BackwardOperands operands) {
  extern __shared__ __align__(128) char shared[];
  constexpr int kColumns = kBackwardColumns<kDim, kKeys>, kRowBytes = kDim * 2;
  constexpr int kRowTile = kTileRows * kRowBytes, kColumnTile = kColumns * kRowBytes;
  const Tile tile = tile_of_block<kTileRows>(shape, tiles);
  if (tile.row0 < 0) return;
  const Class& of = tile.of;
  const int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 16;
  const int row_end = min(tile.row0 + kTileRows, of.places);
  const int64_t line = tile.batch * shape.heads + tile.head;
  const int unasked = shape.steps - shape.queries;
  const char* q = operands.q + line * shape.queries * kRowBytes;
  const char* d_o = operands.d_o + line * shape.queries * kRowBytes;
  const char* k = operands.k + line * shape.steps * kRowBytes;
  const char* v = operands.v + line * shape.steps * kRowBytes;
  const float* offset = operands.offset + line * shape.queries;
  const float* delta = operands.delta + line * shape.queries;

  const uint32_t rows_first = shared_address(shared), rows_second = rows_first + kRowTile;
  const uint32_t buffers = rows_second + kRowTile;
  char* const tile_buffers = shared + 2 * kRowTile;
  float* const column_values = reinterpret_cast<float*>(tile_buffers + 4 * kColumnTile);   // [buffer][offset, delta][column]

  const Rows rows_k = of.keys<kRowBytes>(k), rows_v = of.keys<kRowBytes>(v);
  const Rows rows_q = of.queries<kRowBytes>(q, unasked), rows_d_o = of.queries<kRowBytes>(d_o, unasked);
  const auto query_row = [&](int place) { return static_cast<int64_t>(of.step_of(place)) - unasked; };
  const int first_column = kKeys ? of.first_seer(tile.row0) : of.first_key(tile.row0);
  const int last_column = kKeys ? of.last_seer(row_end - 1) : row_end <= of.first_query ? -1 : of.last_key(row_end - 1);
  const auto copy = [&](int column_tile) {
    const int column0 = column_tile * kColumns, buffer = column_tile & 1;
    const uint32_t to = buffers + buffer * 2 * kColumnTile;
    copy_rows<kColumns, kRowBytes>(to, kKeys ? rows_q : rows_k, column0);
    copy_rows<kColumns, kRowBytes>(to + kColumnTile, kKeys ? rows_d_o : rows_v, column0);
    if (kKeys && threadIdx.x < 2 * kColumns) {
      const int place = max(of.first_query, min(of.places - 1, column0 + static_cast<int>(threadIdx.x) % kColumns));
      const float* from = (threadIdx.x < kColumns ? offset : delta) + query_row(place);
      copy_async_4(shared_address(column_values + buffer * 2 * kColumns + threadIdx.x), from, true);
    }
    commit_copies();
  };
  const int tile_first = first_column / kColumns, tile_last = last_column < first_column ? tile_first - 1 : last_column / kColumns;
  if (tile_first <= tile_last) {
    copy_rows<kTileRows, kRowBytes>(rows_first, kKeys ? rows_k : rows_q, tile.row0);
    copy_rows<kTileRows, kRowBytes>(rows_second, kKeys ? rows_v : rows_d_o, tile.row0);
    copy(tile_first);
  }

  // Which columns the two rows of this lane see, and, for queries as rows, their offset and delta.
  int low[2], high[2];
  float row_offset[2] = {}, row_delta[2] = {};
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int place = tile.row0 + warp_row + lane / 4 + half * 8;
    const bool exists = place < row_end && (kKeys || place >= of.first_query);
    low[half] = kKeys ? of.first_seer(place) : of.first_key(place);
    high[half] = !exists ? -1 : kKeys ? of.last_seer(place) : of.last_key(place);
    if (!kKeys && exists) {
      row_offset[half] = offset[query_row(place)];
      row_delta[half] = delta[query_row(place)];
    }
  }
  const float factor = shape.scale * kLog2E;
  constexpr int kValueDim = kKeys ? kDim : 8;          // dv exists for keys alone
  float sum[kDim / 8][4] = {}, sum_value[kValueDim / 8][4] = {};

  for (int column_tile = tile_first; column_tile <= tile_last; column_tile++) {
    wait_copies<0>();
    __syncthreads();   // the tile is there for all, and all have left the other buffer
    if (column_tile < tile_last) copy(column_tile + 1);
    const int column0 = column_tile * kColumns, buffer = column_tile & 1;
    const uint32_t first = buffers + buffer * 2 * kColumnTile, second = first + kColumnTile;
    const char* tile_columns = tile_buffers + buffer * 2 * kColumnTile;
    const float* values = column_values + buffer * 2 * kColumns;
    // Not every row sees every column of the tile.
    const bool partial = kKeys ? column0 < of.first_seer(row_end - 1) || column0 + kColumns - 1 > of.last_seer(tile.row0)
                               : column0 < of.first_key(row_end - 1) || column0 + kColumns - 1 > of.last_key(tile.row0) ||
                                     tile.row0 < of.first_query;
    const bool careful = partial && __syncthreads_or(holds_special<T, kKeys ? 2 * kColumnTile : kColumnTile>(tile_columns));

    float score[kColumns / 8][4] = {}, d_score[kColumns / 8][4] = {};
#pragma unroll
    for (int step = 0; step < kDim / 16; step++) {
      uint32_t a[4], b[4];
      load_rows<kRowBytes>(a, rows_first, warp_row, step);
#pragma unroll
      for (int j = 0; j < kColumns / 16; j++) {
        load_columns<kRowBytes>(b, first, j * 16, step);
        T::mma(score[2 * j], a, b[0], b[1]);
        T::mma(score[2 * j + 1], a, b[2], b[3]);
      }
      load_rows<kRowBytes>(a, rows_second, warp_row, step);
#pragma unroll
      for (int j = 0; j < kColumns / 16; j++) {
        load_columns<kRowBytes>(b, second, j * 16, step);
        T::mma(d_score[2 * j], a, b[0], b[1]);
        T::mma(d_score[2 * j + 1], a, b[2], b[3]);
      }
    }
    if (of.slope != 0.0f) {
      asm volatile("");   // else the compiler does it for all, and takes the result for some
#pragma unroll
      for (int j = 0; j < kColumns / 8; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const int distance = tile.row0 + warp_row + lane / 4 + e / 2 * 8 - (column0 + j * 8 + lane % 4 * 2 + e % 2);
          score[j][e] = fmaf(-of.slope, static_cast<float>(abs(distance)), score[j][e]);
        }
      }
    }
    // The offset is −lse·log2(e), rounded: for large scores the sum could be above 0. A row without keys has −∞ and P = 0.
#pragma unroll
    for (int j = 0; j < kColumns / 8; j++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int half = e / 2, in_tile = j * 8 + lane % 4 * 2 + e % 2;
        const float of_offset = kKeys ? values[in_tile] : row_offset[half];
        const float of_delta = kKeys ? values[kColumns + in_tile] : row_delta[half];
        const float p = exp2_flushed(at_most_0(fmaf(score[j][e], factor, of_offset)));
        score[j][e] = p;
        d_score[j][e] = p * (d_score[j][e] - of_delta);
      }
    }
    if (partial) {
#pragma unroll
      for (int j = 0; j < kColumns / 8; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const int column = column0 + j * 8 + lane % 4 * 2 + e % 2;
          if (column < low[e / 2] || column > high[e / 2]) score[j][e] = d_score[j][e] = 0.0f;
        }
      }
    }
    uint32_t weights[kColumns / 16][4], value_weights[kColumns / 16][4];
    as_rows<T, kColumns>(weights, d_score);
    if constexpr (kKeys) as_rows<T, kColumns>(value_weights, score);
    if (careful) {
      add_visible<T, kDim, kColumns>(sum, weights, tile_columns, low, high, column0);
    } else {
      add_product<T, kDim, kColumns>(sum, weights, first);
    }
    if constexpr (kKeys) {
      if (careful) {
        add_visible<T, kDim, kColumns>(sum_value, value_weights, tile_columns + kColumnTile, low, high, column0);
      } else {
        add_product<T, kDim, kColumns>(sum_value, value_weights, second);
      }
    }
  }
  wait_copies<0>();

  const int width = shape.heads * shape.head_dim;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int place = tile.row0 + warp_row + lane / 4 + half * 8;
    if (place >= row_end) continue;
    float* row = operands.dqkv + (tile.batch * shape.steps + of.step_of(place)) * 3 * width + tile.head * shape.head_dim;
#pragma unroll
    for (int n = 0; n < kDim / 8; n++) {
      const int column = n * 8 + lane % 4 * 2;
      if constexpr (kKeys) {
        store_pair(row + 2 * width, column, shape.head_dim, sum_value[n][half * 2], sum_value[n][half * 2 + 1]);
      }
      store_pair(row + (kKeys ? width : 0), column, shape.head_dim, sum[n][half * 2] * shape.scale, sum[n][half * 2 + 1] * shape.scale);
    }
  }
}

}  // namespace flashbook::cuda::attention
