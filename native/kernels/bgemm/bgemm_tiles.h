// The tile registers of bgemm_amx.cc: 32×32 sums in four of them, from two tiles of A and two of B for each step of k.
//
// A step takes the tile unit 64 cycles, whether its tiles have 12 rows or 16. It does not wait as long as
//   · one of the operands stays in L1 and is met again and again, while the other passes by, by loads that leave L1 as it is;
//   · each tile of sums is stored just before it begins anew: four stores together would fill the queues while the last products
//     are still under way;
//   · what becomes of finished sums (epilogue, writing C) is done a few rows at a time beside the products of the next group: a
//     burst of stores to lines that L1 does not hold stops everything.
#pragma once

#include "kernels/bgemm/bgemm_pack.h"
#include "kernels/gemm/fetch_ahead.h"
#include "kernels/gemm/gemm_epilogue.h"
#include "simd/amx.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int64_t kFewSteps = 8;   // fewer do not hide what is done beside them: sums without an epilogue go to C at once

// ---------------------------------------------------------------------------------------------------------------------
// What is done beside the products, a little with each step

struct Nothing {
  FB_INLINE void step() {}
  FB_INLINE void finish() {}
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
  FB_INLINE void finish() { while (left > 0) step(); }
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
  FB_INLINE void finish() { while (row < rows) step(); }
};

// ---------------------------------------------------------------------------------------------------------------------
// Sums

// Finished sums and sums of a span on their way from the tile registers. A group's sums stay in the registers until the next group begins:
// then each tile is stored just before it is needed again, while the unit still works on the others.
struct Results {
  alignas(64) float sums[kGroupRows * kPanelColumns];   // finished ones that wait for their epilogue
  TileOut out;                  // of those in the registers
  float* held = nullptr;        // where the sums in the registers (2×2 tiles) go; null: there are none
  int64_t held_stride = 0;
  int upper = 0, rows = 0;
  bool waits = false;           // held == sums

  bool plain(const TileOut& o) const { return o.activation == Activation::none && o.factor == nullptr && o.residual == nullptr; }

