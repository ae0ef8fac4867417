// The product of bgemm.h where the processor multiplies bf16, compiled for AVX512_BF16 (bgemm_bf16.cc) and AMX (bgemm_amx.cc). Each
// brings its Multiplier:
//
//   kTileRows, kGroupTiles        rows of a tile of A (at most 16), and how many tiles are multiplied at once
//   multiply(rows0, rows1, …)     a group of tiles of A × a panel of B for a span of k, and the epilogue
//
// Idea. Converting float32 to bf16 costs about as much as reading it, so each element is converted once: A by groups of rows, which
// then meet all panels of the block from L1; B once for all rows (frozen weights once for all runs). A span of k is as long as such a
// group fits L1. Between spans the sums rest in C. Where A is transposed (dw = dyᵀ·x) its pairs of k come from neighbouring
// rows of memory and are turned in registers.
#pragma once

#include "kernels/bgemm/bgemm.h"
#include "kernels/bgemm/bgemm_pack.h"
#include "kernels/gemm/gemm_epilogue.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int64_t kSpan = 512;                               // of k that is packed and multiplied before what follows it
constexpr int64_t kTileWords = kSpan / kStep * kStepWords;
constexpr int64_t kTogether = 8;                             // tiles whose contiguous columns are packed together
constexpr int64_t kBlockColumns = 512;

void pack_b(const Problem& p, int64_t n0, int64_t n1, void* packed) { pack_spans(p, kSpan, n0, n1, packed); }

int64_t scratch_bytes(const Problem& p, int64_t columns) {
  const int64_t span = p.k < kSpan ? p.k : kSpan;
  return 4 * kTogether * kTileWords + (p.packed_b != nullptr ? 0 : packed_b_bytes(columns, span));
}

template <class Multiplier>
void block(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  if (m1 <= m0 || n1 <= n0) return;
  int32_t* const a = static_cast<int32_t*>(scratch);
  int32_t* const b_scratch = a + kTogether * kTileWords;
  constexpr int64_t kTileRows = Multiplier::kTileRows, kGroupTiles = Multiplier::kGroupTiles;
  int64_t tiles = (m1 - m0 + kTileRows - 1) / kTileRows;
  if (tiles > 1) tiles = (tiles + kGroupTiles - 1) / kGroupTiles * kGroupTiles;
  const auto start = [&](int64_t tile) { return m0 + (m1 - m0) * tile / tiles; };
  const int64_t together = p.a_col == 1 ? kGroupTiles : kTogether;
  Multiplier multiplier;
  TileOut out;
  out.n = p.n;
  out.activation = p.activation;
  int64_t k0 = 0;
  do {
    const int64_t kc = p.k - k0 < kSpan ? p.k - k0 : kSpan;
    const int64_t steps = steps_of(kc);
    const int32_t* b = b_scratch;
    if (p.packed_b != nullptr) {
      b = static_cast<const int32_t*>(p.packed_b) + k0 / 2 * padded_columns(p.n) + n0 * steps * kStep / 2;
    } else {
      pack_panels(p, k0, kc, n0, n1, b_scratch);
    }
    out.add = k0 > 0;
    out.last = k0 + kc >= p.k;
    for (int64_t first_tile = 0; first_tile < tiles; first_tile += together) {
      const int64_t end_tile = tiles - first_tile < together ? tiles : first_tile + together;
      if (p.a_col == 1) {
        for (int64_t t = first_tile; t < end_tile; t++) {
          pack_tile_of_rows(p, start(t), start(t + 1) - start(t), k0, kc, a + (t - first_tile) * kTileWords);
        }
      } else {
        for (int64_t k = 0; k < kc; k += kStep) {
          for (int64_t t = first_tile; t < end_tile; t++) {
            pack_step_of_columns(p, start(t), start(t + 1) - start(t), k0 + k, kc - k,
                                 a + (t - first_tile) * kTileWords + k / kStep * kStepWords);
          }
        }
      }
      for (int64_t t = first_tile; t < end_tile; t += kGroupTiles) {
        const int64_t i0 = start(t), i1 = start(t + 1);
        const int rows0 = static_cast<int>(i1 - i0);
        const int rows1 = kGroupTiles > 1 && t + 1 < end_tile ? static_cast<int>(start(t + 2) - i1) : 0;
        const int32_t* panel = b;
        for (int64_t j = n0; j < n1; j += kPanelColumns) {
          out.columns = static_cast<int>(n1 - j < kPanelColumns ? n1 - j : kPanelColumns);
          const int vectors = out.columns > 16 ? 2 : 1;
          out.c = p.c + i0 * p.n + j;
          out.bias = p.bias != nullptr ? p.bias + j : nullptr;
          out.factor = p.factor != nullptr ? p.factor + i0 * p.n + j : nullptr;
          out.residual = p.residual != nullptr ? p.residual + i0 * p.n + j : nullptr;
          multiplier.multiply(rows0, rows1, vectors, steps, a + (t - first_tile) * kTileWords, panel, out);
          panel += steps * kStep / 2 * 16 * vectors;
        }
      }
    }
    k0 += kc;
  } while (k0 < p.k);
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
