// The fast path of gemm.h over float32 tiles, compiled for AVX2 and AVX-512: gemm.cc takes the operands as they are, bgemm.cc
// defines FB_GEMM_BF16 and has them rounded to bf16 where they are copied.
//
// Idea (Goto & van de Geijn 2008; Van Zee & van de Geijn 2015, BLIS). A register tile of C, 14×32 (AVX-512) or 6×16
// (AVX2), is the sum of outer products: a column of A, broadcast, times a row of B. B lies in panels of 32 (16) columns,
// row after row, so that the tile reads it in one stream; a block's panels, as many chunks of k as fit, stay in L2. A tile's
// rows of A stay in L1 and serve all panels of the block. They are read where they lie if they are contiguous and do not fall
// into the same cache sets; otherwise they are copied first. What comes next of A and C is prefetched while a tile is computed.
// Rows are spread evenly over tiles (100 rows: 4 tiles of 13, 4 of 12), so that no tile is a leftover.
//
// Measured by bench/gemm.mjs, one thread of a Zen 4 core (peak 109–115 GFLOP/s), share of peak by processor time on a busy
// machine: 1024³ 80–85 %; M = 100, packed once, 77–91 % (AVX2 50–76 %); M = 6400: forward and dx 79–93 %, dw 62–84 %.
#pragma once

#include "kernels/gemm/gemm_pack.h"
#include "kernels/gemm/gemm_tile.h"

namespace flashbook {
namespace FB_ISA {

namespace {

constexpr int64_t kBlockColumns = 512;
constexpr int64_t kL2Share = int64_t{512} << 10;   // bytes that a block goes over again and again

// Where A is copied in groups of tiles, half of the share is theirs.
int64_t b_share(const Problem& p) { return p.a_col == 1 ? kL2Share : kL2Share / 2; }

// How much of k is done for a tile of rows before the next tile: as many chunks as B's share of them fits L2.
int64_t span_of(const Problem& p, int64_t columns) {
  const int64_t chunk = gemm::k_chunk(p.k);
  const int64_t chunks = p.k == 0 ? 1 : (p.k + chunk - 1) / chunk;
  const int64_t fit = b_share(p) / (padded_columns(columns) * (chunk > 0 ? chunk : 1) * 4);
  return (fit < 1 ? 1 : fit > chunks ? chunks : fit) * chunk;
}

// Narrower blocks have longer spans: the share bounds them all, but for a single chunk that is larger.
int64_t scratch_bytes(const Problem& p, int64_t columns) {
  const int64_t a_bytes = 4 * (p.a_col == 1 ? kARowsFloats : kAColumnsFloats);
  if (p.packed_b != nullptr) return a_bytes;
  const int64_t one_chunk = 4 * padded_columns(columns) * gemm::k_chunk(p.k);
  const int64_t all = 4 * padded_columns(columns) * p.k;
  const int64_t share = all < b_share(p) ? all : b_share(p);
  return a_bytes + (one_chunk > share ? one_chunk : share);
}

// One tile of rows × all panels of a block, for one chunk of k.
struct Sweep {
  const Problem& p;
  int64_t n0, n1;
  int64_t panels;

