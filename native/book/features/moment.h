// What a feature sees: the event that has just happened, the book after it, and what is remembered of the past.
//
// Everything that is summed over events is an integer held as a running total, so that a window's sum is one
// subtraction, exact whatever came before it: nothing drifts, and a batch equals a stream to the bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace flashbook::features {

// The numbers of EventType in src/market/events.ts.
enum EventType : uint8_t { kAdd = 1, kCancel = 2, kDelete = 3, kExecute = 4, kExecuteHidden = 5, kCross = 6, kHalt = 7 };

struct MarketEvent {
  int64_t time_ns = 0;
  int32_t price = 0;  // price units
  int32_t size = 0;   // lots
  uint8_t type = 0;
  int8_t side = 0;    // +1 a buy order, −1 a sell order
};

// One row of a book: `levels` entries each, best first. An empty level has size 0 and a sentinel price (the largest
// int32 for asks, minus it for bids), so that prices stay ordered.
struct BookRow {
  const int32_t* ask_price = nullptr;
  const int32_t* ask_size = nullptr;
  const int32_t* bid_price = nullptr;
  const int32_t* bid_size = nullptr;
};

// What is remembered of one row, in this order; order-flow totals of levels 1 … L follow.
enum Memory : size_t {
  kTime,          // nanoseconds
  kMid2,          // twice the mid price
  kMid2Total,     // Σ twice the mid
  kSquareTotal,   // Σ (change of twice the mid)²
  kVolumeTotal,   // Σ signed volume of executions, buyers' minus sellers'
  kAskTotal,      // Σ twice the best ask
  kBidTotal,      // Σ twice the best bid
  kTouchAdds,     // Σ ±1 of orders added at the touch or inside it, + buy orders
  kTouchRemoves,  // Σ ±1 of orders cancelled or deleted there, + sell orders
  kTouchTrades,   // Σ ±1 of visible executions, + sell orders
  kFlowTotals,    // level m: Σ order-flow imbalance of levels 1 … m
};

// The last rows, in a ring. Before the first row the book is taken to have stood as it is in the first row and nothing
// to have happened, so that every window is defined from the first row on.
class History {
 public:
  History(int levels, int64_t longest_window);

  void clear() { rows_ = 0; }
  int64_t rows() const { return rows_; }

  // The row `events` before the newest; 0 is the newest. `events` is at most the longest window.
  const int64_t* back(int64_t events) const {
    return ring_.data() + static_cast<size_t>((rows_ - 1 - events) & mask_) * stride_;
  }

  // Opens the next row and returns it; the one before it is back(1) from then on. The first row is `start` (time and
  // twice mid, best ask and best bid); it also becomes the past.
  int64_t* append(int64_t time_ns, int64_t mid2, int64_t ask2, int64_t bid2);

  // Σ over the last `events` rows of the quantity whose running total is `total`.
  int64_t sum(size_t total, int64_t events) const {
    return static_cast<int64_t>(static_cast<uint64_t>(back(0)[total]) - static_cast<uint64_t>(back(events)[total]));
  }

 private:
  size_t stride_;
  int64_t mask_;
  int64_t rows_ = 0;
  std::vector<int64_t> ring_;
};

// The best price of a side. That of an empty side is what it last was; before it was, the mid of the first row.
struct Touch {
  int64_t price2 = 0;       // twice the price
  int64_t before2 = 0;      // the same before this event
  int64_t last_change = 0;  // the last change of twice the price that was not 0
  int64_t since_change = 0; // events since then, or since the first row
  int64_t change_ns = 0;    // when that was
};

struct Moment {
  explicit Moment(const History& past) : history(past) {}

  const History& history;
  MarketEvent event;
  BookRow row;
  const int64_t* ask_depth = nullptr;  // [l]: sizes of levels 1 … l together, l = 0 … levels
  const int64_t* bid_depth = nullptr;
  double tick = 1;          // price units a tick of the visible book
  bool two_sided = false;   // both sides have a best level
  int64_t mid2 = 0;         // twice the mid; of a one-sided book, that of the last two-sided one
  int64_t spread = 0;       // best ask − best bid, likewise
  int64_t last_move = 0;    // the last change of twice the mid that was not 0
  int64_t since_move = 0;   // events since then
  int64_t move_ns = 0;      // when that was, or the first row
  Touch ask, bid;
  int64_t trade2 = 0;       // twice the price of the last execution; the mid before any
  int64_t since_buy = 0;    // events since the last execution of a sell order, or since the first row
  int64_t since_sell = 0;   // … of a buy order
  int64_t buy_ns = 0;       // when that was
  int64_t sell_ns = 0;
};

}  // namespace flashbook::features
