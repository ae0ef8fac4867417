// Product of bf16 operands for AMX: 32×32 sums in four tile registers, from two tiles of A and two of B for each step of k.
// bgemm_blocks.h has what is around it.
//
// Measured by `flashbook bench --filter gemm`, one thread of Granite Rapids (tiles 3881 GFLOP/s, float32 247): operands packed once, M = 100:
// 1060–1520 GFLOP/s, 4.3–6.1 times the float32 peak; 1024³ 1000; M = 6400, N, K 128 … 1024: forward and dx 610–1400, dw 570–830. The
// larger ones are bound by what a core reads and writes beyond L2 (29 GB/s), in float32.
#include "kernels/bgemm/bgemm_blocks.h"
#include "simd/amx.h"

namespace flashbook {
namespace FB_ISA {
namespace {

template <int MT, int NT>
FB_INLINE void multiply_tiles(int64_t steps, const int32_t* a0, const int32_t* a1, const int32_t* b) {
  constexpr int64_t kRowBytes = NT * 64;
  for (int64_t s = 0; s < steps; s++) {
    tile_load<6>(b, kRowBytes);
    tile_load<4>(a0, 64);
    tile_dot_bf16<0, 4, 6>();
    if constexpr (NT > 1) {
      tile_load<7>(b + 16, kRowBytes);
      tile_dot_bf16<1, 4, 7>();
    }
    if constexpr (MT > 1) {
      tile_load<5>(a1, 64);
      tile_dot_bf16<2, 5, 6>();
      if constexpr (NT > 1) tile_dot_bf16<3, 5, 7>();
    }
    a0 += kStepWords;
    a1 += kStepWords;
    b += 16 * NT * 16;
  }
}

// Sums to or from memory, `stride` floats from row to row; the second tile of A begins at row rows0.
template <int MT, int NT>
FB_INLINE void load_sums(const float* c, int64_t stride, int rows0) {
  tile_load<0>(c, 4 * stride);
  if constexpr (NT > 1) tile_load<1>(c + 16, 4 * stride);
  if constexpr (MT > 1) tile_load<2>(c + rows0 * stride, 4 * stride);
  if constexpr (MT > 1 && NT > 1) tile_load<3>(c + rows0 * stride + 16, 4 * stride);
}
template <int MT, int NT>
FB_INLINE void store_sums(float* c, int64_t stride, int rows0) {
  tile_store<0>(c, 4 * stride);
  if constexpr (NT > 1) tile_store<1>(c + 16, 4 * stride);
  if constexpr (MT > 1) tile_store<2>(c + rows0 * stride, 4 * stride);
  if constexpr (MT > 1 && NT > 1) tile_store<3>(c + rows0 * stride + 16, 4 * stride);
}

template <int MT, int NT>
void group(int rows0, int rows1, int64_t steps, const int32_t* a, const int32_t* b, const TileOut& out) {
  alignas(64) float spilled[MT * 16 * NT * 16];
  constexpr int64_t kStride = NT * 16;
  const int rows = MT > 1 ? rows0 + rows1 : rows0;
  const bool full = out.columns == kStride;
  if (!out.add) {
    tile_zero<0>();
    tile_zero<1>();
    tile_zero<2>();
    tile_zero<3>();
  } else if (full) {
    load_sums<MT, NT>(out.c, out.n, rows0);
  } else {
    for (int i = 0; i < rows; i++) {
      for (int v = 0; v < NT; v++) {
        store(spilled + i * kStride + v * 16, maskload(out.c + i * out.n + v * 16, first_of(out.columns - v * 16)));
      }
    }
    load_sums<MT, NT>(spilled, kStride, rows0);
  }
  multiply_tiles<MT, NT>(steps, a, a + kTileWords, b);
  const bool plain = !out.last || (out.bias == nullptr && out.factor == nullptr && out.residual == nullptr &&
                                   out.activation == Activation::none);
  if (full && plain) {
    store_sums<MT, NT>(out.c, out.n, rows0);
    return;
  }
  store_sums<MT, NT>(spilled, kStride, rows0);
  TileOut rest = out;
  rest.add = false;
  const VecF* const sums = reinterpret_cast<const VecF*>(spilled);
  if (full) {
    finish_spilled<NT, true>(sums, rows, rest);
  } else {
    finish_spilled<NT, false>(sums, rows, rest);
  }
}

// The tile registers, for as long as a block runs: 0 1 2 3 are sums (rows 0 and 1 of tiles), 4 5 are of A, 6 7 of B.
class Tiles {
 public:
  static constexpr int kTileRows = 16, kGroupTiles = 2;

  Tiles() = default;
  ~Tiles() { tile_release(); }

  void multiply(int rows0, int rows1, int vectors, int64_t steps, const int32_t* a, const int32_t* b, const TileOut& out) {
    configure(rows0, rows1);
    if (rows1 > 0) {
      if (vectors > 1) {
        group<2, 2>(rows0, rows1, steps, a, b, out);
      } else {
        group<2, 1>(rows0, rows1, steps, a, b, out);
      }
    } else if (vectors > 1) {
      group<1, 2>(rows0, 0, steps, a, b, out);
    } else {
      group<1, 1>(rows0, 0, steps, a, b, out);
    }
  }

 private:
  void configure(int rows0, int rows1) {
    if (rows0 == rows0_ && rows1 == rows1_) return;
    rows0_ = rows0;
    rows1_ = rows1;
    TileConfig config;
    const int rows[8] = {rows0, rows0, rows1, rows1, rows0, rows1, 16, 16};
    for (int i = 0; i < 8; i++) config.set(i, rows[i] > 0 ? rows[i] : 1, 64);
    tile_configure(config);
  }

  int rows0_ = -1, rows1_ = -1;
};

}  // namespace

extern const GemmKernels bgemm_kernels;
const GemmKernels bgemm_kernels = {"bgemm.bf16.panels32.pairs", 32, kPanelColumns, kBlockColumns, 256,
                                   packed_b_bytes, pack_b, scratch_bytes, block<Tiles>};

}  // namespace FB_ISA
}  // namespace flashbook
