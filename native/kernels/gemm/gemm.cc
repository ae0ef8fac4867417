// The fast path of gemm.h, compiled once for AVX2 and once for AVX-512.
//
// Idea (Goto & van de Geijn 2008; Van Zee & van de Geijn 2015, BLIS). A register tile of C, 14×32 (AVX-512) or 6×16
// (AVX2), is the sum of outer products: a column of A, broadcast, times a row of B. B lies in panels of 32 (16) columns,
// row after row, so that the tile reads it in one stream; a chunk of a block's panels stays in L2. A tile's rows of A stay in L1
// and serve all panels of the block. They are read where they lie if their rows are contiguous and do not fall into the same
// cache sets; otherwise they are copied first. The epilogue works on the tile in registers.
// Rows are spread evenly over tiles (100 rows: 4 tiles of 13, 4 of 12), so that no tile is a leftover.
#include "kernels/gemm/gemm.h"

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {

extern const GemmKernels gemm_kernels;

namespace {

using gemm::Activation;
using gemm::Problem;

constexpr int W = VecF::width;
constexpr int kTileRows = W == 16 ? 14 : 6;
constexpr int kTileColumns = 2 * W;
constexpr int64_t kBlockColumns = 512;
constexpr int64_t kBlockBytes = int64_t{512} << 10;   // of B that a block goes over again and again: half of L2
constexpr int64_t kMaxChunk = gemm::kMaxChunk;
constexpr int64_t kAStride = W;                   // floats from k to k+1 of copied A whose columns were contiguous
constexpr int64_t kATiles = W == 16 ? 8 : 16;     // that many tiles of such columns are copied together
constexpr int64_t kATileFloats = kAStride * kMaxChunk + 16;   // one more line: tiles start in different cache sets
constexpr int64_t kARowStride = kMaxChunk + 16;   // floats from row to row of copied A whose rows were contiguous
constexpr int64_t kARowsFloats = kARowStride * kTileRows;
constexpr int64_t kAColumnsFloats = kATileFloats * kATiles;
static_assert(kTileRows <= kAStride, "a column of a tile is one vector");

// The rows m0 … m1 of a block, spread evenly over tiles.
struct Tiles {
  int64_t m0, m1, count;
  int64_t start(int64_t tile) const { return m0 + (m1 - m0) * tile / count; }
};

// Columns of B in panels: full panels of two vectors; a last one of one vector where that is enough.
int64_t padded_columns(int64_t n) { return (n + W - 1) / W * W; }

// ---------------------------------------------------------------------------------------------------------------------
// The register tile

// Where a tile's result goes and what is done to it on the way.
struct TileOut {
  float* c;                 // first element of the tile, row stride n
  int64_t n;
  int columns;              // columns that exist, 1 … NV·W
  bool add;                 // C holds the sum of earlier chunks
  bool last;                // last chunk: bias, activation, residual
  const float* bias;
  const float* residual;    // first element of the tile
  Activation activation;
};

template <int NV, bool FULL, Activation ACT>
FB_INLINE void finish_row(const VecF* acc, const TileOut& out, const Mask* masks, int64_t row) {
  float* c = out.c + row * out.n;
#pragma GCC unroll 2
  for (int v = 0; v < NV; v++) {
    const auto read = [&](const float* p) { return FULL ? load(p + v * W) : maskload(p + v * W, masks[v]); };
    VecF x = acc[v];
    if (out.add) x = read(c) + x;
    if (out.last) {
      if (out.bias != nullptr) x = x + read(out.bias);
      if constexpr (ACT == Activation::relu) x = relu(x);
      if constexpr (ACT == Activation::gelu) x = gelu(x);
      if (out.residual != nullptr) x = x + read(out.residual + row * out.n);
    }
    if constexpr (FULL) {
      store(c + v * W, x);
    } else {
      maskstore(c + v * W, x, masks[v]);
    }
  }
}

// What is not frequent, or needs many registers of its own, works from memory: edges (AVX2 writes under a mask slowly) and GELU.
template <int NV, bool FULL, Activation ACT>
__attribute__((noinline)) void finish_from_memory(const VecF* acc, int rows, const TileOut& out) {
  Mask masks[NV];
  for (int v = 0; v < NV; v++) {
    const int left = out.columns - v * W;
    masks[v] = first(left >= W ? W : left > 0 ? left : 0);
  }
  for (int i = 0; i < rows; i++) finish_row<NV, FULL, ACT>(acc + i * NV, out, masks, i);
}

template <int MR, int NV, bool FULL>
FB_INLINE void spill_and_finish(const VecF (&acc)[MR][NV], const TileOut& out) {
  VecF spilled[MR * NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) spilled[i * NV + v] = acc[i][v];
  }
  if (out.activation == Activation::gelu && out.last) {
    finish_from_memory<NV, FULL, Activation::gelu>(spilled, MR, out);
  } else if (out.activation == Activation::relu && out.last) {
    finish_from_memory<NV, FULL, Activation::relu>(spilled, MR, out);
  } else {
    finish_from_memory<NV, FULL, Activation::none>(spilled, MR, out);
  }
}

template <int MR, int NV>
FB_INLINE void finish(const VecF (&acc)[MR][NV], const TileOut& out) {
  if (out.columns < NV * W) {
    spill_and_finish<MR, NV, false>(acc, out);
  } else if (!out.last || out.activation == Activation::none) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) finish_row<NV, true, Activation::none>(acc[i], out, nullptr, i);
  } else {
    spill_and_finish<MR, NV, true>(acc, out);
  }
}

