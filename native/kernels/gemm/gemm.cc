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
constexpr int64_t kMaxChunk = 256;
constexpr int64_t kAStride = 16;                 // floats from k to k+1 of copied A whose columns were contiguous
constexpr int64_t kARowStride = kMaxChunk + 16;  // floats from row to row of copied A whose rows were contiguous
constexpr int64_t kAScratchFloats =
    kARowStride * kTileRows > kAStride * kMaxChunk ? kARowStride * kTileRows : kAStride * kMaxChunk;

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

template <int NV, Activation ACT>
FB_INLINE void finish_row(const VecF* acc, const TileOut& out, const Mask* masks, int64_t row) {
  float* c = out.c + row * out.n;
#pragma GCC unroll 4
  for (int v = 0; v < NV; v++) {
    VecF x = acc[v];
    if (out.add) x = maskload(c + v * W, masks[v]) + x;
    if (out.last) {
      if (out.bias != nullptr) x = x + maskload(out.bias + v * W, masks[v]);
      if constexpr (ACT == Activation::relu) x = relu(x);
      if constexpr (ACT == Activation::gelu) x = gelu(x);
      if (out.residual != nullptr) x = x + maskload(out.residual + row * out.n + v * W, masks[v]);
    }
    maskstore(c + v * W, x, masks[v]);
  }
}

// GELU needs many registers: kept out of the tile, which then works from memory.
template <int MR, int NV>
__attribute__((noinline)) void finish_gelu(const VecF* acc, const TileOut& out, const Mask* masks) {
  for (int i = 0; i < MR; i++) finish_row<NV, Activation::gelu>(acc + i * NV, out, masks, i);
}

template <int MR, int NV>
FB_INLINE void finish(const VecF (&acc)[MR][NV], const TileOut& out) {
  Mask masks[NV];
#pragma GCC unroll 4
  for (int v = 0; v < NV; v++) {
    const int left = out.columns - v * W;
    masks[v] = first(left >= W ? W : left > 0 ? left : 0);
  }
  if (!out.last || out.activation == Activation::none) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) finish_row<NV, Activation::none>(acc[i], out, masks, i);
  } else if (out.activation == Activation::relu) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) finish_row<NV, Activation::relu>(acc[i], out, masks, i);
  } else {
    VecF spilled[MR * NV];
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) spilled[i * NV + v] = acc[i][v];
    }
    finish_gelu<MR, NV>(spilled, out, masks);
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

