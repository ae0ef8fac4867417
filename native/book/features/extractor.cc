#include "extractor.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "signed_log.h"

namespace flashbook::features {
namespace {

[[noreturn]] void refuse(const Definition& definition, const std::string& why) {
  throw std::invalid_argument("feature '" + definition.name + "': " + why);
}

const FeatureKind& checked_kind(const Definition& definition, int levels) {
  const FeatureKind* kind = find_feature(definition.name);
  if (!kind) refuse(definition, "there is no feature of that name");
  const Parameters& p = definition.parameters;
  if (kind->takes_levels ? (p.from < 1 || p.to < p.from || p.to > levels) : (p.from != 0 || p.to != 0)) {
    refuse(definition, "levels " + std::to_string(p.from) + " to " + std::to_string(p.to) + " of " + std::to_string(levels));
  }
  if (kind->takes_events ? (p.events < 1 || p.events > kLongestWindow) : p.events != 0) {
    refuse(definition, "a window of " + std::to_string(p.events) + " events");
  }
  return *kind;
}

int64_t longest_window(const std::vector<Definition>& definitions) {
  int64_t longest = 1;
  for (const Definition& d : definitions) {
    longest = std::max<int64_t>(longest, std::min(d.parameters.events, kLongestWindow));
  }
  return longest;
}

// Order-flow imbalance of one side's level, seen from a buyer: what came to a price at least as good as before, less
// what was at a price at least as good as now (Cont, Kukanov & Stoikov 2014, eq. 1–3). `sign` turns asks around.
int64_t level_flow(int64_t price, int64_t size, int64_t old_price, int64_t old_size, int64_t sign) {
  const int64_t better = sign * (price - old_price);
  return (better >= 0 ? size : 0) - (better <= 0 ? old_size : 0);
}

// Order flow is remembered of no more levels than a feature asks for.
int flow_levels(const std::vector<Definition>& definitions, int levels) {
  int deepest = 0;
  for (const Definition& d : definitions) {
    const FeatureKind* kind = find_feature(d.name);
    if (kind && kind->takes_levels && kind->takes_events) deepest = std::max(deepest, std::min(d.parameters.to, levels));
  }
  return deepest;
}

}  // namespace

FeatureExtractor::FeatureExtractor(const std::vector<Definition>& definitions, int levels, int64_t tick_size)
    : levels_(levels),
      flow_levels_(flow_levels(definitions, levels)),
      history_(flow_levels_, longest_window(definitions)),
      now_(history_) {
  if (levels < 1) throw std::invalid_argument("a book of " + std::to_string(levels) + " levels");
  if (tick_size < 1) throw std::invalid_argument("a tick of " + std::to_string(tick_size));
  for (const Definition& d : definitions) columns_ += static_cast<size_t>(checked_kind(d, levels).column_count(d.parameters));
  raw_.assign((columns_ + 7) / 8 * 8, 0.0f);
  for (const Definition& d : definitions) {
    const FeatureKind& kind = *find_feature(d.name);
    bound_.push_back({kind.write, d.parameters, raw_.data() + compressed_.size()});
    const auto count = static_cast<size_t>(kind.column_count(d.parameters));
    compressed_.insert(compressed_.end(), count, kind.compressed ? ~uint32_t{0} : 0);
  }
  compressed_.resize(raw_.size(), 0);
  previous_.assign(static_cast<size_t>(flow_levels_) * 4, 0);
  depths_.assign(2 * (static_cast<size_t>(levels) + 1), 0);
  now_.ask_depth = depths_.data();
  now_.bid_depth = depths_.data() + levels + 1;
  now_.tick = static_cast<double>(tick_size);
}

void FeatureExtractor::reset() {
  history_.clear();
  now_.mid2 = now_.spread = now_.last_move = now_.since_move = 0;
  now_.ask = now_.bid = {};
  now_.trade2 = now_.since_buy = now_.since_sell = 0;
}

// The mid and spread of a one-sided book are those of the last two-sided one; before any, the mid is the best price of
// the side that is there, and the spread 0.
void FeatureExtractor::observe_mid(int64_t time_ns, const BookRow& row) {
  const bool ask = row.ask_size[0] > 0;
  const bool bid = row.bid_size[0] > 0;
  const bool first = history_.rows() == 0;
  int64_t mid2 = now_.mid2;
  if (ask && bid) {
    mid2 = int64_t{row.ask_price[0]} + row.bid_price[0];
    now_.spread = int64_t{row.ask_price[0]} - row.bid_price[0];
  } else if (first && (ask || bid)) {
    mid2 = 2 * int64_t{ask ? row.ask_price[0] : row.bid_price[0]};
  }
  const int64_t move = first ? 0 : mid2 - now_.mid2;
  now_.two_sided = ask && bid;
  now_.since_move = move != 0 || first ? 0 : now_.since_move + 1;
  if (move != 0) now_.last_move = move;
  if (now_.since_move == 0) now_.move_ns = time_ns;
  now_.mid2 = mid2;
  observe_touch(&now_.ask, time_ns, ask, row.ask_price[0]);
  observe_touch(&now_.bid, time_ns, bid, row.bid_price[0]);
}

void FeatureExtractor::observe_touch(Touch* touch, int64_t time_ns, bool there, int64_t price) {
  const bool first = history_.rows() == 0;
  const int64_t price2 = there ? 2 * price : first ? now_.mid2 : touch->price2;
  touch->before2 = first ? price2 : touch->price2;
  touch->price2 = price2;
  const int64_t change = price2 - touch->before2;
  touch->since_change = change != 0 || first ? 0 : touch->since_change + 1;
  if (change != 0) touch->last_change = change;
  if (touch->since_change == 0) touch->change_ns = time_ns;
}

void FeatureExtractor::observe_trade(const MarketEvent& event) {
  const bool first = history_.rows() == 0;
  const bool execution = event.type == kExecute || event.type == kExecuteHidden;
  now_.since_buy = first || (execution && event.side < 0) ? 0 : now_.since_buy + 1;
  now_.since_sell = first || (execution && event.side > 0) ? 0 : now_.since_sell + 1;
  if (now_.since_buy == 0) now_.buy_ns = event.time_ns;
  if (now_.since_sell == 0) now_.sell_ns = event.time_ns;
  if (first) now_.trade2 = now_.mid2;
  if (execution) now_.trade2 = 2 * int64_t{event.price};
}

void FeatureExtractor::sum_depths(const BookRow& row) {
  const auto levels = static_cast<size_t>(levels_);
  int64_t* ask = depths_.data();
  int64_t* bid = ask + levels + 1;
  for (size_t l = 0; l < levels; l++) {
    ask[l + 1] = ask[l] + row.ask_size[l];
    bid[l + 1] = bid[l] + row.bid_size[l];
  }
}

// At the best price of its side or inside, as it is or was before the event.
bool FeatureExtractor::at_touch(const MarketEvent& event) const {
  const int64_t price2 = 2 * int64_t{event.price};
  return event.side > 0 ? price2 >= std::min(now_.bid.price2, now_.bid.before2) : price2 <= std::max(now_.ask.price2, now_.ask.before2);
}

// Adds the row to the history, with all running totals.
void FeatureExtractor::remember(const MarketEvent& event, const BookRow& row) {
  const bool first = history_.rows() == 0;
  const auto levels = static_cast<size_t>(flow_levels_);
  int32_t* ask_price = previous_.data();
  int32_t* ask_size = ask_price + levels;
  int32_t* bid_price = ask_size + levels;
  int32_t* bid_size = bid_price + levels;

  int64_t* current = history_.append(event.time_ns, now_.mid2, now_.ask.price2, now_.bid.price2);
  const int64_t* before = history_.back(1);
  const auto change = static_cast<uint64_t>(now_.mid2 - before[kMid2]);
  current[kMid2Total] = before[kMid2Total] + now_.mid2;
  current[kSquareTotal] = static_cast<int64_t>(static_cast<uint64_t>(before[kSquareTotal]) + change * change);
  const bool execution = event.type == kExecute || event.type == kExecuteHidden;
  current[kVolumeTotal] = before[kVolumeTotal] - (execution ? int64_t{event.side} * event.size : 0);

  current[kAskTotal] = before[kAskTotal] + now_.ask.price2;
  current[kBidTotal] = before[kBidTotal] + now_.bid.price2;
  const int64_t side = at_touch(event) ? event.side : 0;
  const bool removal = event.type == kCancel || event.type == kDelete;
  current[kTouchAdds] = before[kTouchAdds] + (event.type == kAdd ? side : 0);
  current[kTouchRemoves] = before[kTouchRemoves] - (removal ? side : 0);
  current[kTouchTrades] = before[kTouchTrades] - (event.type == kExecute ? event.side : 0);

  int64_t flow = 0;
  for (size_t l = 0; l < levels; l++) {
    if (!first) {
      flow += level_flow(row.bid_price[l], row.bid_size[l], bid_price[l], bid_size[l], 1) -
              level_flow(row.ask_price[l], row.ask_size[l], ask_price[l], ask_size[l], -1);
    }
    current[kFlowTotals + l] = before[kFlowTotals + l] + flow;
  }
  if (levels == 0) return;
  std::memcpy(ask_price, row.ask_price, levels * sizeof(int32_t));
  std::memcpy(ask_size, row.ask_size, levels * sizeof(int32_t));
  std::memcpy(bid_price, row.bid_price, levels * sizeof(int32_t));
  std::memcpy(bid_size, row.bid_size, levels * sizeof(int32_t));
}

void FeatureExtractor::update(const MarketEvent& event, const BookRow& row, float* out) {
  observe_mid(event.time_ns, row);
  observe_trade(event);
  sum_depths(row);
  remember(event, row);
  now_.event = event;
  now_.row = row;
  for (const Bound& feature : bound_) feature.write(now_, feature.parameters, feature.out);

  // Over the padding too, so that the loop has no remainder.
  float* row_out = raw_.data();
  const uint32_t* compressed = compressed_.data();
  for (size_t c = 0; c < raw_.size(); c++) {
    const uint32_t logarithm = bits_of(signed_log(row_out[c]));
    row_out[c] = float_of((logarithm & compressed[c]) | (bits_of(row_out[c]) & ~compressed[c]));
  }
  std::memcpy(out, row_out, columns_ * sizeof(float));
}

}  // namespace flashbook::features
