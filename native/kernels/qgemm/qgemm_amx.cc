// Int8 product for AMX: 32×32 sums in four tile registers, from two tiles of rows and two of columns for every 64 of k.
//
// Idea. tdpbssd multiplies signed by signed and tdpbusd unsigned by signed, so that levels and weights go in as they are: a tile of rows is
// loaded from where the quantised rows lie, in L1, a tile of columns, streamed, from a panel of w with fours of k side by side. With a zero
// point the sums start from −zero·Σ_k w of their column, a row that a tile is loaded from again and again. The sums of a group of rows and
// a panel stay in the registers until the next panel begins: then each tile is stored just before it starts anew, and the epilogue of
// qgemm_epilogue.h is done beside the next products. With K = 128 it takes longer than they do.
// Measured on one thread of Granite Rapids on a busy machine, where the tiles alone gave 6600 Gop/s (7760 when it is idle): 1024³ 3120 Gop/s,
// 100×512×512 2490–2590, M = 100 and K = 128 970–1350, 100×128×1024 1590.
// A panel: first −Σ_k w of its 32 (the last: 16) columns, then for each 64 of k, 16 columns after 16, for each four of k the four neighbours
// of each column.
#include <cstring>

#include "kernels/gemm/fetch_ahead.h"
#include "kernels/qgemm/qgemm.h"
#include "kernels/qgemm/qgemm_epilogue.h"
#include "kernels/qgemm/quantise.h"
#include "simd/amx.h"

namespace flashbook {
namespace FB_ISA {
namespace {

using qgemm::Problem;

constexpr int kTileRows = kGroupRows, kTileColumns = 32;
constexpr int64_t kTileDepth = 64;   // k of a tile
constexpr int64_t kTileBytes = 16 * kTileDepth;
constexpr int64_t kNear = int64_t{1} << 19;   // bytes of x that whoever wrote them left in L2
constexpr int64_t kFewSteps = 8;     // fewer do not hide an epilogue beside them

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
        to[k / kTileDepth * kTileDepth * width + j / 16 * kTileBytes + k % kTileDepth / 4 * 64 + j % 16 * 4 + k % 4] = from[k];
        starts[j] -= from[k];
      }
    }
    panel += panel_bytes(p.k, width);
  }
}

int64_t scratch_bytes(const Problem& p) { return level_stride(p.k) * kTileRows; }

// Rows of a group, as they are multiplied.
struct Rows {
  const void* levels;
  int64_t stride;
  bool is_unsigned;
  int32_t zero;
};

// What the sums of a panel start from: zeros, or a row for all of its rows.
struct Starts {
  alignas(64) int32_t values[kTileColumns];
  bool zeros;

  FB_INLINE Starts(int32_t zero, const int8_t* panel, int vectors) : zeros(zero == 0) {
    if (zeros) return;
    const int32_t* const sums = reinterpret_cast<const int32_t*>(panel);
    store(values, load(sums) * set1i(zero));
    if (vectors > 1) store(values + W, load(sums + W) * set1i(zero));
  }
  // T: 0 1 upper rows, 2 3 lower; left and right columns.
  template <int T> FB_INLINE void begin() const {
    if (zeros) {
      tile_zero<T>();
    } else {
      tile_load<T>(values + T % 2 * W, 0);
    }
  }
};

template <bool UNSIGNED, int C, int A, int B>
FB_INLINE void tile_dot() {
  if constexpr (UNSIGNED) {
    tile_dot_u8s8<C, A, B>();
  } else {
    tile_dot_s8s8<C, A, B>();
  }
}

// The steps behind the first `done`.
template <int MT, int NT, bool UNSIGNED, class Beside>
FB_INLINE void multiply_steps(int upper, int64_t steps, int64_t done, const Rows& rows, const int8_t* panel, Beside& beside,
                              LinesAhead& ahead_) {
  LinesAhead ahead = ahead_;   // a copy: the tiles' statements have the compiler write to memory what others could see
  const int64_t stride = rows.stride;
  const int8_t* levels = static_cast<const int8_t*>(rows.levels) + done * kTileDepth;
  const int8_t* lower = levels + upper * stride;
  panel += NT * 64 + done * NT * kTileBytes;   // behind the starts
  for (int64_t s = done; s < steps; s++) {
    tile_stream<6>(panel, 64);
    tile_load<4>(levels, stride);
    tile_dot<UNSIGNED, 0, 4, 6>();
    if constexpr (NT > 1) {
      tile_stream<7>(panel + kTileBytes, 64);
      tile_dot<UNSIGNED, 1, 4, 7>();
    }
    if constexpr (MT > 1) {
      tile_load<5>(lower, stride);
      tile_dot<UNSIGNED, 2, 5, 6>();
      if constexpr (NT > 1) tile_dot<UNSIGNED, 3, 5, 7>();
    }
    ahead.step();
    beside.step();
    levels += kTileDepth;
    lower += kTileDepth;
    panel += NT * kTileBytes;
  }
  ahead_ = ahead;
}

