// The tile registers of bgemm_amx.cc: 32×32 sums in four of them, from two tiles of A and two of B for each step of k.
//
// A step takes the tile unit 64 cycles. It lasts only if nothing else lies on the way of the next tiles:
//   · One of the operands stays in L1 and is met again and again; the other passes by, by loads that leave L1 as it is.
//   · What becomes of finished sums (epilogue, writing C) is done a few rows at a time beside the products of the next group: a
//     burst of stores to lines that L1 does not hold stops everything.
#pragma once

#include "kernels/bgemm/bgemm_pack.h"
#include "kernels/gemm/gemm_epilogue.h"
#include "simd/amx.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int64_t kGroupRows = 32;
constexpr int64_t kFewSteps = 8;   // for which the rows of sums that wait are many a step

// Tile registers 0 1 2 3 are sums (rows 0 and 1 of tiles), 4 5 are of A, 6 7 of B.
class Shapes {
 public:
  ~Shapes() { tile_release(); }
  void set(int rows0, int rows1) {
    if (rows0 == rows0_ && rows1 == rows1_) return;
    rows0_ = rows0;
    rows1_ = rows1;
    TileConfig config;
    const int rows[8] = {rows0, rows0, rows1, rows1, rows0, rows1, 16, 16};
    for (int i = 0; i < 8; i++) config.set(i, rows[i] > 0 ? rows[i] : 1, 64);
    tile_configure(config);
  }

 private:
  int rows0_ = -1, rows1_ = -1;
};

// The rows of a group: one tile, or two of about the same height.
struct GroupRows {
  int64_t first;
  int upper, lower;   // rows of its tiles; 0: no lower tile

  GroupRows(int64_t begin, int64_t end) : first(begin) {
    const int rows = static_cast<int>(end - begin);
    upper = rows > 16 ? (rows + 1) / 2 : rows;
    lower = rows - upper;
  }
  int count() const { return upper + lower; }
};

// ---------------------------------------------------------------------------------------------------------------------
// What is done beside the products, a little with each step

// Lines that will be read from beyond L2. One of four is asked for: the processor sees the stream and brings the others. Asking for each
// would take the places of the tiles' own misses.
class LinesAhead {
 public:
  LinesAhead() = default;
  LinesAhead(const float* first, int64_t stride, int64_t columns, int64_t rows, int64_t steps)
      : row_(first), stride_(stride), columns_(columns), rows_(columns > 0 ? rows : 0) {
    a_step_ = ((columns + kApart - 1) / kApart * rows_ + steps - 1) / (steps > 0 ? steps : 1);
  }
  FB_INLINE void step() {
    for (int64_t i = 0; i < a_step_ && rows_ > 0; i++) {
      __builtin_prefetch(row_ + column_, 0, 2);
      column_ += kApart;
      if (column_ >= columns_) {
        column_ = 0;
        row_ += stride_;
        rows_--;
      }
    }
  }

 private:
  static constexpr int64_t kApart = 64;

  const float* row_ = nullptr;
  int64_t stride_ = 0, columns_ = 0, rows_ = 0, column_ = 0, a_step_ = 0;
};

struct Nothing {
  FB_INLINE void step() {}
};

// Finished sums as they are.
struct PlainRows {
  const float* sums;
  float* c;
  int64_t n;
  int left, a_step;

  FB_INLINE void step() {
    int rows = left < a_step ? left : a_step;
    left -= rows;
    for (; rows > 0; rows--) {
      const VecF x0 = load(sums), x1 = load(sums + 16);
      store(c, x0);
      store(c + 16, x1);
      sums += kPanelColumns;
      c += n;
    }
  }
};

template <Activation ACT>
struct EpilogueRows {
  const VecF* sums;
  TileOut out;
  int row, rows, a_step;

  FB_INLINE void step() {
    for (int i = 0; i < a_step && row < rows; i++) {
      finish_row<2, true, ACT>(sums + 2 * row, out, nullptr, row);
      row++;
    }
  }
};

// ---------------------------------------------------------------------------------------------------------------------
// Sums

// Sums that wait for what becomes of them.
struct Waiting {
  alignas(64) float sums[kGroupRows * kPanelColumns];
  TileOut out;
  int rows = 0;   // 0: none

  bool plain() const { return out.activation == Activation::none && out.factor == nullptr && out.residual == nullptr; }
  void finish_now() {
    if (rows == 0) return;
    const VecF* const acc = reinterpret_cast<const VecF*>(sums);
    if (out.columns == kPanelColumns) {
      finish_spilled<2, true>(acc, rows, out);
    } else if (out.columns > 16) {
      finish_spilled<2, false>(acc, rows, out);
    } else {
      finish_spilled<1, false>(acc, rows, out);
    }
    rows = 0;
  }
};

// Which operand is met again and stays in L1; the other is streamed.
enum class Stays : uint8_t { a, b };

template <int T, bool STREAM>
FB_INLINE void tile_fetch(const int32_t* p) {
  if constexpr (STREAM) {
    tile_stream<T>(p, 64);
  } else {
    tile_load<T>(p, 64);
  }
}

// `lower` words lie between the tiles of A.
template <int MT, int NT, bool STREAM_A, bool STREAM_B, class Beside>
FB_INLINE void multiply_steps(int64_t steps, const int32_t*& a, int64_t lower, const int32_t*& b, Beside& beside, LinesAhead& ahead) {
  for (int64_t s = 0; s < steps; s++) {
    tile_fetch<6, STREAM_B>(b);
    tile_fetch<4, STREAM_A>(a);
    tile_dot_bf16<0, 4, 6>();
    if constexpr (NT > 1) {
      tile_fetch<7, STREAM_B>(b + kStepWords);
      tile_dot_bf16<1, 4, 7>();
    }
    if constexpr (MT > 1) {
      tile_fetch<5, STREAM_A>(a + lower);
      tile_dot_bf16<2, 5, 6>();
      if constexpr (NT > 1) tile_dot_bf16<3, 5, 7>();
    }
    ahead.step();
    beside.step();
    a += kStepWords;
    b += NT * kStepWords;
  }
}

