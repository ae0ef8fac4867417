// Moving values without changing them: rows of one length into rows of another, one step of a sequence, transposition.
//
// Idea: copies go by quads where lengths and places are multiples of four floats; a transposition goes through a 32 × 32 tile in
// shared memory whose rows are 33 long, so that neither side's access has a bank conflict and both are whole lines.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace flashbook::cuda::layout {

// `width` floats of each of `rows` rows, from rows of from_columns into rows of to_columns.
cudaError_t copy_block(const float* from, int64_t from_columns, float* to, int64_t to_columns, int64_t width, int64_t rows,
                       cudaStream_t stream);
// dy (batch, columns) at `index` of dx (batch, steps, columns), zeros elsewhere.
cudaError_t place_step(const float* dy, float* dx, int64_t batch, int64_t steps, int64_t columns, int64_t index,
                       cudaStream_t stream);
// x (batch, rows, columns) → y (batch, columns, rows); they must not overlap.
cudaError_t transpose(const float* x, float* y, int64_t batch, int64_t rows, int64_t columns, cudaStream_t stream);

}  // namespace flashbook::cuda::layout
