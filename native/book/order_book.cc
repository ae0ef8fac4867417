#include "book/order_book.h"

namespace flashbook {
namespace {

constexpr int32_t empty_price(int8_t sign) { return sign > 0 ? kEmptyBidPrice : kEmptyAskPrice; }
constexpr int64_t kLargest = 0x7fffffff;

}  // namespace

size_t OrderBook::position(const Side& side, int32_t price) {
  const Level* const levels = side.levels.data();
  const int64_t sign = side.sign;
  // Worse levels come first: the place is behind the last level that is worse than `price`.
  size_t at = side.levels.size();
  for (int near = 0; near < 16; near++) {
    if (at == 0 || sign * levels[at - 1].price < sign * price) return at;
    at--;
  }
  size_t low = 0;
  while (low < at) {
    const size_t middle = (low + at) / 2;
    if (sign * levels[middle].price < sign * price) low = middle + 1;
    else at = middle;
  }
  return low;
}

bool OrderBook::beyond(const Side& side, int32_t price) const {
  return view_ > 0 && !side.whole && !side.levels.empty() &&
         int64_t{side.sign} * price < int64_t{side.sign} * side.levels.front().price;
}

BookFault OrderBook::apply(const BookEvent& event) {
  if (event.time_ns < last_time_) return refuse(BookFault::time_back, last_time_);
  BookFault fault = BookFault::none;
  switch (static_cast<EventType>(event.type)) {
    case EventType::add: fault = add(event); break;
    case EventType::cancel:
    case EventType::remove:
    case EventType::execute: fault = take(event); break;
    case EventType::execute_hidden:
    case EventType::cross:
    case EventType::halt: break;
    default: fault = BookFault::unknown_type;
  }
  if (fault == BookFault::none) last_time_ = event.time_ns;
  return fault;
}

BookFault OrderBook::add(const BookEvent& event) {
  if (event.side != 1 && event.side != -1) return BookFault::bad_side;
  if (event.size <= 0) return BookFault::bad_size;
  if (event.price <= 0 || event.price == kEmptyAskPrice) return BookFault::bad_price;
  if (index_.find(event.order_id) >= 0) return BookFault::duplicate_order;
  const Side& other = side_of(-event.side);
  if (!other.levels.empty() && int64_t{event.side} * event.price >= int64_t{event.side} * other.levels.back().price) {
    return refuse(BookFault::crossed, other.levels.back().price);
  }
  Side& side = side_of(event.side);
  const size_t at = position(side, event.price);
  if (!holds(side, at, event.price)) {
    const bool full = view_ > 0 && side.levels.size() >= static_cast<size_t>(view_);
    if (full && at == 0) {
      beyond_view_++;
      return BookFault::none;
    }
    side.levels.insert(side.levels.begin() + static_cast<ptrdiff_t>(at), Level{event.price});
    append(side.levels[at], event);
    if (full) {
      forget_orders(side.levels.front());
      side.levels.erase(side.levels.begin());
    }
    // Once the view is full, orders may come to rest beyond it untold.
    if (side.levels.size() >= static_cast<size_t>(view_)) side.whole = false;
    return BookFault::none;
  }
  if (side.levels[at].volume + event.size > kLargest) return refuse(BookFault::too_large, side.levels[at].volume);
  append(side.levels[at], event);
  return BookFault::none;
}

BookFault OrderBook::take(const BookEvent& event) {
  if (event.side != 1 && event.side != -1) return BookFault::bad_side;
  if (event.size <= 0) return BookFault::bad_size;
  const bool deletes = static_cast<EventType>(event.type) == EventType::remove;
  const int32_t place = index_.find(event.order_id);
  Side& side = side_of(event.side);
  const size_t at = position(side, event.price);
  if (place >= 0) {
    Order& order = pool_[place];
    if (order.side != event.side || order.price != event.price) return refuse(BookFault::order_differs, order.price);
    if (event.size > order.size) return refuse(BookFault::more_than_order, order.size);
    if (deletes && event.size < order.size) return refuse(BookFault::less_than_order, order.size);
    order.size -= event.size;
    if (order.size == 0) unlink(side.levels[at], place);
  } else {
    const bool present = holds(side, at, event.price);
    if (!present && beyond(side, event.price)) {
      beyond_view_++;
      return BookFault::none;
    }
    const int64_t anonymous = present ? side.levels[at].anonymous : 0;
    if (event.size > anonymous) return refuse(BookFault::more_than_level, anonymous);
    side.levels[at].anonymous -= event.size;
  }
  side.levels[at].volume -= event.size;
  if (side.levels[at].volume == 0) side.levels.erase(side.levels.begin() + static_cast<ptrdiff_t>(at));
  return BookFault::none;
}

void OrderBook::append(Level& level, const BookEvent& event) {
  int32_t place = free_;
  if (place == kNone) {
    place = static_cast<int32_t>(pool_.size());
    pool_.emplace_back();
  } else {
    free_ = pool_[place].next;
  }
  pool_[place] = Order{event.order_id, event.price, event.size, level.tail, kNone, event.side};
  if (level.tail == kNone) level.head = place;
  else pool_[level.tail].next = place;
  level.tail = place;
  level.volume += event.size;
  index_.insert(event.order_id, place);
}

void OrderBook::unlink(Level& level, int32_t place) {
  Order& order = pool_[place];
  if (order.previous == kNone) level.head = order.next;
  else pool_[order.previous].next = order.next;
  if (order.next == kNone) level.tail = order.previous;
  else pool_[order.next].previous = order.previous;
  index_.erase(order.id);
  order.next = free_;
  free_ = place;
}

void OrderBook::forget_orders(Level& level) {
  for (int32_t place = level.head; place != kNone;) {
    const int32_t next = pool_[place].next;
    index_.erase(pool_[place].id);
    pool_[place].next = free_;
    free_ = place;
    place = next;
  }
  level.head = level.tail = kNone;
  level.anonymous = level.volume;
}

void OrderBook::seed_side(Side& side, const int32_t* price, const int32_t* size) {
  for (Level& level : side.levels) forget_orders(level);
  side.levels.clear();
  int count = 0;
  while (count < view_ && price[count] != empty_price(side.sign)) count++;
  for (int l = count - 1; l >= 0; l--) side.levels.push_back(Level{price[l], kNone, kNone, size[l], size[l]});
  side.whole = count < view_;
}

BookFault OrderBook::seed(const BookRows& venue, const BookEvent& event) {
  seed_side(asks_, venue.ask_price, venue.ask_size);
  seed_side(bids_, venue.bid_price, venue.bid_size);
  last_time_ = event.time_ns;
  if (event.type < 1 || event.type > 7) return BookFault::unknown_type;
  if (static_cast<EventType>(event.type) != EventType::add) return BookFault::none;
  if (event.side != 1 && event.side != -1) return BookFault::bad_side;
  Side& side = side_of(event.side);
  const size_t at = position(side, event.price);
  if (holds(side, at, event.price) && event.size > 0 && side.levels[at].anonymous >= event.size) {
    side.levels[at].anonymous -= event.size;
    side.levels[at].volume -= event.size;
    append(side.levels[at], event);
  }
  return BookFault::none;
}

void OrderBook::observe_side(Side& side, const int32_t* price, const int32_t* size, Observation* found) {
  const int32_t empty = empty_price(side.sign);
  const int known = static_cast<int>(side.levels.size());
  const Level* best = side.levels.data() + known;
  int l = 0;
  while (l < known && best[-1 - l].price == price[l] && best[-1 - l].volume == size[l]) l++;
  if (l == known) {
    if (known == view_) return;
    // All that is known agrees. One more level may have come into view from beyond, unless nothing was there.
    const bool enters = price[l] != empty;
    if (enters && !side.whole) {
      side.levels.insert(side.levels.begin(), Level{price[l], kNone, kNone, size[l], size[l]});
      found->taken++;
      l++;
    }
    if (l == view_) return;
    if (price[l] == empty) {
      side.whole = true;
      return;
    }
  }
  if (found->mismatches++ == 0) {
    found->side = side.sign;
    found->level = l;
    found->price = l < known ? best[-1 - l].price : empty;
    found->size = l < known ? best[-1 - l].volume : 0;
    found->expected_price = price[l];
    found->expected_size = size[l];
  }
  seed_side(side, price, size);
}

Observation OrderBook::observe(const BookRows& venue) {
  Observation found;
  observe_side(asks_, venue.ask_price, venue.ask_size, &found);
  observe_side(bids_, venue.bid_price, venue.bid_size, &found);
  return found;
}

void OrderBook::write_side(const Side& side, int32_t* price, int32_t* size, int levels) {
  const int known = static_cast<int>(side.levels.size());
  const int count = known < levels ? known : levels;
  const Level* best = side.levels.data() + known;
  for (int l = 0; l < count; l++) {
    price[l] = best[-1 - l].price;
    size[l] = static_cast<int32_t>(best[-1 - l].volume);
  }
  for (int l = count; l < levels; l++) {
    price[l] = empty_price(side.sign);
    size[l] = 0;
  }
}

void OrderBook::write(const BookRows& to, int levels) const {
  write_side(asks_, to.ask_price, to.ask_size, levels);
  write_side(bids_, to.bid_price, to.bid_size, levels);
}

int64_t OrderBook::queue_ahead(int64_t order_id) const {
  const int32_t place = index_.find(order_id);
  if (place < 0) return -1;
  const Order& order = pool_[place];
  const Side& side = order.side > 0 ? bids_ : asks_;
  int64_t ahead = side.levels[position(side, order.price)].anonymous;
  for (int32_t p = order.previous; p != kNone; p = pool_[p].previous) ahead += pool_[p].size;
  return ahead;
}

size_t OrderBook::bytes() const {
  return pool_.capacity() * sizeof(Order) + (bids_.levels.capacity() + asks_.levels.capacity()) * sizeof(Level) +
         index_.bytes();
}

}  // namespace flashbook
