// Sizes of grids, for the launchers in the .cu files. No exceptions here: a launcher returns what the runtime said.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>

namespace flashbook::cuda {

constexpr int kThreads = 256;   // of a block, where nothing speaks for another number

// Blocks for `items` pieces of work, `per_block` to a block; a grid-stride loop does what is beyond the limit.
inline unsigned blocks_for(int64_t items, int64_t per_block, int64_t limit = 65535) {
  return static_cast<unsigned>(std::clamp<int64_t>((items + per_block - 1) / per_block, 1, limit));
}

}  // namespace flashbook::cuda