// One step of k: acc += column of A × row of B. `at(i)` is the place of A's element of row i.
template <int MR, int NV, class At>
FB_INLINE void outer_product(VecF (&acc)[MR][NV], const float* b, const At& at) {
  VecF row[NV];
#pragma GCC unroll 4
  for (int v = 0; v < NV; v++) row[v] = load(b + v * W);
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
    const VecF x = set1(*at(i));
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) acc[i][v] = fma(x, row[v], acc[i][v]);
  }
}

// C is needed when the sums are done: its lines come while they are made.
template <int MR, int NV>
FB_INLINE void prefetch_c(const TileOut& out) {
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) __builtin_prefetch(out.c + i * out.n + v * W, 1);
  }
}

// A's element (i, k) is a[i·stride + k]. Rows go in threes on one pointer: +0, +stride, +2·stride are addressing modes.
template <int MR, int NV>
void tile_rows(int64_t kc, const float* a, int64_t stride, const float* b, const TileOut& out) {
  constexpr int kPointers = (MR + 2) / 3;
  const float* p[kPointers];
#pragma GCC unroll 8
  for (int q = 0; q < kPointers; q++) p[q] = a + 3 * q * stride;
  prefetch_c<MR, NV>(out);
  VecF acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) acc[i][v] = zero();
  }
  int64_t k = 0;
  for (; k + 4 <= kc; k += 4) {
#pragma GCC unroll 4
    for (int u = 0; u < 4; u++) {
      outer_product<MR, NV>(acc, b + u * NV * W, [&](int i) { return p[i / 3] + (i % 3) * stride + u; });
    }
    b += 4 * NV * W;
#pragma GCC unroll 8
    for (int q = 0; q < kPointers; q++) p[q] += 4;
  }
  for (; k < kc; k++) {
    outer_product<MR, NV>(acc, b, [&](int i) { return p[i / 3] + (i % 3) * stride; });
    b += NV * W;
#pragma GCC unroll 8
    for (int q = 0; q < kPointers; q++) p[q] += 1;
  }
  finish<MR, NV>(acc, out);
}

// A's element (i, k) is a[k·kAStride + i].
template <int MR, int NV>
void tile_columns(int64_t kc, const float* a, int64_t, const float* b, const TileOut& out) {
  prefetch_c<MR, NV>(out);
  VecF acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) acc[i][v] = zero();
  }
#pragma GCC unroll 4
  for (int64_t k = 0; k < kc; k++) {
    outer_product<MR, NV>(acc, b, [&](int i) { return a + i; });
    a += kAStride;
    b += NV * W;
  }
  finish<MR, NV>(acc, out);
}

using TileFunction = void (*)(int64_t kc, const float* a, int64_t stride, const float* b, const TileOut& out);

// [layout of A: rows, columns contiguous][vectors − 1][rows − 1]
#define FB_TILES_6(F, NV) F<1, NV>, F<2, NV>, F<3, NV>, F<4, NV>, F<5, NV>, F<6, NV>
#define FB_TILES_14(F, NV) \
  FB_TILES_6(F, NV), F<7, NV>, F<8, NV>, F<9, NV>, F<10, NV>, F<11, NV>, F<12, NV>, F<13, NV>, F<14, NV>
#if defined(FB_SIMD_512)
#define FB_TILES FB_TILES_14
#else
#define FB_TILES FB_TILES_6
#endif
constexpr TileFunction kTiles[2][2][kTileRows] = {
    {{FB_TILES(tile_rows, 1)}, {FB_TILES(tile_rows, 2)}},
    {{FB_TILES(tile_columns, 1)}, {FB_TILES(tile_columns, 2)}},
};

// ---------------------------------------------------------------------------------------------------------------------
// Packing

