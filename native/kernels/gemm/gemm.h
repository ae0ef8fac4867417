// Single-precision matrix product with a fused epilogue:
//
//   C = activation(A·B + bias)∘factor + residual   A is M×K, B is K×N, C, factor and residual are M×N, bias is N
//
// A and B are seen through strides, so that the three products of a linear layer are one kernel:
//   forward   y  = x·wᵀ     A = x  (rows contiguous)      B = wᵀ (columns contiguous)
//   backward  dx = dy·w     A = dy (rows contiguous)      B = w  (rows contiguous)
//             dw = dyᵀ·x    A = dyᵀ (columns contiguous)  B = x  (rows contiguous)
//
// Numerics. An element is the sum over chunks of k_chunk(K) products, each chunk one chain of fused multiply-adds in
// rising k, the chunks added in rising order. Neither tiles nor threads nor the number of rows change that: the same bits for any
// split. Then + bias, activation, · factor, + residual, one rounding each. NaN and infinity propagate. The engine cuts long
// products with transposed A (weight gradients) in four parts of k, by their shape alone, and adds these in rising order (gemm_run.cc).
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

namespace gemm {

enum class Activation : uint8_t { none, relu, gelu };

struct Problem {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  int64_t a_row = 0, a_col = 0;        // element strides; one of the two is 1
  const float* b = nullptr;
  int64_t b_row = 0, b_col = 0;        // likewise
  float* c = nullptr;                  // dense, row stride n; must not overlap the operands
  const float* bias = nullptr;         // may be absent
  const float* factor = nullptr;       // may be absent
  const float* residual = nullptr;     // may be absent
  Activation activation = Activation::none;
  int64_t l2_bytes = int64_t{1} << 20;   // of a core: what a block goes over again and again shall fit half of it
  const void* packed_b = nullptr;      // B in the table's panels, or null: then block() packs what it needs
};

// K is summed in chunks of equal length, a multiple of 8, at most 512, and 256 where K is long: such products (weight gradients)
// have both operands packed beside the chunk that comes next. Depends on K alone.
constexpr int64_t kMaxChunk = 512;
constexpr int64_t k_chunk(int64_t k) {
  const int64_t limit = k <= 1024 ? kMaxChunk : 256;
  const int64_t chunks = (k + limit - 1) / limit;
  return chunks <= 1 ? k : ((k + chunks - 1) / chunks + 7) / 8 * 8;
}

}  // namespace gemm

struct GemmKernels {
  const char* layout;        // names the panel layout of B, tile sizes included
  int64_t tile_rows;         // rows and columns of a full register tile
  int64_t tile_columns;
  int64_t block_columns;     // widest column range of a block whose share of B stays in L2
  int64_t products_per_cycle;   // roughly, in full tiles: for the choice of a grid
  bool sums_stay;            // in cache until they are complete, however long they are and however wide a block is
  // Bytes of all of B in panels; 0: this table reads B in place.
  int64_t (*packed_b_bytes)(int64_t n, int64_t k);
  // Packs the columns n0 … n1 of B. n0 is a multiple of tile_columns, n1 too or n.
  void (*pack_b)(const gemm::Problem& problem, int64_t n0, int64_t n1, void* packed);
  // Bytes of scratch that block() needs for a range of `columns` columns.
  int64_t (*scratch_bytes)(const gemm::Problem& problem, int64_t columns);
  // Computes rows m0 … m1 of columns n0 … n1, single-threaded. n0 as for pack_b; m0 and m1 are free.
  void (*block)(const gemm::Problem& problem, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch);
};

const GemmKernels& gemm_table(Isa isa);

}  // namespace flashbook
