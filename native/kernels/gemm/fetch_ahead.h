// Fetching into caches what a register tile will need soon, a few lines at a time all along its sums: a burst of misses would hold up
// the loads behind it.
#pragma once

#include <cstdint>

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

// A number that is known when a lambda is compiled.
template <int N> struct Count { static constexpr int value = N; };

// Memory that will be read soon, as one or two matrices. Runs on over several tiles.
struct Needed {
  const float* row = nullptr;
  int64_t stride = 0, columns = 0, rows = 0;
};
struct Ahead {
  Needed now, then;
  int64_t column = 0;

  void start(const Needed& first, const Needed& second) {
    now = first;
    then = second;
    column = 0;
    if (now.columns <= 0) now.rows = 0;
    if (then.columns <= 0) then.rows = 0;
  }
  // The next FLOATS of them, a multiple of 16. HINT 3: into L1, 2: into L2.
  template <int HINT, int FLOATS> FB_INLINE void fetch() {
    if (now.rows <= 0) return;
    const float* const p = now.row + column;
#pragma GCC unroll 8
    for (int i = 0; i < FLOATS; i += 16) __builtin_prefetch(p + i, 0, HINT);
    column += FLOATS;
    if (column < now.columns) return;
    column = 0;
    now.row += now.stride;
    if (--now.rows == 0) {
      now = then;
      then.rows = 0;
    }
  }
};

// Lines that will be read from beyond L2. One of four is asked for: the processor sees the stream and brings the others. Asking for each
// would take the places of other misses of L1.
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

// The result of a tile of WIDTH columns, which will be written: two rows at a time.
template <int WIDTH>
struct ResultAhead {
  const float* row;
  int64_t stride;
  int rows;

  FB_INLINE void fetch() {
    if (rows <= 0) return;
    __builtin_prefetch(row, 1, 3);
    __builtin_prefetch(row + WIDTH - 1, 1, 3);
    __builtin_prefetch(row + stride, 1, 3);
    __builtin_prefetch(row + stride + WIDTH - 1, 1, 3);
    row += 2 * stride;
    rows -= 2;
  }
};

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