// 4×4 blocks: out[c·out_stride + r] = in[r·in_stride + c].
FB_INLINE void transpose4(const float* in, int64_t in_stride, float* out, int64_t out_stride) {
  __m128 r0 = _mm_loadu_ps(in), r1 = _mm_loadu_ps(in + in_stride);
  __m128 r2 = _mm_loadu_ps(in + 2 * in_stride), r3 = _mm_loadu_ps(in + 3 * in_stride);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(out, r0);
  _mm_storeu_ps(out + out_stride, r1);
  _mm_storeu_ps(out + 2 * out_stride, r2);
  _mm_storeu_ps(out + 3 * out_stride, r3);
}

// Packing reads memory in order and writes many panels at once, since caches see a long row coming and a column not.

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
  for (; j + 4 <= columns; j += 4) {
    const float* from = in + j * p.b_col;
    int64_t k = 0;
    for (; k + 4 <= kc; k += 4) transpose4(from + k, p.b_col, out + k * width + j, width);
    for (; k < kc; k++) {
      for (int q = 0; q < 4; q++) out[k * width + j + q] = from[q * p.b_col + k];
    }
  }
  for (; j < columns; j++) {
    for (int64_t k = 0; k < kc; k++) out[k * width + j] = in[j * p.b_col + k];
  }
  for (; j < width; j++) {
    for (int64_t k = 0; k < kc; k++) out[k * width + j] = 0.0f;
  }
}

// Packs columns n0 … n1 of one chunk; panels follow one another at `out`.
void pack_chunk(const Problem& p, int64_t k0, int64_t kc, int64_t n0, int64_t n1, float* out) {
  if (p.b_col == 1) {
    pack_rows(p, k0, kc, n0, n1, out);
    return;
  }
  for (int64_t j = n0; j < n1; j += kTileColumns) {
    const int columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
    const int width = columns > W ? kTileColumns : W;
    pack_panel_transposed(p, k0, kc, j, columns, width, out);
    out += kc * width;
  }
}

// All of B: chunk after chunk, in a chunk panel after panel.
int64_t packed_b_floats(int64_t n, int64_t k) { return padded_columns(n) * k; }

void pack_b(const Problem& p, int64_t n0, int64_t n1, float* packed) {
  const int64_t chunk = gemm::k_chunk(p.k);
  for (int64_t k0 = 0; k0 < p.k; k0 += chunk) {
    const int64_t kc = p.k - k0 < chunk ? p.k - k0 : chunk;
    pack_chunk(p, k0, kc, n0, n1, packed + k0 * padded_columns(p.n) + n0 * kc);
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
      to += kATileFloats;
    }
  }
}

// Calls for part `part` of `parts` of the rows that will be read next, while a tile is computed: they are too short for the
// hardware to see them coming.
void prefetch_rows(const Problem& p, int64_t m0, int64_t rows, int64_t k0, int64_t kc, int64_t part, int64_t parts) {
  for (int64_t i = rows * part / parts; i < rows * (part + 1) / parts; i++) {
    const float* row = p.a + (m0 + i) * p.a_row + k0;
    for (int64_t k = 0; k < kc; k += 16) __builtin_prefetch(row + k, 0);
  }
}

// The same for the columns that are copied next, to L2: part `part` of `parts` of rows k0 … k0+kc of memory, `count` floats of each.
void prefetch_columns(const Problem& p, int64_t m0, int64_t count, int64_t k0, int64_t kc, int64_t part, int64_t parts) {
  for (int64_t k = kc * part / parts; k < kc * (part + 1) / parts; k++) {
    const float* row = p.a + m0 + (k0 + k) * p.a_col;
    for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(row + i, 0, 2);
  }
}

// Rows whose distance is a multiple of 2 KiB fall into one or two sets of L1 and drive each other out.
bool rows_collide(int64_t stride) { return stride % 512 == 0; }

// ---------------------------------------------------------------------------------------------------------------------
// A block of C

// How many chunks of k are done for a tile of rows before the next tile: as many as B's share of them fits L2.
int64_t span_of(const Problem& p, int64_t columns) {
  const int64_t chunk = gemm::k_chunk(p.k);
  const int64_t chunks = p.k == 0 ? 1 : (p.k + chunk - 1) / chunk;
  const int64_t bytes = padded_columns(columns) * (chunk > 0 ? chunk : 1) * 4;
  const int64_t fit = kBlockBytes / bytes;
  return (fit < 1 ? 1 : fit > chunks ? chunks : fit) * chunk;
}

