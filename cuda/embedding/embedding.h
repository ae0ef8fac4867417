// Rows of a table by their indices, and the sums of rows with one index.
//
// Idea: the lookup is a copy, by quads where the width allows. In the gradient a warp owns 128 columns of one row of the table and walks all
// indices, 32 at a time: a ballot says which of them are its row's, and their rows of dy are added in rising order, without atomics. That is
// count · ⌈columns/128⌉ · positions/32 reads of 128 bytes of indices, from the caches, beside the compulsory traffic: cheap for the small tables
// of categories; for a large one the walk is what bounds it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace flashbook::cuda::embedding {

// y[i] = table[indices[i]]; NaN where the index is not in 0 … count − 1.
cudaError_t lookup(const float* table, const int32_t* indices, float* y, int64_t count, int64_t positions, int64_t columns,
                   cudaStream_t stream);
// dtable[v] = Σ dy[i] over indices[i] = v; zeros for v = padding.
cudaError_t gradient(const float* dy, const int32_t* indices, float* dtable, int64_t count, int64_t positions, int64_t columns,
                     int64_t padding, cudaStream_t stream);

}  // namespace flashbook::cuda::embedding
