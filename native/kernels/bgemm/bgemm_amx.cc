// Product of bf16 operands for AMX: 32×32 sums in four tile registers (bgemm_tiles.h).
//
// Idea. With B packed ahead, a group of 32 rows of A is rounded and packed, and meets all panels of B, which lie in L2: each result is
// written as soon as its sum over k is complete. Without, both are packed for one short span of k after another, in the order of memory,
// while the rows of the next span are fetched; a panel of B meets all groups of rows of A from L1, and sums that wait for the next span rest
// densely in scratch. A whose columns are contiguous has to be turned, word by word, which costs more than packing B: in dw = dyᵀ·x the
// narrower operand is, and where that is x, the transpose of the result is computed.
//
// Measured on one thread of Granite Rapids on a busy machine, where the tiles alone gave 3250 GFLOP/s (3880 when it is idle): 1024³ 1350
// GFLOP/s, 100×512×512 1620–1790, M = 100 and K = 128 or N = 128 1000–1220; M = 6400: forward and dx 850–920, dw 550–690. The products
// alone run at 70–85 % of the tiles. What is missing goes to and from L3, in float32, at 30 GB/s, and shares with the tiles the 16 misses
// that a core's L1 can have at a time; with K = 128 there is a line of the result for every four cycles of products, which is as fast as L2 takes them.
#include "kernels/bgemm/bgemm.h"
#include "kernels/bgemm/bgemm_tiles.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int64_t kBlockColumns = 512;
constexpr int64_t kSpan = 512;         // of k, of B that was packed ahead: a group of A fits L1
constexpr int64_t kShortSpan = 256;    // of k, where B is packed here
constexpr int64_t kBlockRows = 512;    // of A that are packed at a time, then
constexpr int64_t kGroupSums = kGroupRows * kPanelColumns;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// [begin, end) in parts of `size`. The last may be smaller: a step of few rows takes hardly less time than one of many, but one of a
// single tile of A takes half of it.
struct Parts {
  int64_t begin, end, size, count;

  Parts(int64_t first, int64_t last, int64_t largest) : begin(first), end(last), size(largest), count(ceil_div(last - first, largest)) {}
  int64_t start(int64_t part) const { return smaller(begin + part * size, end); }
};

// k in spans of whole steps, about the same.
int64_t span_of(int64_t k, int64_t largest) {
  const int64_t spans = ceil_div(k, largest);
  return spans <= 1 ? k : steps_of(ceil_div(k, spans)) * kStep;
}

void pack_b(const Problem& p, int64_t n0, int64_t n1, void* packed) { pack_spans(p, kSpan, n0, n1, packed); }

void pack_group(const Problem& p, const GroupRows& rows, int64_t k0, int64_t kc, int32_t* a, int64_t lower) {
  if (p.a_col == 1) {
    pack_tile_of_rows(p, rows.first, rows.upper, k0, kc, a);
    if (rows.lower > 0) pack_tile_of_rows(p, rows.first + rows.upper, rows.lower, k0, kc, a + lower);
    return;
  }
  for (int64_t k = 0; k < kc; k += kStep) {
    int32_t* const to = a + k / kStep * kStepWords;
    pack_step_of_columns(p, rows.first, rows.upper, k0 + k, kc - k, to);
    if (rows.lower > 0) pack_step_of_columns(p, rows.first + rows.upper, rows.lower, k0 + k, kc - k, to + lower);
  }
}

// Nothing where A is so small that whoever wrote it left it in L2.
LinesAhead rows_ahead(const Problem& p, int64_t i0, int64_t i1, int64_t k0, int64_t kc, int64_t steps) {
  if (4 * p.m * p.k <= p.l2_bytes / 4) return {};
  const float* const first = p.a + i0 * p.a_row + k0 * p.a_col;
  return p.a_col == 1 ? LinesAhead(first, p.a_row, kc, i1 - i0, steps) : LinesAhead(first, p.a_col, i1 - i0, kc, steps);
}
LinesAhead columns_ahead(const Problem& p, int64_t j0, int64_t j1, int64_t k0, int64_t kc, int64_t steps) {
  const float* const first = p.b + j0 * p.b_col + k0 * p.b_row;
  return p.b_col == 1 ? LinesAhead(first, p.b_row, j1 - j0, kc, steps) : LinesAhead(first, p.b_col, kc, j1 - j0, steps);
}

// The bias of a panel, which its sums begin with, as far as it exists.
struct PanelBias {
  alignas(64) float values[kPanelColumns];

  const float* of(const Problem& p, int64_t j, int64_t columns) {
    if (p.bias == nullptr) return nullptr;
    if (columns == kPanelColumns) return p.bias + j;
    store(values, maskload(p.bias + j, first_of(columns)));
    store(values + 16, maskload(p.bias + j + 16, first_of(columns - 16)));
    return values;
  }
};

