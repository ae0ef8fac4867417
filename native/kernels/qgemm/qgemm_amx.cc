// Int8 product for AMX: 32×32 sums in four tile registers, from two tiles of rows and two of columns for every 64 of k.
//
// Idea. tdpbssd multiplies signed by signed and tdpbusd unsigned by signed, so that levels and weights go in as they are: a tile of rows is
// loaded from where the quantised rows lie, a tile of columns from a panel of w with fours of k side by side. With a zero point the sums
// start from −zero·Σ_k w of their column, a row that a tile is loaded from again and again. The sums leave through memory that stays in L1, and
// qgemm_epilogue.h does the rest while the next tiles are multiplied. With K = 128 the epilogue takes longer than the product.
// Measured by `flashbook bench --filter gemm/int8` on one thread of a Granite Rapids core (tiles 7760 Gop/s, VNNI 976): 100×512×512
// 2780 Gop/s, 100×384×128 1520, 6400×1024×128 1060 (its result goes to memory), twice to four times what VNNI does.
// A panel: first −Σ_k w of its 32 (the last: 16) columns, then for each four of k, up to a whole tile of 64, the four neighbours of each column.
#include <cstring>

#include "kernels/qgemm/qgemm.h"
#include "kernels/qgemm/qgemm_epilogue.h"
#include "kernels/qgemm/quantise.h"
#include "simd/amx.h"

namespace flashbook {
namespace FB_ISA {
namespace {

using qgemm::Problem;

constexpr int kTileRows = 32, kTileColumns = 32;
constexpr int64_t kTileDepth = 64;   // k of a tile

int64_t tile_steps(int64_t k) { return (k + kTileDepth - 1) / kTileDepth; }
int64_t column_bytes(int64_t k) { return 4 + tile_steps(k) * kTileDepth; }
int64_t panel_bytes(int64_t k, int width) { return column_bytes(k) * width; }

int64_t packed_bytes(int64_t n, int64_t k) { return (n + W - 1) / W * W * column_bytes(k); }

void pack(const Problem& p, int64_t n0, int64_t n1, void* packed) {
  int8_t* panel = static_cast<int8_t*>(packed) + n0 * column_bytes(p.k);
  for (int64_t j0 = n0; j0 < n1; j0 += kTileColumns) {
    const int64_t columns = n1 - j0 < kTileColumns ? n1 - j0 : kTileColumns;
    const int width = columns > W ? kTileColumns : W;
    std::memset(panel, 0, static_cast<size_t>(panel_bytes(p.k, width)));
    int32_t* const starts = reinterpret_cast<int32_t*>(panel);
    int8_t* const to = panel + 4 * width;
    for (int64_t j = 0; j < columns; j++) {
      const int8_t* const from = p.w + (j0 + j) * p.k;
      for (int64_t k = 0; k < p.k; k++) {
        to[(k / 4 * width + j) * 4 + k % 4] = from[k];
        starts[j] -= from[k];
      }
    }
    panel += panel_bytes(p.k, width);
  }
}

int64_t scratch_bytes(const Problem& p) { return level_stride(p.k) * kTileRows; }

// Sums 0 1 2 3 (two tiles of rows × two of columns), rows 4 5, columns 6 7.
void configure(int rows0, int rows1) {
  TileConfig config;
  const int rows[8] = {rows0, rows0, rows1, rows1, rows0, rows1, 16, 16};
  for (int i = 0; i < 8; i++) config.set(i, rows[i] > 0 ? rows[i] : 1, 64);
  tile_configure(config);
}

// Rows of one row of tiles, as they are multiplied.
struct Rows {
  const void* levels;
  int64_t stride;
  bool is_unsigned;
  int32_t zero;
};

template <int MT, int NT>
FB_INLINE void start_sums(int32_t zero, const int8_t* panel) {
  if (zero == 0) {
    tile_zero<0>();
    if constexpr (NT > 1) tile_zero<1>();
    if constexpr (MT > 1) tile_zero<2>();
    if constexpr (MT > 1 && NT > 1) tile_zero<3>();
    return;
  }
  alignas(64) int32_t starts[NT * W];
#pragma GCC unroll 2
  for (int v = 0; v < NT; v++) store(starts + v * W, load(reinterpret_cast<const int32_t*>(panel) + v * W) * set1i(zero));
  tile_load<0>(starts, 0);
  if constexpr (NT > 1) tile_load<1>(starts + W, 0);
  if constexpr (MT > 1) tile_load<2>(starts, 0);
  if constexpr (MT > 1 && NT > 1) tile_load<3>(starts + W, 0);
}

template <bool UNSIGNED, int C, int A, int B>
FB_INLINE void tile_dot() {
  if constexpr (UNSIGNED) {
    tile_dot_u8s8<C, A, B>();
  } else {
    tile_dot_s8s8<C, A, B>();
  }
}

template <int MT, int NT, bool UNSIGNED>
FB_INLINE void multiply(int rows0, int64_t steps, const Rows& rows, const int8_t* panel) {
  constexpr int64_t kRow = NT * 64;
  start_sums<MT, NT>(rows.zero, panel);
  panel += kRow;   // the starts
  const int8_t* const levels = static_cast<const int8_t*>(rows.levels);
  const int64_t stride = rows.stride;
  const int8_t* const lower = levels + rows0 * stride;
  for (int64_t s = 0; s < steps; s++) {
    tile_load<6>(panel, kRow);
    tile_load<4>(levels + s * kTileDepth, stride);
    tile_dot<UNSIGNED, 0, 4, 6>();
    if constexpr (NT > 1) {
      tile_load<7>(panel + 64, kRow);
      tile_dot<UNSIGNED, 1, 4, 7>();
    }
    if constexpr (MT > 1) {
      tile_load<5>(lower + s * kTileDepth, stride);
      tile_dot<UNSIGNED, 2, 5, 6>();
      if constexpr (NT > 1) tile_dot<UNSIGNED, 3, 5, 7>();
    }
    panel += 16 * kRow;
  }
}

template <int MT, int NT>
FB_INLINE void store_sums(int rows0, int32_t* sums) {
  constexpr int64_t kRow = NT * 64;
  tile_store<0>(sums, kRow);
  if constexpr (NT > 1) tile_store<1>(sums + 16, kRow);
  if constexpr (MT > 1) tile_store<2>(sums + rows0 * NT * 16, kRow);
  if constexpr (MT > 1 && NT > 1) tile_store<3>(sums + rows0 * NT * 16 + 16, kRow);
}

// Sums that wait for their epilogue.
struct Waiting {
  alignas(64) int32_t sums[kTileRows * kTileColumns];
  TileOut out;
  int rows = 0;   // 0: none

