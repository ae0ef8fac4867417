// The backward pass in float32, in the two kernels of backward.cuh: rows are 32 queries, or 32 keys with the transposed scores.
#include "cuda/attention/f32_tile.cuh"
#include "cuda/attention/launch.h"

namespace flashbook::cuda::attention {
namespace {

template <int kDim>
constexpr int kColumnsOf = kDim == 128 ? 16 : 32;   // two buffers of both columns must fit 99 KB

template <int kDim>
constexpr int kBackwardSharedF32 = (2 * kF32Rows + 4 * kColumnsOf<kDim>) * kDim * 4 +
                        (2 * kF32Rows * kCoefficientPitch<kColumnsOf<kDim>> + 4 * kColumnsOf<kDim>) * 4;

template <int kDim, bool kKeys>
__global__ void __launch_bounds__(kThreads, 1)
attention_backward_f32(const __grid_constant__ Shape shape, int tiles, BackwardOperands operands) {
  extern __shared__ __align__(128) char shared[];
  constexpr int kColumns = kColumnsOf<kDim>, kRowBytes = kDim * 4, kPitch = kCoefficientPitch<kColumns>;
  constexpr int kRowTile = kF32Rows * kRowBytes, kColumnTile = kColumns * kRowBytes;
  const Tile tile = tile_of_block<kF32Rows>(shape, tiles);
  if (tile.row0 < 0) return;
  const Class& of = tile.of;
  const int row_end = min(tile.row0 + kF32Rows, of.places);
  const int64_t line = tile.batch * shape.heads + tile.head;
  const int unasked = shape.steps - shape.queries;
  const char* q = operands.q + line * shape.queries * kRowBytes;
  const char* d_o = operands.d_o + line * shape.queries * kRowBytes;
  const char* k = operands.k + line * shape.steps * kRowBytes;
  const char* v = operands.v + line * shape.steps * kRowBytes;
  const float* offset = operands.offset + line * shape.queries;
  const float* delta = operands.delta + line * shape.queries;
  char* const buffers = shared + 2 * kRowTile;
  float* const weights = reinterpret_cast<float*>(buffers + 4 * kColumnTile);
  float* const value_weights = weights + kF32Rows * kPitch;
  float* const column_values = value_weights + kF32Rows * kPitch;   // [buffer][offset, delta][column]

  const uint32_t rows = shared_address(shared);
  const Rows rows_k = of.keys<kRowBytes>(k), rows_v = of.keys<kRowBytes>(v);
  const Rows rows_q = of.queries<kRowBytes>(q, unasked), rows_d_o = of.queries<kRowBytes>(d_o, unasked);
  const auto query_row = [&](int place) { return static_cast<int64_t>(of.step_of(place)) - unasked; };
  const int first_column = kKeys ? of.first_seer(tile.row0) : of.first_key(tile.row0);
  const int last_column = kKeys ? of.last_seer(row_end - 1) : row_end <= of.first_query ? -1 : of.last_key(row_end - 1);
  const auto copy = [&](int column_tile) {
    const int column0 = column_tile * kColumns, buffer = column_tile & 1;
    const uint32_t to = shared_address(buffers) + buffer * 2 * kColumnTile;
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
    copy_rows<kF32Rows, kRowBytes>(rows, kKeys ? rows_k : rows_q, tile.row0);
    copy_rows<kF32Rows, kRowBytes>(rows + kRowTile, kKeys ? rows_v : rows_d_o, tile.row0);
    copy(tile_first);
  }

  int low[2], high[2];
  float row_offset[2] = {}, row_delta[2] = {};
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const int place = tile.row0 + 2 * thread_y() + r;
    const bool exists = place < row_end && (kKeys || place >= of.first_query);
    low[r] = kKeys ? of.first_seer(place) : of.first_key(place);
    high[r] = !exists ? -1 : kKeys ? of.last_seer(place) : of.last_key(place);
    if (!kKeys && exists) {
      row_offset[r] = offset[query_row(place)];
      row_delta[r] = delta[query_row(place)];
    }
  }
  const float factor = shape.scale * kLog2E;
  float sum[2][kDim / 8] = {}, sum_value[2][kDim / 8] = {};
  for (int column_tile = tile_first; column_tile <= tile_last; column_tile++) {
    wait_copies<0>();
    __syncthreads();   // the tile is there for all, and all have left the other buffer
    if (column_tile < tile_last) copy(column_tile + 1);
    const int column0 = column_tile * kColumns, buffer = column_tile & 1;
    const char* first = buffers + buffer * 2 * kColumnTile;
    const char* second = first + kColumnTile;
    const float* values = column_values + buffer * 2 * kColumns;
    const bool partial = kKeys ? column0 < of.first_seer(row_end - 1) || column0 + kColumns - 1 > of.last_seer(tile.row0)
                               : column0 < of.first_key(row_end - 1) || column0 + kColumns - 1 > of.last_key(tile.row0) ||
                                     tile.row0 < of.first_query;
    float score[2][kColumns / 8] = {}, d_score[2][kColumns / 8] = {};
    add_scores<kDim, kColumns>(score, shared, first);
    add_scores<kDim, kColumns>(d_score, shared + kRowTile, second);
#pragma unroll
    for (int r = 0; r < 2; r++) {
#pragma unroll
      for (int j = 0; j < kColumns / 8; j++) {
        const int in_tile = thread_x() + 8 * j, column = column0 + in_tile;
        const float of_offset = kKeys ? values[in_tile] : row_offset[r];
        const float of_delta = kKeys ? values[kColumns + in_tile] : row_delta[r];
        float s = score[r][j];
        if (of.slope != 0.0f) {
          s = fmaf(-of.slope, static_cast<float>(abs(tile.row0 + 2 * thread_y() + r - column)), s);
        }
        // The offset is −lse·log2(e), rounded: for large scores the sum could be above 0. A row without keys has −∞ and P = 0.
        float p = exp2_flushed(at_most_0(fmaf(s, factor, of_offset))), ds = p * (d_score[r][j] - of_delta);
        if (partial && (column < low[r] || column > high[r])) p = ds = 0.0f;
        weights[(2 * thread_y() + r) * kPitch + in_tile] = ds;
        if (kKeys) value_weights[(2 * thread_y() + r) * kPitch + in_tile] = p;
      }
    }
    __syncwarp();
    if (partial) {
      add_rows<kDim, kColumns, true>(sum, weights, first, low, high, column0);
      if (kKeys) add_rows<kDim, kColumns, true>(sum_value, value_weights, second, low, high, column0);
    } else {
      add_rows<kDim, kColumns, false>(sum, weights, first, low, high, column0);
      if (kKeys) add_rows<kDim, kColumns, false>(sum_value, value_weights, second, low, high, column0);
    }
    __syncwarp();
  }
  wait_copies<0>();

