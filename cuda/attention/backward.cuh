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
  const float* lse = operands.lse + line * shape.queries;
  const float* delta = operands.delta + line * shape.queries;

  const uint32_t rows_first = shared_address(shared), rows_second = rows_first + kRowTile;
  const uint32_t buffers = rows_second + kRowTile;
  char* const tile_buffers = shared + 2 * kRowTile;
  float* const column_values = reinterpret_cast<float*>(tile_buffers + 4 * kColumnTile);   // [buffer][lse, delta][column]

  // Where a query row of this class lies, and which rows of a tile at `place` have a query.
  const auto query_row = [&](int place) { return static_cast<int64_t>(of.step_of(place)) - unasked; };
  int first_column, last_column;
  if constexpr (kKeys) {
    first_column = of.first_seer(tile.row0);
    last_column = of.last_seer(row_end - 1);
    copy_rows<kTileRows, kRowBytes>(rows_first, k, of.step_of(tile.row0), of.stride, 0, row_end - tile.row0);
    copy_rows<kTileRows, kRowBytes>(rows_second, v, of.step_of(tile.row0), of.stride, 0, row_end - tile.row0);
  } else {
    first_column = of.first_key(tile.row0);
    last_column = row_end <= of.first_query ? -1 : of.last_key(row_end - 1);
    const int unanswered = of.first_query - tile.row0;
    copy_rows<kTileRows, kRowBytes>(rows_first, q, query_row(tile.row0), of.stride, unanswered, row_end - tile.row0);
    copy_rows<kTileRows, kRowBytes>(rows_second, d_o, query_row(tile.row0), of.stride, unanswered, row_end - tile.row0);
  }
  const auto copy = [&](int column_tile) {
    const int column0 = column_tile * kColumns, low = kKeys ? of.first_query - column0 : 0, high = of.places - column0;
    const int buffer = column_tile & 1;
    const uint32_t to = buffers + buffer * 2 * kColumnTile;
    const int64_t first = kKeys ? query_row(column0) : of.step_of(column0);
    copy_rows<kColumns, kRowBytes>(to, kKeys ? q : k, first, of.stride, low, high);
    copy_rows<kColumns, kRowBytes>(to + kColumnTile, kKeys ? d_o : v, first, of.stride, low, high);
    if (kKeys && threadIdx.x < 2 * kColumns) {
      const int column = threadIdx.x % kColumns;
      const bool valid = column >= low && column < high;
      const float* from = (threadIdx.x < kColumns ? lse : delta) + (valid ? first + int64_t{column} * of.stride : 0);
      copy_async_4(shared_address(column_values + buffer * 2 * kColumns + threadIdx.x), from, valid);
    }
    commit_copies();
  };
  const int tile_first = first_column / kColumns, tile_last = last_column < first_column ? tile_first - 1 : last_column / kColumns;
  if (tile_first <= tile_last) copy(tile_first);

  // Which columns the two rows of this lane see, and, for queries as rows, their log-sum-exp and delta.
  int low[2], high[2];
  float row_lse[2] = {}, row_delta[2] = {};
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int place = tile.row0 + warp_row + lane / 4 + half * 8;
    const bool exists = place < row_end && (kKeys || place >= of.first_query);
    low[half] = kKeys ? of.first_seer(place) : of.first_key(place);
    high[half] = !exists ? -1 : kKeys ? of.last_seer(place) : of.last_key(place);
    if (!kKeys && exists) {
      row_lse[half] = lse[query_row(place)];
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
#pragma unroll
    for (int j = 0; j < kColumns / 8; j++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int half = e / 2, in_tile = j * 8 + lane % 4 * 2 + e % 2, column = column0 + in_tile;
        const float of_lse = kKeys ? values[in_tile] : row_lse[half];
        const float of_delta = kKeys ? values[kColumns + in_tile] : row_delta[half];
        float s = score[j][e];
        if (of.slope != 0.0f) {
          const int distance = tile.row0 + warp_row + lane / 4 + half * 8 - column;
          s = fmaf(-of.slope, static_cast<float>(abs(distance)), s);
        }
        // lse is rounded: for large scores the difference could be above 0. A row without keys has lse = −∞ and P = 0.
        float exponent = fmaf(s, factor, of_lse == -INFINITY ? -INFINITY : -of_lse * kLog2E);
        exponent = exponent > 0.0f ? 0.0f : exponent;
        float p = exp2_flushed(exponent), ds = p * (d_score[j][e] - of_delta);
        if (partial && (column < low[half] || column > high[half])) p = ds = 0.0f;
        score[j][e] = p;
        d_score[j][e] = ds;
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