struct Nothing {
  FB_INLINE void step() {}
};

// The epilogue of sums that wait, a few rows at a time.
template <Activation ACT>
struct EpilogueRows {
  const VecI* sums;
  const TileColumns<2, true>& columns;
  TileOut out;
  int row, rows, a_step;

  FB_INLINE void step() {
    for (int i = 0; i < a_step && row < rows; i++) {
      VecF y[2];
      finish_row<2, true, ACT, false>(sums + 2 * row, row, columns, out, y);
      store_row<2, true>(out.y + row * out.n, columns, y);
      row++;
    }
  }
};

// Finished sums. Those of a whole group (2×2 tiles) stay in the registers until the next begins.
struct Results {
  alignas(64) int32_t sums[kTileRows * kTileColumns];
  TileOut out;
  int upper = 0, rows = 0;   // of what the registers hold; 0: nothing

  template <int T> FB_INLINE void store_tile() { tile_store<T>(sums + (T / 2 * upper * 2 + T % 2) * W, 2 * 64); }
  void finish() {
    if (rows == 0) return;
    store_tile<0>();
    store_tile<1>();
    store_tile<2>();
    store_tile<3>();
    FB_ISA::finish<2, true>(reinterpret_cast<const VecI*>(sums), rows, out);
    rows = 0;
  }
};

// Whole groups, one after another.
template <bool UNSIGNED>
void multiply_whole(const GroupRows& group, int64_t steps, const Rows& rows, const int8_t* panel, const TileOut& out, Results& results,
                    LinesAhead& ahead) {
  const bool held = results.rows > 0;
  const Starts starts(rows.zero, panel, 2);
  const int8_t* const levels = static_cast<const int8_t*>(rows.levels);
  tile_stream<6>(panel + 2 * 64, 64);
  tile_load<4>(levels, rows.stride);
  if (held) results.store_tile<0>();
  starts.begin<0>();
  tile_dot<UNSIGNED, 0, 4, 6>();
  tile_stream<7>(panel + 2 * 64 + kTileBytes, 64);
  if (held) results.store_tile<1>();
  starts.begin<1>();
  tile_dot<UNSIGNED, 1, 4, 7>();
  tile_load<5>(levels + group.upper * rows.stride, rows.stride);
  if (held) results.store_tile<2>();
  starts.begin<2>();
  tile_dot<UNSIGNED, 2, 5, 6>();
  if (held) results.store_tile<3>();
  starts.begin<3>();
  tile_dot<UNSIGNED, 3, 5, 7>();
  const VecI* const sums = reinterpret_cast<const VecI*>(results.sums);
  const auto run = [&](auto beside) __attribute__((always_inline)) {
    multiply_steps<2, 2, UNSIGNED>(group.upper, steps, 1, rows, panel, beside, ahead);
  };
  if (!held || steps < kFewSteps || results.out.levels != nullptr || results.out.tops != nullptr) {
    run(Nothing());
    if (held) finish<2, true>(sums, results.rows, results.out);
  } else {
    const TileColumns<2, true> columns(results.out);
    const int a_step = static_cast<int>((results.rows + steps - 2) / (steps - 1));
    switch (results.out.activation) {
      case Activation::none: run(EpilogueRows<Activation::none>{sums, columns, results.out, 0, results.rows, a_step}); break;
      case Activation::relu: run(EpilogueRows<Activation::relu>{sums, columns, results.out, 0, results.rows, a_step}); break;
      case Activation::gelu: run(EpilogueRows<Activation::gelu>{sums, columns, results.out, 0, results.rows, a_step}); break;
    }
  }
  results.out = out;
  results.upper = group.upper;
  results.rows = group.count();
}

