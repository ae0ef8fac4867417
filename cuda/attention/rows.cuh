// Which rows a block works on and which columns they see.
//
// A head of stride n falls apart into n classes of steps r, r + n, r + 2n, …, each a dense head of its own: below, a *place* p of class r is
// step r + n·p. Tiles are runs of places of one class.
#pragma once

#include <cuda_runtime.h>

#include "cuda/attention/attention.h"

namespace flashbook::cuda::attention {

// Everything about the shape that a kernel needs.
struct Shape {
  int heads, steps, queries, head_dim;
  float scale;                        // 1/√head_dim
  Patterns patterns;
};

constexpr float kLog2E = 1.4426950408889634f, kLn2 = 0.6931471805599453f;

// Rows of a class as they lie in memory: place p is row p · stride from `at` on, for first ≤ p ≤ last.
struct Rows {
  const char* at;
  int stride, first, last;
};

// One class of one head.
struct Class {
  int stride, remainder;
  int places;          // steps in the class
  int first_query;     // the first place that has a query
  int reach;           // |p − p′| at most this; beyond all places: unlimited
  bool causal;
  float slope;         // of ALiBi on the raw scores, before they are scaled, per place

  __device__ __forceinline__ int step_of(int place) const { return remainder + stride * place; }
  __device__ __forceinline__ int first_key(int query) const { return max(0, query - reach); }
  __device__ __forceinline__ int last_key(int query) const { return min(places - 1, causal ? query : query + reach); }
  // Keys of a head, one a step, and its queries, of which the first `unasked` steps have none.
  template <int kRowBytes>
  __device__ __forceinline__ Rows keys(const char* head) const { return {head + int64_t{remainder} * kRowBytes, stride, 0, places - 1}; }
  template <int kRowBytes>
  __device__ __forceinline__ Rows queries(const char* head, int unasked) const {
    return {head + int64_t{remainder - unasked} * kRowBytes, stride, first_query, places - 1};
  }
  __device__ __forceinline__ int first_seer(int key) const { return max(first_query, causal ? key : key - reach); }
  __device__ __forceinline__ int last_seer(int key) const { return min(places - 1, key + reach); }
};

// A block's tile of rows. Classes × tiles of a head are numbered through, late tiles first: with causality they are the long ones.
struct Tile {
  Class of;
  int head;
  int64_t batch;
  int row0;            // its first place, or −1: nothing to do
};

// kLastOnly: one tile a head, whose first row is the only query.
template <int kTile, bool kLastOnly = false>
__device__ __forceinline__ Tile tile_of_block(const Shape& shape, int tiles_of_all) {
  constexpr int kFar = 1 << 29;
  const Patterns& patterns = shape.patterns;
  Tile tile;
  const int index = tiles_of_all - 1 - static_cast<int>(blockIdx.x % tiles_of_all);
  tile.head = static_cast<int>(blockIdx.x / tiles_of_all % shape.heads);
  tile.batch = blockIdx.x / tiles_of_all / shape.heads;
  Class& of = tile.of;
  const int window = patterns.per_head ? patterns.window[tile.head] : 0;
  of.stride = patterns.per_head ? patterns.stride[tile.head] : 1;
  of.causal = patterns.causal;
  of.slope = patterns.per_head ? patterns.slope[tile.head] * static_cast<float>(of.stride) / shape.scale : 0.0f;
  of.reach = window == 0 ? kFar : (window - 1) / of.stride;
  of.remainder = kLastOnly ? (shape.steps - 1) % of.stride : index % of.stride;
  of.places = of.remainder < shape.steps ? (shape.steps - of.remainder + of.stride - 1) / of.stride : 0;
  const int before = shape.steps - shape.queries - of.remainder;
  of.first_query = before <= 0 ? 0 : (before + of.stride - 1) / of.stride;
  tile.row0 = kLastOnly ? of.places - 1 : index / of.stride * kTile;
  if (tile.row0 >= of.places) tile.row0 = -1;
  return tile;
}

// Tiles of a head, the most of all heads: for stride n, n classes of ⌈⌈steps/n⌉/tile⌉.
inline int tiles_of_all(const Shape& shape, int tile) {
  int most = 0;
  for (int head = 0; head < (shape.patterns.per_head ? shape.heads : 1); head++) {
    const int stride = shape.patterns.per_head ? shape.patterns.stride[head] : 1;
    const int tiles = ((shape.steps + stride - 1) / stride + tile - 1) / tile * stride;
    if (tiles > most) most = tiles;
  }
  return most;
}

// min(x, 0) that keeps NaN.
__device__ __forceinline__ float at_most_0(float x) {
  float y;
  asm("min.NaN.f32 %0, %1, 0f00000000;" : "=f"(y) : "f"(x));
  return y;
}

// 2ˣ; results below 2⁻¹²⁶ are 0.
__device__ __forceinline__ float exp2_flushed(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace flashbook::cuda::attention