  // Where a group's sums go: `rest`, or where their epilogue begins.
  void hold(const GroupRows& group, int64_t steps, float* rest, const TileOut& o) {
    out = o;
    upper = group.upper;
    rows = group.count();
    const bool direct = rest == nullptr && steps < kFewSteps && plain(o);
    waits = rest == nullptr && !direct;
    held = waits ? sums : direct ? o.c : rest;
    held_stride = direct ? o.n : kPanelColumns;
  }
  // Before the registers get other shapes, or nothing follows.
  void finish() {
    if (held == nullptr) return;
    tile_store<0>(held, 4 * held_stride);
    tile_store<1>(held + 16, 4 * held_stride);
    tile_store<2>(held + upper * held_stride, 4 * held_stride);
    tile_store<3>(held + upper * held_stride + 16, 4 * held_stride);
    held = nullptr;
    if (waits) finish_spilled<2, true>(reinterpret_cast<const VecF*>(sums), rows, out);
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

// Stores what the tile holds, then begins new sums in it.
template <int T>
FB_INLINE void turn_over(float* to, int64_t to_stride, const float* from, int64_t from_stride) {
  if (to != nullptr) tile_store<T>(to, 4 * to_stride);
  if (from != nullptr) {
    tile_load<T>(from, 4 * from_stride);
  } else {
    tile_zero<T>();
  }
}

// The steps behind the first `done`.
template <int MT, int NT, Stays STAYS, class Beside>
FB_INLINE void multiply_tiles(const Group& group, int64_t done, Beside& beside, LinesAhead& ahead_) {
  LinesAhead ahead = ahead_;   // a copy: the tiles' statements have the compiler write to memory what others could see
  const int32_t* a = group.a + done * kStepWords;
  const int32_t* b = group.b + done * NT * kStepWords;
  for (int64_t s = done; s < group.steps; s++) {
    tile_fetch<6, STAYS == Stays::a>(b);
    tile_fetch<4, STAYS == Stays::b>(a);
    tile_dot_bf16<0, 4, 6>();
    if constexpr (NT > 1) {
      tile_fetch<7, STAYS == Stays::a>(b + kStepWords);
      tile_dot_bf16<1, 4, 7>();
    }
    if constexpr (MT > 1) {
      tile_fetch<5, STAYS == Stays::b>(a + group.lower);
      tile_dot_bf16<2, 5, 6>();
      if constexpr (NT > 1) tile_dot_bf16<3, 5, 7>();
    }
    ahead.step();
    beside.step();
    a += kStepWords;
    b += NT * kStepWords;
  }
  ahead_ = ahead;
}

// `stride` floats from row to row; the lower tile begins at row rows0.
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

// Whole groups, one after another.
template <Stays STAYS>
void multiply_whole(const GroupRows& rows, const Group& group, const TileOut& out, Results& results, LinesAhead& ahead) {
  {
    float* const to = results.held;
    const float* const from = group.from;
    const int64_t to_stride = results.held_stride, from_stride = group.from_stride;
    const int64_t to_lower = results.upper * to_stride, from_lower = rows.upper * from_stride;
    constexpr bool kStreamA = STAYS == Stays::b, kStreamB = STAYS == Stays::a;
    const auto at = [](auto* p, int64_t offset) { return p != nullptr ? p + offset : nullptr; };
    tile_fetch<6, kStreamB>(group.b);
    tile_fetch<4, kStreamA>(group.a);
    turn_over<0>(to, to_stride, from, from_stride);
    tile_dot_bf16<0, 4, 6>();
    tile_fetch<7, kStreamB>(group.b + kStepWords);
    turn_over<1>(at(to, 16), to_stride, at(from, 16), from_stride);
    tile_dot_bf16<1, 4, 7>();
    tile_fetch<5, kStreamA>(group.a + group.lower);
    turn_over<2>(at(to, to_lower), to_stride, at(from, from_lower), from_stride);
    tile_dot_bf16<2, 5, 6>();
    turn_over<3>(at(to, to_lower + 16), to_stride, at(from, from_lower + 16), from_stride);
    tile_dot_bf16<3, 5, 7>();
  }
  const auto run = [&](auto beside) __attribute__((always_inline)) {
    multiply_tiles<2, 2, STAYS>(group, 1, beside, ahead);
    beside.finish();
  };
  if (results.held == nullptr || !results.waits) {
    run(Nothing());
  } else {
    const VecF* const sums = reinterpret_cast<const VecF*>(results.sums);
    const TileOut& before = results.out;
    const int rest = group.steps > 1 ? static_cast<int>(group.steps) - 1 : 1, a_step = (results.rows + rest - 1) / rest;
    if (results.plain(before)) {
      run(PlainRows{results.sums, before.c, before.n, results.rows, a_step});
    } else if (before.activation == Activation::none) {
      run(EpilogueRows<Activation::none>{sums, before, 0, results.rows, a_step});
    } else if (before.activation == Activation::relu) {
      run(EpilogueRows<Activation::relu>{sums, before, 0, results.rows, a_step});
    } else {
      run(EpilogueRows<Activation::gelu>{sums, before, 0, results.rows, a_step});
    }
  }
  results.hold(rows, group.steps, group.to, out);
}

// Others: edges, few rows.
template <int MT, int NT, Stays STAYS>
void multiply_edge(const GroupRows& rows, const Group& group, const TileOut& out, Results& results, LinesAhead& ahead) {
  constexpr int64_t kStride = NT * 16;
  results.finish();
  if (group.from != nullptr) {
    load_sums<MT, NT>(group.from, group.from_stride, rows.upper);
  } else {
    tile_zero<0>();
    tile_zero<1>();
    tile_zero<2>();
    tile_zero<3>();
  }
  Nothing beside;
  multiply_tiles<MT, NT, STAYS>(group, 0, beside, ahead);
  if (group.to != nullptr) {
    store_sums<MT, NT>(group.to, kStride, rows.upper);
    return;
  }
  store_sums<MT, NT>(results.sums, kStride, rows.upper);
  const VecF* const sums = reinterpret_cast<const VecF*>(results.sums);
  if (out.columns == kStride) {
    finish_spilled<NT, true>(sums, rows.count(), out);
  } else {
    finish_spilled<NT, false>(sums, rows.count(), out);
  }
}

template <Stays STAYS>
FB_INLINE void multiply_group(const GroupRows& rows, const Group& group, const TileOut& out, Results& results, LinesAhead& ahead) {
  if (rows.lower > 0 && out.columns == kPanelColumns && group.steps > 0) {
    multiply_whole<STAYS>(rows, group, out, results, ahead);
  } else if (out.columns > 16) {
    if (rows.lower > 0) {
      multiply_edge<2, 2, STAYS>(rows, group, out, results, ahead);
    } else {
      multiply_edge<1, 2, STAYS>(rows, group, out, results, ahead);
    }
  } else if (rows.lower > 0) {
    multiply_edge<2, 1, STAYS>(rows, group, out, results, ahead);
  } else {
    multiply_edge<1, 1, STAYS>(rows, group, out, results, ahead);
  }
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