  void finish_now() {
    if (rows == 0) return;
    const VecI* const acc = reinterpret_cast<const VecI*>(sums);
    if (out.columns == kTileColumns) finish<2, true>(acc, rows, out);
    else if (out.columns > W) finish<2, false>(acc, rows, out);
    else if (out.columns == W) finish<1, true>(acc, rows, out);
    else finish<1, false>(acc, rows, out);
    rows = 0;
  }
};

// The epilogue of the tiles before runs while the tile unit multiplies these.
template <int MT, int NT>
void group(int rows0, int rows1, int64_t steps, const Rows& rows, const int8_t* panel, const TileOut& out, Waiting& waiting) {
  if (rows.is_unsigned) {
    multiply<MT, NT, true>(rows0, steps, rows, panel);
  } else {
    multiply<MT, NT, false>(rows0, steps, rows, panel);
  }
  waiting.finish_now();
  store_sums<MT, NT>(rows0, waiting.sums);
  waiting.out = out;
  waiting.rows = rows0 + rows1;
}

// Quantises the rows i0 … into scratch, or finds their levels in place: whole tiles of k, and rows that do not all fall on the same lines
// of the cache. Past k anything may lie: the panels have zeros there.
Rows rows_of(const Problem& p, int64_t i0, int rows, void* scratch, float* row_scales) {
  const int64_t stride = level_stride(p.k);
  const float* const x = p.x + i0 * p.k;
  if (!p.is_static) {
    int8_t* const q = static_cast<int8_t*>(scratch);
    for (int i = 0; i < rows; i++) {
      const int32_t peak = p.x_peaks != nullptr ? p.x_peaks[i0 + i] : row_peak(x + i * p.k, p.k);
      row_scales[i] = quantise_row_bytes(x + i * p.k, p.k, peak, q + i * stride, 0);
    }
    return {q, stride, false, 0};
  }
  uint8_t* const u = static_cast<uint8_t*>(scratch);
  if (p.levels == nullptr) {
    // With the zero point in the middle they are multiplied as signed ones, whose sums start from nothing.
    const Leveller level(p.x_affine);
    const bool middle = p.x_affine.zero == 128;
    const int8_t flip = middle ? static_cast<int8_t>(0x80) : 0;
    for (int i = 0; i < rows; i++) row_scales[i] = level_row_bytes(x + i * p.k, p.k, p.x_affine.scale, level, u + i * stride, flip);
    return {u, stride, !middle, middle ? 0 : p.x_affine.zero};
  }
  for (int i = 0; i < rows; i++) row_scales[i] = p.x_affine.scale;
  const uint8_t* const given = p.levels + i0 * p.k;
  if (p.k % kTileDepth == 0 && p.k % 4096 != 0) return {given, p.k, true, p.x_affine.zero};
  for (int i = 0; i < rows; i++) std::memcpy(u + i * stride, given + i * p.k, static_cast<size_t>(p.k));
  return {u, stride, true, p.x_affine.zero};
}

void block(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  if (m1 <= m0 || n1 <= n0) return;
  const int64_t steps = tile_steps(p.k);
  const int64_t tiles = (m1 - m0 + kTileRows - 1) / kTileRows;
  const int8_t* const first_panel = static_cast<const int8_t*>(p.packed_w) + n0 * column_bytes(p.k);
  float row_scales[kTileRows];
  alignas(64) int32_t tops[kTileRows * W];
  if (p.y_peaks != nullptr) std::memset(tops, 0, sizeof tops);
  Waiting waiting;
  TileOut out;
  out.n = p.n;
  out.row_scales = row_scales;
  out.activation = p.activation;
  out.affine = p.y_affine;
  out.tops = p.y_peaks != nullptr ? tops : nullptr;
  int configured = 0;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t i0 = m0 + (m1 - m0) * t / tiles;
    const int rows = static_cast<int>(m0 + (m1 - m0) * (t + 1) / tiles - i0);
    const int rows0 = rows < 16 ? rows : 16, rows1 = rows - rows0;
    const Rows from = rows_of(p, i0, rows, scratch, row_scales);
    if (rows != configured) configure(rows0, rows1);
    configured = rows;
    const int8_t* panel = first_panel;
    for (int64_t j = n0; j < n1; j += kTileColumns) {
      out.columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
      out.y = p.y != nullptr ? p.y + i0 * p.n + j : nullptr;
      out.levels = p.y_levels != nullptr ? p.y_levels + i0 * p.n + j : nullptr;
      out.w_scale = p.w_scale + j;
      out.bias = p.bias != nullptr ? p.bias + j : nullptr;
      out.residual = p.residual != nullptr ? p.residual + i0 * p.n + j : nullptr;
      if (out.columns > W) {
        if (rows1 > 0) {
          group<2, 2>(rows0, rows1, steps, from, panel, out, waiting);
        } else {
          group<1, 2>(rows0, 0, steps, from, panel, out, waiting);
        }
        panel += panel_bytes(p.k, kTileColumns);
      } else if (rows1 > 0) {
        group<2, 1>(rows0, rows1, steps, from, panel, out, waiting);
      } else {
        group<1, 1>(rows0, 0, steps, from, panel, out, waiting);
      }
    }
    waiting.finish_now();   // before its row scales change
    if (p.y_peaks != nullptr) raise_peaks(tops, rows, p.y_peaks + i0);
  }
  tile_release();
}

}  // namespace

extern const QGemmKernels qgemm_kernels;
const QGemmKernels qgemm_kernels = {"qgemm.i8.starts.panels32.tiles", kTileRows, kTileColumns, 1024, packed_bytes, pack, scratch_bytes, block,
                                    quantise_rows};

}  // namespace FB_ISA
}  // namespace flashbook
