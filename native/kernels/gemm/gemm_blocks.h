// The fast path of gemm.h over float32 tiles, compiled for AVX2 and AVX-512: gemm.cc takes the operands as they are, bgemm.cc
// defines FB_GEMM_BF16 and has them rounded to bf16 where they are copied.
//
// Idea (Goto & van de Geijn 2008; Van Zee & van de Geijn 2015, BLIS). A register tile of C, 14×32 (AVX-512) or 6×16
// (AVX2), is the sum of outer products: a column of A, broadcast, times a row of B. B lies in panels of 32 (16) columns,
// row after row, so that the tile reads it in one stream; a block's panels, as many chunks of k as fit, stay in L2. A tile's
// rows of A serve all panels of the block. They are read where they lie if they are contiguous and do not fall
// into the same cache sets; otherwise they are copied first. What comes next of A and C, and of B where K is long, is fetched while a
// tile is computed. Rows are spread evenly over tiles (100 rows: 4 tiles of 13, 4 of 12), so that no tile is a leftover.
//
// Measured by `flashbook bench --filter gemm`, one thread, share of the core's peak by processor time on a busy machine.
// Granite Rapids (247 GFLOP/s): 1024³ 84–87 % (without copying A, fetching ahead and writing C 4 % faster, with B from L1 too 9 %); M = 100, packed once, 84–87 %; M = 6400: forward and dx
// 83–91 %, dw 73–82 %. Zen 4 (109–115 GFLOP/s), before the last changes: 80–85 %; 77–91 % (AVX2 50–76 %); 79–93 %, 62–84 %.
#pragma once

#include "kernels/gemm/gemm_pack.h"
#include "kernels/gemm/gemm_tile.h"

namespace flashbook {
namespace FB_ISA {

namespace {

constexpr int64_t kBlockColumns = 512;

// Where A is copied in groups of tiles, half of the share is theirs.
int64_t b_share(const Problem& p) { return p.a_col == 1 ? p.l2_bytes / 2 : p.l2_bytes / 8; }

// How much of k is done for a tile of rows before the next tile: as many chunks as B's share of them fits L2.
int64_t span_of(const Problem& p, int64_t columns) {
  const int64_t chunk = gemm::k_chunk(p.k);
  const int64_t chunks = p.k == 0 ? 1 : (p.k + chunk - 1) / chunk;
  const int64_t fit = b_share(p) / (padded_columns(columns) * (chunk > 0 ? chunk : 1) * 4);
  return (fit < 1 ? 1 : fit > chunks ? chunks : fit) * chunk;
}

// Narrower blocks have longer spans: the share bounds them all, but for a single chunk that is larger.
int64_t scratch_bytes(const Problem& p, int64_t columns) {
  const int64_t a_bytes = 4 * a_floats(p);
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

  void run(TileFunction const (&functions)[2][kTileRows], int64_t i0, int rows, int64_t k0, int64_t kc, const float* a,
           int64_t stride, const float* panel, Ahead& ahead) const {
    TileOut out;
    out.n = p.n;
    out.activation = p.activation;
    out.add = k0 > 0;
    out.last = k0 + kc >= p.k;
    for (int64_t q = 0; q < panels; q++) {
      const int64_t j = n0 + q * kTileColumns;
      out.columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
      const int vectors = out.columns > W ? 2 : 1;
      out.c = p.c + i0 * p.n + j;
      out.bias = p.bias != nullptr ? p.bias + j : nullptr;
      out.factor = p.factor != nullptr ? p.factor + i0 * p.n + j : nullptr;
      out.residual = p.residual != nullptr ? p.residual + i0 * p.n + j : nullptr;
      functions[vectors - 1][rows - 1](kc, a, stride, panel, ahead, out);
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
  Ahead ahead;
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
      if (k0 + kc < s1) {
        ahead.start({p.a + i0 * p.a_row + k0 + kc, p.a_row, s1 - k0 - kc < chunk ? s1 - k0 - kc : chunk, i1 - i0}, {});
      } else {
        ahead.start({p.a + i1 * p.a_row + s0, p.a_row, s1 - s0 < chunk ? s1 - s0 : chunk, i2 - i1}, {});
      }
      const float* panel = b + (k0 - s0) * columns + (p.packed_b != nullptr ? sweep.n0 * kc : 0);
      sweep.run(kTiles[0], i0, static_cast<int>(i1 - i0), k0, kc, a, stride, panel, ahead);
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
  const int64_t tile_floats = a_tile_floats(p);
  Ahead ahead;
  for (int64_t group = 0; group < groups; group++) {
    const int64_t first_tile = tiles.count * group / groups, last_tile = tiles.count * (group + 1) / groups;
    int64_t k0 = s0;
    do {
      const int64_t kc = s1 - k0 < chunk ? s1 - k0 : chunk;
      copy_columns(p, tiles, first_tile, last_tile, k0, kc, a_copy);
      if (kRounded) round_floats(a_copy, (last_tile - first_tile) * tile_floats);
      const float* panel = b + (k0 - s0) * columns + (p.packed_b != nullptr ? sweep.n0 * kc : 0);
      // Next come the following chunk of these tiles, or the first one of the next group, or the next span with its rows of B.
      const bool more = k0 + kc < s1, more_groups = group + 1 < groups;
      const int64_t next_k = more ? k0 + kc : more_groups ? s0 : s1;
      const int64_t next_kc = p.k - next_k < chunk ? p.k - next_k : chunk;
      const int64_t next_group = more ? group : more_groups ? group + 1 : 0;
      const int64_t next_m = tiles.start(tiles.count * next_group / groups);
      const int64_t next_end = tiles.start(tiles.count * (next_group + 1) / groups);
      const Needed next_a = {p.a + next_m + next_k * p.a_col, p.a_col, next_end - next_m, next_kc};
      Needed next_b;
      if (p.packed_b == nullptr && p.b_col == 1 && s1 < p.k) {
        // Each chunk and group of the span fetches its share.
        const int64_t rows = p.k - s1 < s1 - s0 ? p.k - s1 : s1 - s0;
        const int64_t share = (k0 - s0) / chunk + group * ((s1 - s0 + chunk - 1) / chunk);
        const int64_t shares = groups * ((s1 - s0 + chunk - 1) / chunk);
        const int64_t first_row = rows * share / shares;
        next_b = {p.b + (s1 + first_row) * p.b_row + sweep.n0, p.b_row, sweep.n1 - sweep.n0, rows * (share + 1) / shares - first_row};
      }
      ahead.start(next_a, next_b);
      for (int64_t t = first_tile; t < last_tile; t++) {
        const int64_t i0 = tiles.start(t);
        sweep.run(kTiles[1], i0, static_cast<int>(tiles.start(t + 1) - i0), k0, kc, a_copy + (t - first_tile) * tile_floats, 0,
                  panel, ahead);
      }
      k0 += kc;
    } while (k0 < s1);
  }
}

void block(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  if (m1 <= m0 || n1 <= n0) return;
  const bool by_rows = p.a_col == 1;
  float* const a_copy = static_cast<float*>(scratch);
  float* const b_copy = a_copy + a_floats(p);
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
