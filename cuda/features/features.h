// Features of order books for many segments of events at once: the twin of native/book/features, to the bit.
//
// A segment is a stretch of rows with a past of its own: its first row is the first that its features see. What the CPU keeps in a
// state machine is here a scan. One block walks through a segment, 256 rows at a time, and leaves for each row what features
// remember: the last two-sided mid, the last move, and running totals, integers that wrap as the CPU's do, so that any order of
// adding gives the same bits. A second kernel then writes each row by itself: a window's sum is one subtraction of totals. 32 rows
// are put together in shared memory, in rows of odd length, so that both the writes to it and the copy out go without conflict in whole
// lines. No product is fused with a sum, and divisions and roots are those of IEEE.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace flashbook::cuda::features {

// In the order of kKinds in native/book/features/definitions.cc.
enum class Kind : int32_t {
  levels, spread, microprice, imbalance, depth, order_flow_imbalance, trade_imbalance, mid_change, past_return, mid_deviation,
  last_move, volatility, time_gap, intensity, event, gap, centre, touch_deviation, touch_change, touch_events, last_trade, mid_score,
  ages, count
};

struct Definition {
  Kind kind;
  int32_t from, to, events;
  int32_t column;         // of its first value
  int32_t columns;
  int32_t compressed;     // its values go through signed_log
};

// All on the device; books are rows × levels.
struct Session {
  int64_t rows;
  int32_t levels, flow_levels;
  int32_t segments;
  const int64_t* segment_starts;   // rising, the first 0; `segments` of them
  const int64_t* time_ns;
  const uint8_t* type;
  const int8_t* side;
  const int32_t *price, *size;
  const int32_t *ask_price, *ask_size, *bid_price, *bid_size;
};

// What is remembered of each row: mid2, spread, last move, events since; totals of mid2, squares, volume, order flow of levels 1 … m.
// Columns of what a row remembers; order-flow totals follow.
constexpr int kScanned = 21;

inline size_t memory_values(const Session& s) { return static_cast<size_t>(kScanned + s.flow_levels) * static_cast<size_t>(s.rows); }

// `memory`: memory_values() int64. out: rows × columns.
cudaError_t extract(const Session& session, const Definition* definitions, int32_t count, int32_t columns, int64_t tick_size,
                    int64_t* memory, float* out, cudaStream_t stream);

}  // namespace flashbook::cuda::features
