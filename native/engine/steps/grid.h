// Splits a matrix over threads in two dimensions. Which split is chosen changes the time, never the result.
#pragma once

#include <algorithm>
#include <cstdint>

namespace flashbook {

struct Grid {
  struct Block { int64_t m0, m1, n0, n1; };

  int64_t m = 0, n = 0;
  int64_t row_blocks = 1, column_blocks = 1;
  int64_t block_rows = 1, block_columns = 1;
  int slots = 1;      // blocks that may run at once; each slot has scratch of its own

  int64_t blocks() const { return row_blocks * column_blocks; }
  Block block(int64_t index) const {
    const int64_t m0 = index / column_blocks * block_rows, n0 = index % column_blocks * block_columns;
    return {m0, std::min(m, m0 + block_rows), n0, std::min(n, n0 + block_columns)};
  }
};

// The least estimated time of all grids of whole tiles whose blocks are at most `widest` columns wide.
// cost(rows, columns) is that of one block in cycles, roughly.
template <class Cost>
Grid choose_grid(int64_t m, int64_t n, int64_t tile_rows, int64_t tile_columns, int64_t widest, int threads, Cost&& cost) {
  constexpr int kMaxSlots = 64;
  constexpr double kBlockCost = 3000;     // handing out a block, cold caches
  constexpr double kThreadCost = 10000;   // handing over a part, and the cache lines that move from core to core
  const auto ceil_div = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  const int64_t row_tiles = std::max<int64_t>(1, ceil_div(m, tile_rows));
  const int64_t column_tiles = std::max<int64_t>(1, ceil_div(n, tile_columns));
  const int64_t widest_tiles = std::max<int64_t>(1, widest / tile_columns);
  const int64_t limit = std::min<int64_t>(threads, kMaxSlots);
  Grid best;
  double best_time = -1;
  for (int64_t columns = 1; columns <= column_tiles; columns++) {
    const int64_t wide = ceil_div(column_tiles, columns);
    if (wide > widest_tiles || ceil_div(column_tiles, wide) != columns) continue;
    for (int64_t rows = 1; rows <= std::min(row_tiles, 16 * limit); rows++) {
      const int64_t high = ceil_div(row_tiles, rows);
      if (ceil_div(row_tiles, high) != rows) continue;
      // The blocks at the lower and right edges are what is left.
      const int64_t block_m = std::min(m, high * tile_rows), last_m = m - (rows - 1) * high * tile_rows;
      const int64_t block_n = std::min(n, wide * tile_columns), last_n = n - (columns - 1) * wide * tile_columns;
      const auto one = [&](int64_t a, int64_t b) { return kBlockCost + cost(static_cast<double>(a), static_cast<double>(b)); };
      const double full_rows = static_cast<double>(rows - 1), full_columns = static_cast<double>(columns - 1);
      const double all = full_rows * (full_columns * one(block_m, block_n) + one(block_m, last_n)) +
                         full_columns * one(last_m, block_n) + one(last_m, last_n);
      const int64_t workers = std::min(limit, rows * columns);
      // A quarter of a block more: threads do not start together, and other processes take their share.
      const double rounds = static_cast<double>(ceil_div(rows * columns, workers)) + (workers > 1 ? 0.25 : 0.0);
      const double time = all / static_cast<double>(rows * columns) * rounds + kThreadCost * static_cast<double>(workers - 1);
      if (best_time < 0 || time < best_time) {
        best_time = time;
        best = {m, n, rows, columns, high * tile_rows, wide * tile_columns, static_cast<int>(workers)};
      }
    }
  }
  return best;
}

// The same with the tiles and the widest block of a kernel table.
template <class Kernels, class Cost>
Grid choose_grid(int64_t m, int64_t n, const Kernels& kernels, int threads, Cost&& cost) {
  return choose_grid(m, n, kernels.tile_rows, kernels.tile_columns, kernels.block_columns, threads, cost);
}

}  // namespace flashbook
