// Packing for gemm_blocks.h: B into panels, A into what a tile reads. Memory is read in its own order, many panels being written at
// once, since caches see a long row coming and a column not.
#pragma once

#include "kernels/gemm/gemm_tile.h"
#include "simd/bf16.h"
#include "simd/range.h"
#include "simd/transpose.h"

namespace flashbook {
namespace FB_ISA {
namespace {

using gemm::Problem;

constexpr int64_t kMaxChunk = gemm::kMaxChunk;
constexpr int64_t kARowStride = kMaxChunk + 16;               // floats from row to row of copied A whose rows were contiguous
constexpr int64_t kARowsFloats = kARowStride * kTileRows;
constexpr int64_t kATiles = W == 16 ? 16 : 32;                // that many tiles of contiguous columns are copied together

// Floats of copied tiles of A, and of all that is copied at a time. One more line, so that tiles start in different cache sets.
int64_t a_tile_floats(const Problem& p) { return kAStride * gemm::k_chunk(p.k) + 16; }
int64_t a_floats(const Problem& p) { return p.a_col == 1 ? kARowsFloats : kATiles * a_tile_floats(p); }

// The rows m0 … m1 of a block, spread evenly over tiles.
struct Tiles {
  int64_t m0, m1, count;
  int64_t start(int64_t tile) const { return m0 + (m1 - m0) * tile / count; }
};

// Columns of B in panels: full panels of two vectors; a last one of one vector where that is enough.
int64_t padded_columns(int64_t n) { return (n + W - 1) / W * W; }

// Rows of B contiguous: row after row into all panels.
void pack_rows(const Problem& p, int64_t k0, int64_t kc, int64_t n0, int64_t n1, float* out) {
  constexpr int64_t kRowsAhead = 8;
  const int64_t full = (n1 - n0) / kTileColumns * kTileColumns;
  const int rest = static_cast<int>(n1 - n0 - full);
  const int width = rest > W ? kTileColumns : W;
  const Mask m0 = first(rest < W ? rest : W);
  const Mask m1 = first(rest > W ? rest - W : 0);
  for (int64_t k = 0; k < kc; k++) {
    const float* in = p.b + (k0 + k) * p.b_row + n0;
    float* to = out + k * kTileColumns;
    for (int64_t j = 0; j < full; j += kTileColumns) {
      __builtin_prefetch(in + kRowsAhead * p.b_row + j, 0);
      __builtin_prefetch(in + kRowsAhead * p.b_row + j + 16, 0);
      const VecF x0 = load(in + j), x1 = load(in + j + W);
      store(to, x0);
      store(to + W, x1);
      to += kc * kTileColumns;
    }
    if (rest > 0) {
      to = out + kc * full + k * width;
      store(to, maskload(in + full, m0));
      if (rest > W) store(to + W, maskload(in + full + W, m1));
    }
  }
}

// Columns of B contiguous: one panel of `columns` of `width` columns, transposed; the other columns are zeros.
void pack_panel_transposed(const Problem& p, int64_t k0, int64_t kc, int64_t j0, int columns, int width, float* out) {
  const float* in = p.b + k0 + j0 * p.b_col;
  int j = 0;
  for (; j + 8 <= columns; j += 8) {
    const float* from = in + j * p.b_col;
    int64_t k = 0;
    for (; k + 8 <= kc; k += 8) transpose_8x8(from + k, p.b_col, out + k * width + j, width);
    for (; k < kc; k++) {
      for (int q = 0; q < 8; q++) out[k * width + j + q] = from[q * p.b_col + k];
    }
  }
  for (; j < columns; j++) {
    for (int64_t k = 0; k < kc; k++) out[k * width + j] = in[j * p.b_col + k];
  }
  for (; j < width; j++) {
    for (int64_t k = 0; k < kc; k++) out[k * width + j] = 0.0f;
  }
}

#if defined(FB_GEMM_BF16)
constexpr bool kRounded = true;
#else
constexpr bool kRounded = false;
#endif

// Rounds copied operands to bf16 where they lie.
FB_INLINE void round_floats(float* x, int64_t count) {
  for_vectors(count, [x](int64_t i, auto part) { store(x + i, round_bf16(load(x + i, part)), part); });
}

// Packs columns n0 … n1 of one chunk; panels follow one another at `out`.
void pack_chunk(const Problem& p, int64_t k0, int64_t kc, int64_t n0, int64_t n1, float* out) {
  float* const first_panel = out;
  if (p.b_col == 1) {
    pack_rows(p, k0, kc, n0, n1, out);
    if (kRounded) round_floats(first_panel, kc * padded_columns(n1 - n0));
    return;
  }
  for (int64_t j = n0; j < n1; j += kTileColumns) {
    const int columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
    const int width = columns > W ? kTileColumns : W;
    pack_panel_transposed(p, k0, kc, j, columns, width, out);
    out += kc * width;
  }
  if (kRounded) round_floats(first_panel, kc * padded_columns(n1 - n0));
}

// All of B: chunk after chunk, in a chunk panel after panel.
int64_t packed_b_bytes(int64_t n, int64_t k) { return 4 * padded_columns(n) * k; }

void pack_b(const Problem& p, int64_t n0, int64_t n1, void* packed) {
  const int64_t chunk = gemm::k_chunk(p.k);
  for (int64_t k0 = 0; k0 < p.k; k0 += chunk) {
    const int64_t kc = p.k - k0 < chunk ? p.k - k0 : chunk;
    pack_chunk(p, k0, kc, n0, n1, static_cast<float*>(packed) + k0 * padded_columns(p.n) + n0 * kc);
  }
}

// Copies rows m0 … m0+rows of one chunk of A to where a tile reads them.
void copy_rows(const Problem& p, int64_t m0, int rows, int64_t k0, int64_t kc, float* out) {
  for (int i = 0; i < rows; i++) {
    const float* in = p.a + (m0 + i) * p.a_row + k0;
    float* to = out + i * kARowStride;
    int64_t k = 0;
    for (; k + W <= kc; k += W) store(to + k, load(in + k));
    if (k < kc) {
      const Mask m = first(static_cast<int>(kc - k));
      maskstore(to + k, maskload(in + k, m), m);
    }
  }
}

// Columns of A contiguous: the tiles first_tile … last_tile of a block, row of memory after row into all of them.
void copy_columns(const Problem& p, const Tiles& tiles, int64_t first_tile, int64_t last_tile, int64_t k0, int64_t kc,
                  float* out) {
  const int count = static_cast<int>(last_tile - first_tile);
  const float* from[kATiles];
  const int64_t tile_floats = a_tile_floats(p);
  Mask masks[kATiles];   // of the last vector of a column: the others are full
  for (int t = 0; t < count; t++) {
    const int64_t m0 = tiles.start(first_tile + t);
    from[t] = p.a + m0 + k0 * p.a_col;
    masks[t] = first(static_cast<int>(tiles.start(first_tile + t + 1) - m0));
  }
  for (int64_t k = 0; k < kc; k++) {
    float* to = out + k * kAStride;
    for (int t = 0; t < count; t++) {
      store(to, maskload(from[t] + k * p.a_col, masks[t]));
      to += tile_floats;
    }
  }
}

// Rows whose distance is a multiple of 2 KiB fall into one or two sets of L1 and drive each other out.
bool rows_collide(int64_t stride) { return stride % 512 == 0; }

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
