// Packing for bgemm_bf16.cc and bgemm_amx.cc: A and B are rounded to bf16 and laid out in pairs of k, as the dot products and the tiles of AMX want
// them. k goes in steps of 32, a cache line of bf16; what is missing in the last one is zeros.
//
//   A  a tile of up to 16 rows: step after step, in a step row after row of 32 k.
//   B  a panel of 32 columns (16 where that is enough for the rest): step after step, in a step 16 columns after 16, pair of k after
//      pair, column after column. So a tile of B is 16 lines that follow one another.
#pragma once

#include "kernels/gemm/gemm.h"
#include "simd/bf16_tiles.h"

namespace flashbook {
namespace FB_ISA {
namespace {

using gemm::Problem;

constexpr int64_t kStep = 32;                  // of k
constexpr int64_t kStepWords = 16 * kStep / 2; // 32-bit words, pairs of bf16, of a step of a tile of A or of 16 columns of B
constexpr int64_t kPanelColumns = 32;

int64_t steps_of(int64_t k) { return (k + kStep - 1) / kStep; }
int64_t padded_columns(int64_t n) { return (n + 15) / 16 * 16; }

// ---------------------------------------------------------------------------------------------------------------------
// B

// Columns of B contiguous: one panel, words transposed.
void pack_panel_of_columns(const Problem& p, int64_t k0, int64_t kc, int64_t j0, int64_t columns, int64_t width, int32_t* out) {
  for (int64_t v = 0; v < width; v += 16) {
    const float* const in = p.b + k0 + (j0 + v) * p.b_col;
    const int64_t count = columns - v < 16 ? columns - v : 16;
    for (int64_t k = 0; k < kc; k += kStep) {
      __m512i r[16];
#pragma GCC unroll 16
      for (int j = 0; j < 16; j++) r[j] = j < count ? load_step(in + j * p.b_col + k, kc - k) : _mm512_setzero_si512();
      transpose_words(r);
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) store_words(out + k / 2 * width + v * kStep / 2 + i * 16, r[i]);
    }
  }
}

// Rows of B contiguous: pairs of rows into many panels at a time.
void pack_panels_of_rows(const Problem& p, int64_t k0, int64_t kc, int64_t n0, int64_t n1, int32_t* out) {
  constexpr int64_t kTogether = 16 * kPanelColumns;
  const int64_t pairs = steps_of(kc) * kStep / 2;
  for (int64_t g0 = n0; g0 < n1; g0 += kTogether) {
    const int64_t g1 = n1 - g0 < kTogether ? n1 : g0 + kTogether;
    for (int64_t pair = 0; pair < pairs; pair++) {
      const int64_t k = 2 * pair;
      const float* const even = p.b + (k0 + k) * p.b_row;
      const float* const odd = even + p.b_row;
      for (int64_t j = g0; j < g1; j += kPanelColumns) {
        const int64_t width = n1 - j > 16 ? kPanelColumns : 16;
        int32_t* const to = out + (j - n0) * pairs + pair / 16 * 16 * width + pair % 16 * 16;
        for (int64_t v = 0; v < width; v += 16) {
          const Mask m = first_of(n1 - j - v);
          const VecF x0 = k < kc ? maskload(even + j + v, m) : zero();
          const VecF x1 = k + 1 < kc ? maskload(odd + j + v, m) : zero();
          store_words(to + v * kStep / 2, pair_up(x0, x1));
        }
      }
    }
  }
}

// Columns n0 … n1 of kc rows of B from k0 on; panels follow one another at `out`.
void pack_panels(const Problem& p, int64_t k0, int64_t kc, int64_t n0, int64_t n1, int32_t* out) {
  if (p.b_col == 1) {
    pack_panels_of_rows(p, k0, kc, n0, n1, out);
    return;
  }
  for (int64_t j = n0; j < n1; j += kPanelColumns) {
    const int64_t columns = n1 - j < kPanelColumns ? n1 - j : kPanelColumns;
    const int64_t width = columns > 16 ? kPanelColumns : 16;
    pack_panel_of_columns(p, k0, kc, j, columns, width, out);
    out += steps_of(kc) * kStep / 2 * width;
  }
}

// All of B: span of k after span, in a span panel after panel.
int64_t packed_b_bytes(int64_t n, int64_t k) { return 2 * padded_columns(n) * steps_of(k) * kStep; }

void pack_spans(const Problem& p, int64_t span, int64_t n0, int64_t n1, void* packed) {
  for (int64_t k0 = 0; k0 < p.k; k0 += span) {
    const int64_t kc = p.k - k0 < span ? p.k - k0 : span;
    int32_t* const to = static_cast<int32_t*>(packed) + k0 / 2 * padded_columns(p.n);
    pack_panels(p, k0, kc, n0, n1, to + n0 * steps_of(kc) * kStep / 2);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// A

// Rows of A contiguous.
void pack_tile_of_rows(const Problem& p, int64_t m0, int64_t rows, int64_t k0, int64_t kc, int32_t* out) {
  for (int64_t i = 0; i < rows; i++) {
    const float* const in = p.a + (m0 + i) * p.a_row + k0;
    int32_t* to = out + i * kStep / 2;
    for (int64_t k = 0; k < kc; k += kStep) {
      store_words(to, load_step(in + k, kc - k));
      to += kStepWords;
    }
  }
}

// Columns of A contiguous: one step of k of a tile, words transposed.
void pack_step_of_columns(const Problem& p, int64_t m0, int64_t rows, int64_t k0, int64_t left, int32_t* out) {
  const Mask m = first_of(rows);
  const float* const in = p.a + m0 + k0 * p.a_col;
  __m512i r[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) {
    const VecF x0 = 2 * i < left ? maskload(in + 2 * i * p.a_col, m) : zero();
    const VecF x1 = 2 * i + 1 < left ? maskload(in + (2 * i + 1) * p.a_col, m) : zero();
    r[i] = pair_up(x0, x1);
  }
  transpose_words(r);
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) store_words(out + i * kStep / 2, r[i]);
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
