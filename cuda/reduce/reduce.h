// Sums in an order that the shape alone decides: the twin of native/kernels/reduce/reduce.h.
//
// Idea: rows are cut into at most 64 chunks; a block adds one chunk for 32 columns, eight rows at a time, and a second kernel adds the
// chunks in order. Squares are summed in float64, 8192 elements a block, and the blocks' sums by one block. Bound by memory
// bandwidth.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace flashbook::cuda::reduce {

struct Chunks { int64_t rows, count; };
inline Chunks row_chunks(int64_t rows) {
  const int64_t chunk = std::max<int64_t>(32, (rows + 63) / 64);
  return {chunk, (rows + chunk - 1) / chunk};
}

inline size_t sum_rows_workspace_bytes(int64_t rows, int64_t columns) {
  return static_cast<size_t>(row_chunks(rows).count * columns) * sizeof(float);
}
// x (rows, columns) → out (columns)
cudaError_t sum_rows(const float* x, float* out, int64_t rows, int64_t columns, void* workspace, cudaStream_t stream);
// The same for at most 64 rows, one after the other.
cudaError_t add_rows(const float* x, float* out, int64_t rows, int64_t columns, cudaStream_t stream);

constexpr int64_t kSquaresChunk = 8192;
inline int64_t squares_chunks(int64_t n) { return (n + kSquaresChunk - 1) / kSquaresChunk; }
// Σx² of each chunk of kSquaresChunk elements into `partial`, squares_chunks(n) doubles.
cudaError_t chunk_squares(const float* x, int64_t n, double* partial, cudaStream_t stream);
// Σ of `count` doubles into out.
cudaError_t add_doubles(const double* partial, int64_t count, float* out, cudaStream_t stream);

}  // namespace flashbook::cuda::reduce