  const int width = shape.heads * shape.head_dim;
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const int place = tile.row0 + 2 * thread_y() + r;
    if (place >= row_end) continue;
    float* row = operands.dqkv + (tile.batch * shape.steps + of.step_of(place)) * 3 * width + tile.head * shape.head_dim;
    store_share<kDim>(row + (kKeys ? width : 0), sum[r], shape.scale, shape.head_dim);
    if (kKeys) store_share<kDim>(row + 2 * width, sum_value[r], 1.0f, shape.head_dim);
  }
}

}  // namespace

cudaError_t launch_backward_f32(const BackwardLaunch& l, cudaStream_t stream) {
  return with_dim(l.dim, [&](auto dim) {
    constexpr int kDim = decltype(dim)::value;
    const int tiles = tiles_of_all(l.shape, kF32Rows);
    if (const cudaError_t error = launch_tiles(attention_backward_f32<kDim, true>, l.shape, l.batch, tiles, kThreads,
                                               kBackwardSharedF32<kDim>, stream, l.operands)) {
      return error;
    }
    return launch_tiles(attention_backward_f32<kDim, false>, l.shape, l.batch, tiles, kThreads, kBackwardSharedF32<kDim>, stream, l.operands);
  });
}

}  // namespace flashbook::cuda::attention