TileOut out_of(const Problem& p) {
  TileOut out = {};
  out.n = p.n;
  out.add = false;
  out.last = true;
  out.activation = p.activation;
  return out;
}

void place(const Problem& p, int64_t i0, int64_t j, int64_t n1, TileOut& out) {
  out.columns = static_cast<int>(smaller(n1 - j, kPanelColumns));
  out.c = p.c + i0 * p.n + j;
  out.factor = p.factor != nullptr ? p.factor + i0 * p.n + j : nullptr;
  out.residual = p.residual != nullptr ? p.residual + i0 * p.n + j : nullptr;
}

// ---------------------------------------------------------------------------------------------------------------------
// B packed ahead

// One group, span after span of k.
void group_of_packed(const Problem& p, const Parts& groups, int64_t g, int64_t n0, int64_t n1, int32_t* a, float* sums, TileShapes& shapes,
                     Results& results) {
  const GroupRows rows(groups.start(g), groups.start(g + 1));
  const int64_t panels = ceil_div(n1 - n0, kPanelColumns);
  if (!shapes.are(rows.upper, rows.lower)) results.finish();
  shapes.set(rows.upper, rows.lower);
  PanelBias bias;
  TileOut out = out_of(p);
  int64_t k0 = 0;
  do {
    const int64_t kc = smaller(p.k - k0, kSpan), steps = steps_of(kc), lower = steps * kStepWords;
    pack_group(p, rows, k0, kc, a, lower);
    LinesAhead ahead;
    if (k0 + kc < p.k) {
      ahead = rows_ahead(p, groups.start(g), groups.start(g + 1), k0 + kc, smaller(p.k - k0 - kc, kSpan), panels * steps);
    } else if (g + 1 < groups.count) {
      ahead = rows_ahead(p, groups.start(g + 1), groups.start(g + 2), 0, smaller(p.k, kSpan), panels * steps);
    }
    const int32_t* b = static_cast<const int32_t*>(p.packed_b) + k0 / 2 * padded_columns(p.n) + n0 * steps * kStep / 2;
    float* rest = sums;
    for (int64_t j = n0; j < n1; j += kPanelColumns) {
      place(p, rows.first, j, n1, out);
      const int64_t vectors = out.columns > 16 ? 2 : 1;
      Group group = {a, lower, b, steps, rest, vectors * 16, k0 + kc < p.k ? rest : nullptr};
      if (k0 == 0) {
        group.from = bias.of(p, j, out.columns);
        group.from_stride = 0;
      }
      multiply_group<Stays::a>(rows, group, out, results, ahead);
      b += steps * kStepWords * vectors;
      rest += kGroupSums;
    }
    k0 += kc;
  } while (k0 < p.k);
}

void block_of_packed(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  int32_t* const a = static_cast<int32_t*>(scratch);
  float* const sums = reinterpret_cast<float*>(a + 2 * steps_of(smaller(p.k, kSpan)) * kStepWords);
  const Parts groups(m0, m1, kGroupRows);
  TileShapes shapes;
  Results results;
  for (int64_t g = 0; g < groups.count; g++) group_of_packed(p, groups, g, n0, n1, a, sums, shapes, results);
  results.finish();
}

// ---------------------------------------------------------------------------------------------------------------------
// B packed here

bool plain(const Problem& p) {
  return p.bias == nullptr && p.factor == nullptr && p.residual == nullptr && p.activation == Activation::none;
}

// Cᵀ = Bᵀ·Aᵀ
Problem turn(const Problem& p) {
  Problem q = p;
  q.m = p.n;
  q.n = p.m;
  q.a = p.b;
  q.a_row = p.b_col;
  q.a_col = p.b_row;
  q.b = p.a;
  q.b_row = p.a_col;
  q.b_col = p.a_row;
  return q;
}

// A group of sums, `rows` × `columns` of Cᵀ, dense; n floats lie between the rows of C.
void store_turned(const float* sums, int64_t rows, int64_t columns, float* c, int64_t n) {
  const int64_t stride = columns > 16 ? kPanelColumns : 16;
  for (int64_t v = 0; v < columns; v += 16) {
    for (int64_t i = 0; i < rows; i += 16) {
      __m512i r[16];
#pragma GCC unroll 16
      for (int q = 0; q < 16; q++) r[q] = i + q < rows ? _mm512_loadu_si512(sums + (i + q) * stride + v) : _mm512_setzero_si512();
      transpose_words(r);
      const Mask m = first_of(rows - i);
#pragma GCC unroll 16
      for (int q = 0; q < 16; q++) {
        if (v + q < columns) maskstore(c + (v + q) * n + i, VecF{_mm512_castsi512_ps(r[q])}, m);
      }
    }
  }
}

