// The book after every event of a session, in one call.
#pragma once

#include <cstdint>

#include "book/order_book.h"

namespace flashbook {

struct EventColumns {
  int64_t length;
  const int64_t* time_ns;
  const uint8_t* type;
  const int64_t* order_id;
  const int8_t* side;
  const int32_t* price;
  const int32_t* size;

  BookEvent at(int64_t row) const { return {time_ns[row], order_id[row], price[row], size[row], type[row], side[row]}; }
};

struct RebuildResult {
  BookFault fault = BookFault::none;   // then `row` and `held` tell where and why, and rows from there on are not written
  int64_t row = 0;
  int64_t held = 0;
  int64_t levels_taken = 0;      // levels that came into view from beyond, taken from the venue's book
  int64_t mismatched_rows = 0;   // rows in which the rebuilt book and the venue's differ
  int64_t first_mismatch_row = -1;
  Observation first_mismatch;
  int64_t beyond_view = 0;
};

// Writes rows [from, to) of `snapshots`, `levels` levels deep. With `venue` (venue_levels deep) the feed is a view: the book is
// seeded by its row 0 and compared with it after each event. Called with successive ranges on the same book.
void rebuild(OrderBook* book, const EventColumns& events, int64_t from, int64_t to, const BookRows* venue, int venue_levels,
             const BookRows& snapshots, int levels, RebuildResult* result);

}  // namespace flashbook