// Of A, L1 keeps 16 steps of a group (32 KiB); what is beyond them is streamed too.
template <int MT, int NT, Stays STAYS, class Beside>
FB_INLINE void multiply_tiles(int64_t steps, const int32_t* a, int64_t lower, const int32_t* b, Beside& beside, LinesAhead& ahead_) {
  constexpr int64_t kStaying = 16;
  LinesAhead ahead = ahead_;   // a copy: the tiles' statements have the compiler write to memory what others could see
  if constexpr (STAYS == Stays::a) {
    const int64_t staying = steps < kStaying ? steps : kStaying;
    multiply_steps<MT, NT, false, true>(staying, a, lower, b, beside, ahead);
    multiply_steps<MT, NT, true, true>(steps - staying, a, lower, b, beside, ahead);
  } else {
    multiply_steps<MT, NT, true, false>(steps, a, lower, b, beside, ahead);
  }
  ahead_ = ahead;
}

// `stride` floats from row to row; the lower tile begins at row rows0.
template <int MT, int NT>
FB_INLINE void load_sums(const float* c, int64_t stride, int rows0) {
  tile_stream<0>(c, 4 * stride);
  if constexpr (NT > 1) tile_stream<1>(c + 16, 4 * stride);
  if constexpr (MT > 1) tile_stream<2>(c + rows0 * stride, 4 * stride);
  if constexpr (MT > 1 && NT > 1) tile_stream<3>(c + rows0 * stride + 16, 4 * stride);
}
template <int MT, int NT>
FB_INLINE void store_sums(float* c, int64_t stride, int rows0) {
  tile_store<0>(c, 4 * stride);
  if constexpr (NT > 1) tile_store<1>(c + 16, 4 * stride);
  if constexpr (MT > 1) tile_store<2>(c + rows0 * stride, 4 * stride);
  if constexpr (MT > 1 && NT > 1) tile_store<3>(c + rows0 * stride + 16, 4 * stride);
}

// A group of rows of A × a panel of B for a span of k.
struct Group {
  const int32_t* a;
  int64_t lower;       // words from the upper tile of A to the lower one
  const int32_t* b;
  int64_t steps;
  const float* from;   // what the sums begin with: null is zeros
  int64_t from_stride;
  float* to;           // where they rest until the next span, densely; null: they are finished
};

template <int MT, int NT, Stays STAYS>
void multiply(const GroupRows& rows, const Group& group, const TileOut& out, Waiting& waiting, LinesAhead& ahead) {
  constexpr int64_t kStride = NT * 16;
  if (group.from != nullptr) {
    load_sums<MT, NT>(group.from, group.from_stride, rows.upper);
  } else {
    tile_zero<0>();
    tile_zero<1>();
    tile_zero<2>();
    tile_zero<3>();
  }
  const auto run = [&](auto& beside) __attribute__((always_inline)) {
    multiply_tiles<MT, NT, STAYS>(group.steps, group.a, group.lower, group.b, beside, ahead);
  };
  if (MT > 1 && NT > 1 && group.steps > 0 && waiting.rows > 0 && waiting.out.columns == kPanelColumns) {
    const VecF* const acc = reinterpret_cast<const VecF*>(waiting.sums);
    const int a_step = static_cast<int>((waiting.rows + group.steps - 1) / group.steps);
    if (waiting.plain()) {
      PlainRows beside = {waiting.sums, waiting.out.c, waiting.out.n, waiting.rows, a_step};
      run(beside);
    } else if (waiting.out.activation == Activation::none) {
      EpilogueRows<Activation::none> beside = {acc, waiting.out, 0, waiting.rows, a_step};
      run(beside);
    } else if (waiting.out.activation == Activation::relu) {
      EpilogueRows<Activation::relu> beside = {acc, waiting.out, 0, waiting.rows, a_step};
      run(beside);
    } else {
      EpilogueRows<Activation::gelu> beside = {acc, waiting.out, 0, waiting.rows, a_step};
      run(beside);
    }
    waiting.rows = 0;
  } else {
    Nothing beside;
    run(beside);
    waiting.finish_now();
  }
  if (group.to != nullptr) {
    store_sums<MT, NT>(group.to, kStride, rows.upper);
    return;
  }
  waiting.out = out;
  if (group.steps < kFewSteps && out.columns == kStride && waiting.plain()) {
    store_sums<MT, NT>(out.c, out.n, rows.upper);
    return;
  }
  store_sums<MT, NT>(waiting.sums, kStride, rows.upper);
  waiting.rows = rows.count();
}

template <Stays STAYS>
FB_INLINE void multiply_group(const GroupRows& rows, const Group& group, const TileOut& out, Waiting& waiting, LinesAhead& ahead) {
  if (out.columns > 16) {
    if (rows.lower > 0) {
      multiply<2, 2, STAYS>(rows, group, out, waiting, ahead);
    } else {
      multiply<1, 2, STAYS>(rows, group, out, waiting, ahead);
    }
  } else if (rows.lower > 0) {
    multiply<2, 1, STAYS>(rows, group, out, waiting, ahead);
  } else {
    multiply<1, 1, STAYS>(rows, group, out, waiting, ahead);
  }
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
