#include "book/rebuild.h"

namespace flashbook {

void rebuild(OrderBook* book, const EventColumns& events, int64_t from, int64_t to, const BookRows* venue, int venue_levels,
             const BookRows& snapshots, int levels, RebuildResult* result) {
  for (int64_t row = from; row < to; row++) {
    const BookEvent event = events.at(row);
    const bool seeds = venue != nullptr && row == 0;
    const BookFault fault = seeds ? book->seed(venue->row(0, venue_levels), event) : book->apply(event);
    if (fault != BookFault::none) {
      result->fault = fault;
      result->row = row;
      result->held = book->held();
      break;
    }
    if (venue != nullptr && !seeds) {
      const Observation found = book->observe(venue->row(row, venue_levels));
      result->levels_taken += found.taken;
      if (found.mismatches > 0 && result->mismatched_rows++ == 0) {
        result->first_mismatch_row = row;
        result->first_mismatch = found;
      }
    }
    book->write(snapshots.row(row, levels), levels);
  }
  result->beyond_view = book->beyond_view();
}

}  // namespace flashbook
