// A limit order book from order-level events, with price-time priority: every order known by its id stands in the
// first-in-first-out queue of its price level.
//
// Two kinds of feed:
//   whole    all orders are told from the first event on: an event of an unknown order is an error.
//   view     only the best `levels` price levels of each side are told, and the orders that rested before the first row
//            are not (LOBSTER). Each level has, besides its known orders, an anonymous volume in front of its queue, from which
//            unknown orders take. A level that is pushed out of the view is forgotten with its orders, for what happens to
//            it there is not told; when it comes back, its content is anonymous.
//
// A side is a sorted array with the best level at its end: nearly all events concern a level near the end, so looking up
// is a short scan, and a new level moves few others. Orders lie in a pool linked by places, levels hold head and tail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "book/order_index.h"

namespace flashbook {

// As in src/market/events.ts.
enum class EventType : uint8_t { add = 1, cancel, remove, execute, execute_hidden, cross, halt };

constexpr int32_t kEmptyAskPrice = 0x7fffffff;
constexpr int32_t kEmptyBidPrice = -0x7fffffff;

struct BookEvent {
  int64_t time_ns;
  int64_t order_id;
  int32_t price;
  int32_t size;
  uint8_t type;
  int8_t side;
};

// Why an event was refused. The numbers are those of FAULTS in src/native/book.ts.
enum class BookFault : int32_t {
  none = 0,
  time_back,          // `held`: the time of the event before
  unknown_type,
  bad_side,
  bad_size,           // an order or its part must be positive
  bad_price,
  duplicate_order,    // an id that is already in the book
  crossed,            // `held`: the best price of the other side
  order_differs,      // a known order with another price or side; `held`: its price
  more_than_order,    // `held`: what the order holds
  less_than_order,    // a deletion that is not all of the order; `held`: what the order holds
  more_than_level,    // an unknown order; `held`: the volume of unknown orders at that level
  too_large,          // a level beyond the int32 range of snapshots
};

// Rows of the best levels of both sides, row-major.
struct BookRows {
  int32_t* ask_price;
  int32_t* ask_size;
  int32_t* bid_price;
  int32_t* bid_size;

  BookRows row(int64_t row, int levels) const {
    const int64_t at = row * levels;
    return {ask_price + at, ask_size + at, bid_price + at, bid_size + at};
  }
};

// What observe() found in a row of the venue's own book.
struct Observation {
  int mismatches = 0;   // sides that differ
  int taken = 0;        // levels that came into view from beyond
  // The first difference: what the book has and what the venue has. An empty price says that there is no such level.
  int8_t side = 0;
  int level = 0;
  int32_t price = 0, expected_price = 0;
  int64_t size = 0, expected_size = 0;
};

class OrderBook {
 public:
  // view_levels = 0: a whole feed.
  explicit OrderBook(int view_levels) : view_(view_levels) {}

  // Starts a view feed from the venue's book after `event`, the first of the feed: its volume is anonymous but for the
  // order that `event` has just added.
  BookFault seed(const BookRows& venue, const BookEvent& event);

  // Applies one event. A refused event leaves the book as it was.
  BookFault apply(const BookEvent& event);

  // View feed: compares with the venue's book after the same event, then takes from it the level that has come into view
  // from beyond, if one has. A side that differs is replaced by the venue's.
  Observation observe(const BookRows& venue);

  // Writes the best `levels` levels; empty ones as in src/market/events.ts.
  void write(const BookRows& to, int levels) const;

  // About the last refusal: see BookFault.
  int64_t held() const { return held_; }
  // Events of a view feed that name a price beyond the view: nothing is known of them.
  int64_t beyond_view() const { return beyond_view_; }
  size_t orders() const { return index_.size(); }
  size_t levels(int side) const { return (side > 0 ? bids_ : asks_).levels.size(); }
  // Volume that is executed before the order: everything ahead of it in its own level. −1: no such order.
  int64_t queue_ahead(int64_t order_id) const;
  size_t bytes() const;

 private:
  static constexpr int32_t kNone = -1;

  struct Order {
    int64_t id;
    int32_t price;
    int32_t size;
    int32_t previous, next;
    int8_t side;
  };

  struct Level {
    int32_t price;
    int32_t head = kNone, tail = kNone;
    int64_t volume = 0;      // all of it
    int64_t anonymous = 0;   // of orders that are not known, in front of the queue
  };

  struct Side {
    int8_t sign;                 // +1 bids, −1 asks
    bool whole = false;          // view feed: the view is not full, so nothing rests beyond it
    std::vector<Level> levels;   // the best one is the last
  };

  // Position of the level, or of the place where it belongs.
  static size_t position(const Side& side, int32_t price);
  static bool holds(const Side& side, size_t at, int32_t price) {
    return at < side.levels.size() && side.levels[at].price == price;
  }
  Side& side_of(int sign) { return sign > 0 ? bids_ : asks_; }
  bool beyond(const Side& side, int32_t price) const;
  BookFault add(const BookEvent& event);
  BookFault take(const BookEvent& event);
  void append(Level& level, const BookEvent& event);
  void unlink(Level& level, int32_t place);
  void forget_orders(Level& level);
  void seed_side(Side& side, const int32_t* price, const int32_t* size);
  void observe_side(Side& side, const int32_t* price, const int32_t* size, Observation* found);
  static void write_side(const Side& side, int32_t* price, int32_t* size, int levels);
  BookFault refuse(BookFault fault, int64_t held) {
    held_ = held;
    return fault;
  }

  int view_;
  Side bids_{1, false, {}}, asks_{-1, false, {}};
  OrderIndex index_;
  std::vector<Order> pool_;
  int32_t free_ = kNone;   // linked through Order::next
  int64_t last_time_ = INT64_MIN;
  int64_t held_ = 0;
  int64_t beyond_view_ = 0;
};

}  // namespace flashbook