// One panel: `columns` of `width` columns of B, rows k0 … k0+kc, the rest zeros.
void pack_panel(const Problem& p, int64_t k0, int64_t kc, int64_t j0, int columns, int width, float* out) {
  const float* in = p.b + k0 * p.b_row + j0 * p.b_col;
  if (p.b_col == 1) {
    if (columns == kTileColumns) {
      for (int64_t k = 0; k < kc; k++) {
        const VecF x0 = load(in + k * p.b_row), x1 = load(in + k * p.b_row + W);
        store(out + k * kTileColumns, x0);
        store(out + k * kTileColumns + W, x1);
      }
      return;
    }
    const Mask m0 = first(columns < W ? columns : W);
    const Mask m1 = first(columns > W ? columns - W : 0);
    for (int64_t k = 0; k < kc; k++) {
      store(out + k * width, maskload(in + k * p.b_row, m0));
      if (width > W) store(out + k * width + W, maskload(in + k * p.b_row + W, m1));
    }
    return;
  }
  // Columns contiguous: transpose.
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
  for (int64_t j = n0; j < n1; j += kTileColumns) {
    const int columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
    const int width = columns > W ? kTileColumns : W;
    pack_panel(p, k0, kc, j, columns, width, out);
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

void copy_columns(const Problem& p, int64_t m0, int rows, int64_t k0, int64_t kc, float* out) {
  const float* in = p.a + m0 + k0 * p.a_col;
  const Mask m = first(rows < W ? rows : W);
  for (int64_t k = 0; k < kc; k++) store(out + k * kAStride, maskload(in + k * p.a_col, m));
}

// Calls for part `part` of `parts` of what the next tile will read of A, while this one is computed: its rows are too
// short for the hardware to see them coming.
void prefetch_a(const Problem& p, int64_t m0, int rows, int64_t k0, int64_t kc, int64_t part, int64_t parts) {
  if (p.a_col == 1) {
    for (int64_t i = rows * part / parts; i < rows * (part + 1) / parts; i++) {
      const float* row = p.a + (m0 + i) * p.a_row + k0;
      for (int64_t k = 0; k < kc; k += 16) __builtin_prefetch(row + k, 0);
    }
  } else {
    for (int64_t k = kc * part / parts; k < kc * (part + 1) / parts; k++) {
      const float* column = p.a + m0 + (k0 + k) * p.a_col;
      __builtin_prefetch(column, 0);
      __builtin_prefetch(column + rows - 1, 0);
    }
  }
}

// Rows whose distance is a multiple of 2 KiB fall into one or two sets of L1 and drive each other out.
bool rows_collide(int64_t stride) { return stride % 512 == 0; }

// ---------------------------------------------------------------------------------------------------------------------
// A block of C

int64_t b_scratch_floats(const Problem& p, int64_t columns) {
  return p.packed_b != nullptr ? 0 : padded_columns(columns) * gemm::k_chunk(p.k);
}

int64_t scratch_bytes(const Problem& p, int64_t columns) {
  return 4 * ((kAScratchFloats + b_scratch_floats(p, columns) + 15) / 16 * 16);
}

void block(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  if (m1 <= m0 || n1 <= n0) return;
  float* const a_copy = static_cast<float*>(scratch);
  float* const b_copy = a_copy + kAScratchFloats;
  const bool by_rows = p.a_col == 1;
  const bool in_place = by_rows && (!rows_collide(p.a_row) || n1 - n0 <= kTileColumns);
  const int64_t tiles = (m1 - m0 + kTileRows - 1) / kTileRows;
  const int64_t panels = (n1 - n0 + kTileColumns - 1) / kTileColumns;
  const int64_t chunk = gemm::k_chunk(p.k);

  int64_t k0 = 0;
  do {
    const int64_t kc = p.k - k0 < chunk ? p.k - k0 : chunk;
    const float* b = p.packed_b + k0 * padded_columns(p.n) + n0 * kc;
    if (p.packed_b == nullptr) {
      pack_chunk(p, k0, kc, n0, n1, b_copy);
      b = b_copy;
    }
    TileOut out;
    out.n = p.n;
    out.add = k0 > 0;
    out.last = k0 + kc >= p.k;
    out.activation = p.activation;
    for (int64_t t = 0; t < tiles; t++) {
      const int64_t i0 = m0 + (m1 - m0) * t / tiles;
      const int rows = static_cast<int>(m0 + (m1 - m0) * (t + 1) / tiles - i0);
      const float* a = a_copy;
      int64_t stride = kARowStride;
      if (in_place) {
        a = p.a + i0 * p.a_row + k0;
        stride = p.a_row;
      } else if (by_rows) {
        copy_rows(p, i0, rows, k0, kc, a_copy);
      } else {
        copy_columns(p, i0, rows, k0, kc, a_copy);
      }
      const int64_t i1 = i0 + rows;
      const int next_rows = t + 1 < tiles ? static_cast<int>(m0 + (m1 - m0) * (t + 2) / tiles - i1) : 0;
      const float* panel = b;
      for (int64_t j = n0; j < n1; j += kTileColumns) {
        prefetch_a(p, i1, next_rows, k0, kc, (j - n0) / kTileColumns, panels);
        out.columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
        const int vectors = out.columns > W ? 2 : 1;
        out.c = p.c + i0 * p.n + j;
        out.bias = p.bias != nullptr ? p.bias + j : nullptr;
        out.residual = p.residual != nullptr ? p.residual + i0 * p.n + j : nullptr;
        kTiles[by_rows ? 0 : 1][vectors - 1][rows - 1](kc, a, stride, panel, out);
        panel += kc * vectors * W;
      }
    }
    k0 += chunk;
  } while (k0 < p.k);
}

}  // namespace

const GemmKernels gemm_kernels = {
    W == 16 ? "gemm.f32.panels32.chunk256" : "gemm.f32.panels16.chunk256",
    kTileRows, kTileColumns, kBlockColumns, packed_b_floats, pack_b, scratch_bytes, block};

}  // namespace FB_ISA
}  // namespace flashbook