// Rows m0 … m1 × columns n0 … n1 of A·B, at most kBlockRows × kBlockColumns. `turned`: C is the transpose of that.
void block_of_both(const Problem& p, bool turned, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  const Parts groups(m0, m1, kGroupRows);
  const int64_t span = span_of(p.k, kShortSpan), group_words = 2 * steps_of(span) * kStepWords;
  int32_t* const a = static_cast<int32_t*>(scratch);
  int32_t* const b = a + groups.count * group_words;
  float* const sums = reinterpret_cast<float*>(b + padded_columns(n1 - n0) * steps_of(span) * kStep / 2);
  TileShapes shapes;
  Results results;
  PanelBias bias;
  TileOut out = out_of(p);
  int64_t k0 = 0;
  do {
    const int64_t kc = smaller(p.k - k0, span), steps = steps_of(kc), lower = steps * kStepWords;
    if (p.a_col == 1) {
      for (int64_t g = 0; g < groups.count; g++) {
        pack_group(p, GroupRows(groups.start(g), groups.start(g + 1)), k0, kc, a + g * group_words, lower);
      }
    } else {
      for (int64_t k = 0; k < kc; k += kStep) {   // in the order of memory
        for (int64_t g = 0; g < groups.count; g++) {
          pack_group(p, GroupRows(groups.start(g), groups.start(g + 1)), k0 + k, smaller(kc - k, kStep),
                     a + g * group_words + k / kStep * kStepWords, lower);
        }
      }
    }
    pack_panels(p, k0, kc, n0, n1, b);
    LinesAhead ahead;
    if (k0 + kc < p.k) {
      ahead = columns_ahead(p, n0, n1, k0 + kc, smaller(p.k - k0 - kc, span), ceil_div(n1 - n0, kPanelColumns) * groups.count * steps);
    }
    const int32_t* panel = b;
    float* rest = sums;
    for (int64_t j = n0; j < n1; j += kPanelColumns) {
      const int64_t columns = smaller(n1 - j, kPanelColumns), vectors = columns > 16 ? 2 : 1;
      for (int64_t g = 0; g < groups.count; g++) {
        const GroupRows rows(groups.start(g), groups.start(g + 1));
        if (!shapes.are(rows.upper, rows.lower)) results.finish();
        shapes.set(rows.upper, rows.lower);
        if (turned) {
          out.columns = static_cast<int>(columns);
        } else {
          place(p, rows.first, j, n1, out);
        }
        Group group = {a + g * group_words, lower, panel, steps, rest, vectors * 16, turned || k0 + kc < p.k ? rest : nullptr};
        if (k0 == 0) {
          group.from = bias.of(p, j, columns);
          group.from_stride = 0;
        }
        multiply_group<Stays::b>(rows, group, out, results, ahead);
        if (turned && k0 + kc >= p.k) {
          results.finish();
          store_turned(rest, rows.count(), columns, p.c + j * p.m + rows.first, p.m);
        }
        rest += kGroupSums;
      }
      panel += steps * kStepWords * vectors;
    }
    k0 += kc;
  } while (k0 < p.k);
  results.finish();
}

int64_t scratch_bytes(const Problem& p, int64_t columns) {
  if (p.packed_b != nullptr) {
    const int64_t sums = p.k > kSpan ? ceil_div(columns, kPanelColumns) * kGroupSums : 0;
    return 4 * (2 * steps_of(smaller(p.k, kSpan)) * kStepWords + sums);
  }
  const int64_t steps = steps_of(span_of(p.k, kShortSpan));
  const int64_t wide = smaller(p.m > columns ? p.m : columns, kBlockColumns);
  const int64_t groups = ceil_div(smaller(p.m, kBlockRows), kGroupRows) + 1;
  const int64_t panels = ceil_div(wide, kPanelColumns);
  return 4 * (2 * (groups + panels) * steps * kStepWords + groups * panels * kGroupSums);
}

void block(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  if (m1 <= m0 || n1 <= n0) return;
  if (p.packed_b != nullptr) {
    block_of_packed(p, m0, m1, n0, n1, scratch);
    return;
  }
  const bool turned = p.a_col != 1 && m1 - m0 > n1 - n0 && plain(p);
  const Problem q = turned ? turn(p) : p;
  const Parts rows = turned ? Parts(n0, n1, kBlockRows) : Parts(m0, m1, kBlockRows);
  const int64_t begin = turned ? m0 : n0, end = turned ? m1 : n1;
  for (int64_t r = 0; r < rows.count; r++) {
    for (int64_t j = begin; j < end; j += kBlockColumns) {
      block_of_both(q, turned, rows.start(r), rows.start(r + 1), j, smaller(j + kBlockColumns, end), scratch);
    }
  }
}

}  // namespace

extern const GemmKernels bgemm_kernels;
const GemmKernels bgemm_kernels = {"bgemm.bf16.panels32.span512", 32, kPanelColumns, kBlockColumns, 512, true,
                                   packed_b_bytes, pack_b, scratch_bytes, block};

}  // namespace FB_ISA
}  // namespace flashbook
