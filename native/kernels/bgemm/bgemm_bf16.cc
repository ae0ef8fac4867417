// Product of bf16 operands for AVX512_BF16: a register tile of 14×32 sums, one vdpbf16ps for two products of each of 16 columns.
// bgemm_blocks.h has what is around it.
//
// Measured by `FLASHBOOK_ISA=avx512bf16 flashbook bench --filter gemm/bf16`, one thread of Granite Rapids, where vdpbf16ps runs at half the rate of float32
// multiply-adds (124 GFLOP/s): 1024³ 115 GFLOP/s, 93 %. On Zen 4 and 5 it runs at twice their rate.
#include "kernels/bgemm/bgemm_blocks.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int kTileRows = 14;

FB_INLINE VecF dot(VecF acc, __m512i a, __m512i b) { return {_mm512_dpbf16_ps(acc.v, (__m512bh)a, (__m512bh)b)}; }

template <int NV, bool FULL>
FB_INLINE VecF sum_so_far(const TileOut& out, int row, int v) {
  const float* const c = out.c + row * out.n + v * 16;
  return FULL ? load(c) : maskload(c, first_of(out.columns - v * 16));
}

template <int MR, int NV>
void tile(int64_t steps, const int32_t* a, const int32_t* b, const TileOut& out) {
  VecF acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) acc[i][v] = out.add ? sum_so_far<NV, false>(out, i, v) : zero();
  }
  for (int64_t s = 0; s < steps; s++) {
    for (int u = 0; u < 16; u += 4) {
#pragma GCC unroll 4
      for (int w = 0; w < 4; w++) {
        __m512i row[NV];
#pragma GCC unroll 2
        for (int v = 0; v < NV; v++) row[v] = _mm512_loadu_si512(b + v * kStepWords + (u + w) * 16);
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) {
          const __m512i x = _mm512_set1_epi32(a[i * 16 + u + w]);
#pragma GCC unroll 2
          for (int v = 0; v < NV; v++) acc[i][v] = dot(acc[i][v], x, row[v]);
        }
      }
    }
    a += kStepWords;
    b += NV * kStepWords;
  }
  VecF spilled[MR * NV];   // a copy: an array whose address leaves would not stay in registers above
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) spilled[i * NV + v] = acc[i][v];
  }
  TileOut rest = out;
  rest.add = false;
  if (out.columns == NV * 16) {
    finish_spilled<NV, true>(spilled, MR, rest);
  } else {
    finish_spilled<NV, false>(spilled, MR, rest);
  }
}

using TileFunction = void (*)(int64_t steps, const int32_t* a, const int32_t* b, const TileOut& out);
#define FB_TILES(NV) \
  tile<1, NV>, tile<2, NV>, tile<3, NV>, tile<4, NV>, tile<5, NV>, tile<6, NV>, tile<7, NV>, tile<8, NV>, tile<9, NV>, \
  tile<10, NV>, tile<11, NV>, tile<12, NV>, tile<13, NV>, tile<14, NV>
// [vectors − 1][rows − 1]
constexpr TileFunction kTiles[2][kTileRows] = {{FB_TILES(1)}, {FB_TILES(2)}};

struct DotProducts {
  static constexpr int kTileRows = FB_ISA::kTileRows, kGroupTiles = 1;

  void multiply(int rows, int, int vectors, int64_t steps, const int32_t* a, const int32_t* b, const TileOut& out) {
    kTiles[vectors - 1][rows - 1](steps, a, b, out);
  }
};

}  // namespace

extern const GemmKernels bgemm_kernels;
const GemmKernels bgemm_kernels = {"bgemm.bf16.panels32.steps", kTileRows, kPanelColumns, kBlockColumns, 32, false,
                                   packed_b_bytes, pack_b, scratch_bytes, block<DotProducts>};

}  // namespace FB_ISA
}  // namespace flashbook