int64_t scratch_bytes(const Problem& p, int64_t columns) {
  const int64_t a_floats = p.a_col == 1 ? kARowsFloats : kAColumnsFloats;
  const int64_t b_floats = p.packed_b != nullptr ? 0 : padded_columns(columns) * span_of(p, columns);
  return 4 * (a_floats + b_floats);
}

// One tile of rows × all panels of a block, for one chunk of k.
struct Sweep {
  const Problem& p;
  int64_t n0, n1;
  int64_t panels;

  template <class Before>
  void run(TileFunction const (&functions)[2][kTileRows], int64_t i0, int rows, int64_t k0, int64_t kc, const float* a,
           int64_t stride, const float* panel, Before before_panel) const {
    TileOut out;
    out.n = p.n;
    out.activation = p.activation;
    out.add = k0 > 0;
    out.last = k0 + kc >= p.k;
    for (int64_t q = 0; q < panels; q++) {
      before_panel(q);
      const int64_t j = n0 + q * kTileColumns;
      out.columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
      const int vectors = out.columns > W ? 2 : 1;
      out.c = p.c + i0 * p.n + j;
      out.bias = p.bias != nullptr ? p.bias + j : nullptr;
      out.residual = p.residual != nullptr ? p.residual + i0 * p.n + j : nullptr;
      functions[vectors - 1][rows - 1](kc, a, stride, panel, out);
      panel += kc * vectors * W;
    }
  }
};

// Rows of A contiguous: a tile of rows goes through all chunks of the span before the next one.
void sweep_rows(const Sweep& sweep, const Tiles& tiles, int64_t s0, int64_t s1, const float* b, float* a_copy) {
  const Problem& p = sweep.p;
  const int64_t chunk = gemm::k_chunk(p.k);
  const int64_t columns = p.packed_b != nullptr ? padded_columns(p.n) : padded_columns(sweep.n1 - sweep.n0);
  const bool in_place = !rows_collide(p.a_row) || sweep.panels == 1;
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
      }
      // Next come the following chunk of these rows, or the first one of the next rows.
      const bool more = k0 + kc < s1;
      const int64_t next_k = more ? k0 + kc : s0;
      const int64_t next_kc = s1 - next_k < chunk ? s1 - next_k : chunk;
      const float* panel = b + (k0 - s0) * columns + (p.packed_b != nullptr ? sweep.n0 * kc : 0);
      sweep.run(kTiles[0], i0, static_cast<int>(i1 - i0), k0, kc, a, stride, panel, [&](int64_t q) {
        prefetch_rows(p, more ? i0 : i1, more ? i1 - i0 : i2 - i1, next_k, next_kc, q, sweep.panels);
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
  for (int64_t first_tile = 0; first_tile < tiles.count; first_tile += kATiles) {
    const int64_t last_tile = tiles.count - first_tile < kATiles ? tiles.count : first_tile + kATiles;
    int64_t k0 = s0;
    do {
      const int64_t kc = s1 - k0 < chunk ? s1 - k0 : chunk;
      copy_columns(p, tiles, first_tile, last_tile, k0, kc, a_copy);
      const float* panel = b + (k0 - s0) * columns + (p.packed_b != nullptr ? sweep.n0 * kc : 0);
      // Next come the following chunk of these tiles, or the first one of the next group or span.
      const bool more = k0 + kc < s1;
      const bool more_groups = last_tile < tiles.count;
      const int64_t next_k = more ? k0 + kc : more_groups ? s0 : s1;
      const int64_t next_kc = p.k - next_k < chunk ? p.k - next_k : chunk;
      const int64_t next_tile = more ? first_tile : more_groups ? last_tile : 0;
      const int64_t next_end = tiles.count - next_tile < kATiles ? tiles.count : next_tile + kATiles;
      const int64_t next_m = tiles.start(next_tile), next_rows = tiles.start(next_end) - next_m;
      const int64_t parts = (last_tile - first_tile) * sweep.panels;
      for (int64_t t = first_tile; t < last_tile; t++) {
        const int64_t i0 = tiles.start(t);
        sweep.run(kTiles[1], i0, static_cast<int>(tiles.start(t + 1) - i0), k0, kc, a_copy + (t - first_tile) * kATileFloats, 0,
                  panel, [&](int64_t q) {
                    prefetch_columns(p, next_m, next_rows, next_k, next_kc, (t - first_tile) * sweep.panels + q, parts);
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
      b = p.packed_b + s0 * padded_columns(p.n);
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

const GemmKernels gemm_kernels = {
    W == 16 ? "gemm.f32.panels32.chunk256" : "gemm.f32.panels16.chunk256",
    kTileRows, kTileColumns, kBlockColumns, packed_b_floats, pack_b, scratch_bytes, block};

}  // namespace FB_ISA
}  // namespace flashbook