// Others: edges, few rows.
template <int MT, int NT, bool UNSIGNED>
void multiply_edge(const GroupRows& group, int64_t steps, const Rows& rows, const int8_t* panel, const TileOut& out, Results& results,
                   LinesAhead& ahead) {
  constexpr int64_t kRow = NT * 64;
  results.finish();
  const Starts starts(rows.zero, panel, NT);
  starts.begin<0>();
  if constexpr (NT > 1) starts.begin<1>();
  if constexpr (MT > 1) starts.begin<2>();
  if constexpr (MT > 1 && NT > 1) starts.begin<3>();
  Nothing beside;
  multiply_steps<MT, NT, UNSIGNED>(group.upper, steps, 0, rows, panel, beside, ahead);
  int32_t* const sums = results.sums;
  tile_store<0>(sums, kRow);
  if constexpr (NT > 1) tile_store<1>(sums + W, kRow);
  if constexpr (MT > 1) tile_store<2>(sums + group.upper * NT * W, kRow);
  if constexpr (MT > 1 && NT > 1) tile_store<3>(sums + group.upper * NT * W + W, kRow);
  const VecI* const acc = reinterpret_cast<const VecI*>(sums);
  if (out.columns == NT * W) {
    finish<NT, true>(acc, group.count(), out);
  } else {
    finish<NT, false>(acc, group.count(), out);
  }
}

template <bool UNSIGNED>
void multiply_panel(const GroupRows& group, int64_t steps, const Rows& rows, const int8_t* panel, const TileOut& out, Results& results,
                    LinesAhead& ahead) {
  if (group.lower > 0 && out.columns == kTileColumns && steps > 0) {
    multiply_whole<UNSIGNED>(group, steps, rows, panel, out, results, ahead);
  } else if (out.columns > W) {
    if (group.lower > 0) {
      multiply_edge<2, 2, UNSIGNED>(group, steps, rows, panel, out, results, ahead);
    } else {
      multiply_edge<1, 2, UNSIGNED>(group, steps, rows, panel, out, results, ahead);
    }
  } else if (group.lower > 0) {
    multiply_edge<2, 1, UNSIGNED>(group, steps, rows, panel, out, results, ahead);
  } else {
    multiply_edge<1, 1, UNSIGNED>(group, steps, rows, panel, out, results, ahead);
  }
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
  const int64_t panels = (n1 - n0 + kTileColumns - 1) / kTileColumns;
  const int8_t* const first_panel = static_cast<const int8_t*>(p.packed_w) + n0 * column_bytes(p.k);
  float row_scales[kTileRows];
  alignas(64) int32_t tops[kTileRows * W];
  if (p.y_peaks != nullptr) std::memset(tops, 0, sizeof tops);
  TileShapes shapes;
  Results results;
  TileOut out;
  out.n = p.n;
  out.row_scales = row_scales;
  out.activation = p.activation;
  out.affine = p.y_affine;
  out.tops = p.y_peaks != nullptr ? tops : nullptr;
  for (int64_t i0 = m0; i0 < m1; i0 += kGroupRows) {
    const int64_t i1 = m1 - i0 < kGroupRows ? m1 : i0 + kGroupRows, i2 = m1 - i1 < kGroupRows ? m1 : i1 + kGroupRows;
    const GroupRows group(i0, i1);
    const Rows from = rows_of(p, i0, group.count(), scratch, row_scales);
    shapes.set(group.upper, group.lower);
    LinesAhead ahead;
    if (p.x != nullptr && 4 * p.m * p.k > kNear) ahead = LinesAhead(p.x + i1 * p.k, p.k, p.k, i2 - i1, panels * steps);
    const int8_t* panel = first_panel;
    for (int64_t j = n0; j < n1; j += kTileColumns) {
      out.columns = static_cast<int>(n1 - j < kTileColumns ? n1 - j : kTileColumns);
      out.y = p.y != nullptr ? p.y + i0 * p.n + j : nullptr;
      out.levels = p.y_levels != nullptr ? p.y_levels + i0 * p.n + j : nullptr;
      out.w_scale = p.w_scale + j;
      out.bias = p.bias != nullptr ? p.bias + j : nullptr;
      out.residual = p.residual != nullptr ? p.residual + i0 * p.n + j : nullptr;
      if (from.is_unsigned) {
        multiply_panel<true>(group, steps, from, panel, out, results, ahead);
      } else {
        multiply_panel<false>(group, steps, from, panel, out, results, ahead);
      }
      panel += panel_bytes(p.k, out.columns > W ? kTileColumns : W);
    }
    results.finish();   // before its row scales change
    if (p.y_peaks != nullptr) raise_peaks(tops, group.count(), p.y_peaks + i0);
  }
}

}  // namespace

extern const QGemmKernels qgemm_kernels;
const QGemmKernels qgemm_kernels = {"qgemm.i8.starts.panels32.steps64", kTileRows, kTileColumns, 1024, packed_bytes, pack, scratch_bytes, block,
                                    quantise_rows};

}  // namespace FB_ISA
}  // namespace flashbook