  template <class Next>
  void run(TileFunction const (&functions)[2][kTileRows], int64_t i0, int rows, int64_t k0, int64_t kc, const float* a,
           int64_t stride, const float* panel, Next next) const {
    TileOut out;
    out.n = p.n;
    out.activation = p.activation;
    out.add = k0 > 0;
    out.last = k0 + kc >= p.k;
    Fetches fetches;
    for (int64_t q = 0; q < panels; q++) {
      const int64_t j = n0 + q * kTileColumns;
      out.columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
      const int vectors = out.columns > W ? 2 : 1;
      out.c = p.c + i0 * p.n + j;
      out.bias = p.bias != nullptr ? p.bias + j : nullptr;
      out.residual = p.residual != nullptr ? p.residual + i0 * p.n + j : nullptr;
      fetches.start(kc);
      for (int i = 0; i < rows; i++) {
        for (int v = 0; v < vectors * W; v += 16) fetches.add(out.c + i * p.n + v);
      }
      next(q, fetches);
      fetches.fill(panel);
      functions[vectors - 1][rows - 1](kc, a, stride, panel, fetches.at, out);
      panel += kc * vectors * W;
    }
  }
};

// Rows of A contiguous: a tile of rows goes through all chunks of the span before the next one.
void sweep_rows(const Sweep& sweep, const Tiles& tiles, int64_t s0, int64_t s1, const float* b, float* a_copy) {
  const Problem& p = sweep.p;
  const int64_t chunk = gemm::k_chunk(p.k);
  const int64_t columns = p.packed_b != nullptr ? padded_columns(p.n) : padded_columns(sweep.n1 - sweep.n0);
  const bool in_place = !kRounded && (!rows_collide(p.a_row) || sweep.panels == 1);
  for (int64_t t = 0; t < tiles.count; t++) {
    const int64_t i0 = tiles.start(t), i1 = tiles.start(t + 1);
    const int64_t i2 = t + 1 < tiles.count ? tiles.start(t + 2) : i1;
    int64_t k0 = s0;
    do {
      const int64_t kc = s1 - k0 < chunk ? s1 - k0 : chunk;
      const float* a = a_copy;
      int64_t stride = kARowStride;
      if (in_place) {
        a = p.a + i0 * p.a_row + k0;
        stride = p.a_row;
      } else {
        copy_rows(p, i0, static_cast<int>(i1 - i0), k0, kc, a_copy);
        if (kRounded) round_floats(a_copy, kARowsFloats);
      }
      // Next come the following chunk of these rows, or the first one of the next rows.
      const bool more = k0 + kc < s1;
      const int64_t next_k = more ? k0 + kc : s0;
      const int64_t next_kc = s1 - next_k < chunk ? s1 - next_k : chunk;
      const float* panel = b + (k0 - s0) * columns + (p.packed_b != nullptr ? sweep.n0 * kc : 0);
      sweep.run(kTiles[0], i0, static_cast<int>(i1 - i0), k0, kc, a, stride, panel, [&](int64_t q, Fetches& fetches) {
        fetch_rows(p, more ? i0 : i1, more ? i1 - i0 : i2 - i1, next_k, next_kc, q, sweep.panels, fetches);
      });
      k0 += kc;
    } while (k0 < s1);
  }
}

// Columns of A contiguous: a group of tiles is copied for one chunk at a time.
void sweep_columns(const Sweep& sweep, const Tiles& tiles, int64_t s0, int64_t s1, const float* b, float* a_copy) {
  const Problem& p = sweep.p;
  const int64_t chunk = gemm::k_chunk(p.k);
  const int64_t columns = p.packed_b != nullptr ? padded_columns(p.n) : padded_columns(sweep.n1 - sweep.n0);
  const int64_t groups = (tiles.count + kATiles - 1) / kATiles;
  for (int64_t group = 0; group < groups; group++) {
    const int64_t first_tile = tiles.count * group / groups, last_tile = tiles.count * (group + 1) / groups;
    int64_t k0 = s0;
    do {
      const int64_t kc = s1 - k0 < chunk ? s1 - k0 : chunk;
      copy_columns(p, tiles, first_tile, last_tile, k0, kc, a_copy);
      if (kRounded) round_floats(a_copy, (last_tile - first_tile) * kATileFloats);
      const float* panel = b + (k0 - s0) * columns + (p.packed_b != nullptr ? sweep.n0 * kc : 0);
      // Next come the following chunk of these tiles, or the first one of the next group or span.
      const bool more = k0 + kc < s1;
      const bool more_groups = group + 1 < groups;
      const int64_t next_k = more ? k0 + kc : more_groups ? s0 : s1;
      const int64_t next_kc = p.k - next_k < chunk ? p.k - next_k : chunk;
      const int64_t next_group = more ? group : more_groups ? group + 1 : 0;
      const int64_t next_tile = tiles.count * next_group / groups, next_end = tiles.count * (next_group + 1) / groups;
      const int64_t next_m = tiles.start(next_tile), next_rows = tiles.start(next_end) - next_m;
      const int64_t parts = (last_tile - first_tile) * sweep.panels;
      for (int64_t t = first_tile; t < last_tile; t++) {
        const int64_t i0 = tiles.start(t);
        sweep.run(kTiles[1], i0, static_cast<int>(tiles.start(t + 1) - i0), k0, kc, a_copy + (t - first_tile) * kATileFloats, 0,
                  panel, [&](int64_t q, Fetches& fetches) {
                    fetch_columns(p, next_m, next_rows, next_k, next_kc, (t - first_tile) * sweep.panels + q, parts, fetches);
                  });
      }
      k0 += kc;
    } while (k0 < s1);
  }
}

void block(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  if (m1 <= m0 || n1 <= n0) return;
  const bool by_rows = p.a_col == 1;
  float* const a_copy = static_cast<float*>(scratch);
  float* const b_copy = a_copy + (by_rows ? kARowsFloats : kAColumnsFloats);
  const Tiles tiles = {m0, m1, (m1 - m0 + kTileRows - 1) / kTileRows};
  const Sweep sweep = {p, n0, n1, (n1 - n0 + kTileColumns - 1) / kTileColumns};
  const int64_t chunk = gemm::k_chunk(p.k);
  const int64_t span = span_of(p, n1 - n0);
  int64_t s0 = 0;
  do {
    const int64_t s1 = p.k - s0 < span ? p.k : s0 + span;
    const float* b = b_copy;
    if (p.packed_b != nullptr) {
      b = static_cast<const float*>(p.packed_b) + s0 * padded_columns(p.n);
    } else {
      float* to = b_copy;
      for (int64_t k0 = s0; k0 < s1; k0 += chunk) {
        const int64_t kc = s1 - k0 < chunk ? s1 - k0 : chunk;
        pack_chunk(p, k0, kc, n0, n1, to);
        to += kc * padded_columns(n1 - n0);
      }
    }
    if (by_rows) {
      sweep_rows(sweep, tiles, s0, s1, b, a_copy);
    } else {
      sweep_columns(sweep, tiles, s0, s1, b, a_copy);
    }
    s0 = s1;
  } while (s0 < p.k);
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
