#include "definitions.h"

#include <algorithm>
#include <cmath>

namespace flashbook::features {
namespace {

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

// Twice a price difference, in ticks.
double ticks(const Moment& now, int64_t twice) { return static_cast<double>(twice) / (2.0 * now.tick); }

int64_t depth_of(const int64_t* depth, const Parameters& p) { return depth[p.to] - depth[p.from - 1]; }

// Distances are in ticks from the mid, asks above and bids below 0. An empty level keeps the distance of the last
// level before it that is there, and size 0; a side without any has distance 0.
void levels(const Moment& now, const Parameters& p, float* out) {
  double ask = 0;
  double bid = 0;
  for (int32_t l = 0; l < p.to; l++) {
    if (now.row.ask_size[l] > 0) ask = ticks(now, 2 * int64_t{now.row.ask_price[l]} - now.mid2);
    if (now.row.bid_size[l] > 0) bid = ticks(now, 2 * int64_t{now.row.bid_price[l]} - now.mid2);
    if (l < p.from - 1) continue;
    out[0] = static_cast<float>(ask);
    out[1] = static_cast<float>(now.row.ask_size[l]);
    out[2] = static_cast<float>(bid);
    out[3] = static_cast<float>(now.row.bid_size[l]);
    out += 4;
  }
}

void spread(const Moment& now, const Parameters&, float* out) {
  *out = static_cast<float>(ticks(now, 2 * now.spread));
}

void microprice(const Moment& now, const Parameters&, float* out) {
  const int64_t ask = now.row.ask_size[0];
  const int64_t bid = now.row.bid_size[0];
  *out = now.two_sided ? static_cast<float>(ratio(bid - ask, bid + ask) * ticks(now, now.spread)) : 0.0f;
}

void imbalance(const Moment& now, const Parameters& p, float* out) {
  const int64_t ask = depth_of(now.ask_depth, p);
  const int64_t bid = depth_of(now.bid_depth, p);
  *out = static_cast<float>(ratio(bid - ask, bid + ask));
}

void depth(const Moment& now, const Parameters& p, float* out) {
  out[0] = static_cast<float>(depth_of(now.ask_depth, p));
  out[1] = static_cast<float>(depth_of(now.bid_depth, p));
}

void order_flow_imbalance(const Moment& now, const Parameters& p, float* out) {
  const int64_t upto = now.history.sum(kFlowTotals + static_cast<size_t>(p.to) - 1, p.events);
  const int64_t before = p.from == 1 ? 0 : now.history.sum(kFlowTotals + static_cast<size_t>(p.from) - 2, p.events);
  *out = static_cast<float>(upto - before);
}

void trade_imbalance(const Moment& now, const Parameters& p, float* out) {
  *out = static_cast<float>(now.history.sum(kVolumeTotal, p.events));
}

void mid_change(const Moment& now, const Parameters& p, float* out) {
  *out = static_cast<float>(ticks(now, now.mid2 - now.history.back(p.events)[kMid2]));
}

void past_return(const Moment& now, const Parameters& p, float* out) {
  const int64_t base = now.history.back(p.events)[kMid2];
  *out = static_cast<float>(1e4 * ratio(now.mid2 - base, base < 0 ? -base : base));
}

void mid_deviation(const Moment& now, const Parameters& p, float* out) {
  const int64_t total = now.history.sum(kMid2Total, p.events);
  *out = static_cast<float>(ticks(now, p.events * now.mid2 - total) / p.events);
}

void mid_score(const Moment& now, const Parameters& p, float* out) {
  const auto squares = static_cast<uint64_t>(now.history.sum(kSquareTotal, p.events));
  const int64_t above = p.events * now.mid2 - now.history.sum(kMid2Total, p.events);
  *out = squares == 0 ? 0.0f : static_cast<float>(static_cast<double>(above) / p.events / std::sqrt(static_cast<double>(squares)));
}

void last_move(const Moment& now, const Parameters&, float* out) {
  out[0] = static_cast<float>(ticks(now, now.last_move));
  out[1] = static_cast<float>(now.since_move);
}

void volatility(const Moment& now, const Parameters& p, float* out) {
  const auto squares = static_cast<uint64_t>(now.history.sum(kSquareTotal, p.events));
  *out = static_cast<float>(std::sqrt(static_cast<double>(squares)) / (2.0 * now.tick));
}

// 0 where the clock went back.
double elapsed_since(const Moment& now, int64_t then) {
  if (now.event.time_ns <= then) return 0.0;
  return static_cast<double>(static_cast<uint64_t>(now.event.time_ns) - static_cast<uint64_t>(then));
}

double elapsed_ns(const Moment& now, int64_t events) { return elapsed_since(now, now.history.back(events)[kTime]); }

void time_gap(const Moment& now, const Parameters&, float* out) {
  *out = static_cast<float>(elapsed_ns(now, 1) / 1e3);
}

void intensity(const Moment& now, const Parameters& p, float* out) {
  const int64_t events = std::min<int64_t>(p.events, now.history.rows() - 1);
  *out = static_cast<float>(1e9 * static_cast<double>(events) / std::max(1.0, elapsed_ns(now, p.events)));
}

// Positive presses the price up: buy orders added, sell orders removed or executed.
void event(const Moment& now, const Parameters&, float* out) {
  const MarketEvent& e = now.event;
  const auto signed_size = static_cast<float>(int64_t{e.side} * e.size);
  const bool execution = e.type == kExecute || e.type == kExecuteHidden;
  const bool removal = e.type == kCancel || e.type == kDelete;
  out[0] = e.type == kAdd ? signed_size : 0.0f;
  out[1] = removal ? -signed_size : 0.0f;
  out[2] = execution ? -signed_size : 0.0f;
  const int64_t inside = e.side * (now.mid2 - 2 * int64_t{e.price});
  out[3] = e.type == kAdd || removal || execution ? static_cast<float>(ticks(now, inside)) : 0.0f;
}

// Level 1 from the mid, every other from the level before it; 0 where there is none.
void gap(const Moment& now, const Parameters& p, float* out) {
  for (int32_t l = p.from - 1; l < p.to; l++, out += 2) {
    const int64_t ask = l == 0 ? now.mid2 : 2 * int64_t{now.row.ask_price[l - 1]};
    const int64_t bid = l == 0 ? now.mid2 : 2 * int64_t{now.row.bid_price[l - 1]};
    out[0] = now.row.ask_size[l] > 0 ? static_cast<float>(ticks(now, 2 * int64_t{now.row.ask_price[l]} - ask)) : 0.0f;
    out[1] = now.row.bid_size[l] > 0 ? static_cast<float>(ticks(now, bid - 2 * int64_t{now.row.bid_price[l]})) : 0.0f;
  }
}

void centre(const Moment& now, const Parameters& p, float* out) {
  int64_t ask = 0, bid = 0, asks = 0, bids = 0;
  for (int32_t l = p.from - 1; l < p.to; l++) {
    if (now.row.ask_size[l] > 0) asks++, ask += 2 * int64_t{now.row.ask_price[l]} - now.mid2;
    if (now.row.bid_size[l] > 0) bids++, bid += 2 * int64_t{now.row.bid_price[l]} - now.mid2;
  }
  const bool both = asks > 0 && bids > 0;
  *out = both ? static_cast<float>((ticks(now, ask) / static_cast<double>(asks) + ticks(now, bid) / static_cast<double>(bids)) / 2.0) : 0.0f;
}

void touch_deviation(const Moment& now, const Parameters& p, float* out) {
  out[0] = static_cast<float>(ticks(now, p.events * now.ask.price2 - now.history.sum(kAskTotal, p.events)) / p.events);
  out[1] = static_cast<float>(ticks(now, p.events * now.bid.price2 - now.history.sum(kBidTotal, p.events)) / p.events);
}

void touch_change(const Moment& now, const Parameters&, float* out) {
  out[0] = static_cast<float>(ticks(now, now.ask.last_change));
  out[1] = static_cast<float>(now.ask.since_change);
  out[2] = static_cast<float>(ticks(now, now.bid.last_change));
  out[3] = static_cast<float>(now.bid.since_change);
}

void touch_events(const Moment& now, const Parameters& p, float* out) {
  out[0] = static_cast<float>(now.history.sum(kTouchAdds, p.events));
  out[1] = static_cast<float>(now.history.sum(kTouchRemoves, p.events));
  out[2] = static_cast<float>(now.history.sum(kTouchTrades, p.events));
}

void last_trade(const Moment& now, const Parameters&, float* out) {
  out[0] = static_cast<float>(ticks(now, now.trade2 - now.mid2));
  out[1] = static_cast<float>(now.since_buy);
  out[2] = static_cast<float>(now.since_sell);
}

void ages(const Moment& now, const Parameters&, float* out) {
  const int64_t since[] = {now.move_ns, now.ask.change_ns, now.bid.change_ns, now.buy_ns, now.sell_ns};
  for (size_t i = 0; i < 5; i++) out[i] = static_cast<float>(elapsed_since(now, since[i]) / 1e3);
}

constexpr FeatureKind kKinds[] = {
    // name                  levels events compressed a level, columns
    {"levels",               true,  false, true,  4, 0, levels},
    {"spread",               false, false, true,  0, 1, spread},
    {"microprice",           false, false, true,  0, 1, microprice},
    {"imbalance",            true,  false, false, 0, 1, imbalance},
    {"depth",                true,  false, true,  0, 2, depth},
    {"order_flow_imbalance", true,  true,  true,  0, 1, order_flow_imbalance},
    {"trade_imbalance",      false, true,  true,  0, 1, trade_imbalance},
    {"mid_change",           false, true,  true,  0, 1, mid_change},
    {"past_return",          false, true,  false, 0, 1, past_return},
    {"mid_deviation",        false, true,  true,  0, 1, mid_deviation},
    {"last_move",            false, false, true,  0, 2, last_move},
    {"volatility",           false, true,  true,  0, 1, volatility},
    {"time_gap",             false, false, true,  0, 1, time_gap},
    {"intensity",            false, true,  true,  0, 1, intensity},
    {"event",                false, false, true,  0, 4, event},
    {"gap",                  true,  false, true,  2, 0, gap},
    {"centre",               true,  false, true,  0, 1, centre},
    {"touch_deviation",      false, true,  true,  0, 2, touch_deviation},
    {"touch_change",         false, false, true,  0, 4, touch_change},
    {"touch_events",         false, true,  true,  0, 3, touch_events},
    {"last_trade",           false, false, true,  0, 3, last_trade},
    {"mid_score",            false, true,  false, 0, 1, mid_score},
    {"ages",                 false, false, true,  0, 5, ages},
    {nullptr, false, false, false, 0, 0, nullptr},
};

}  // namespace

const FeatureKind* feature_kinds() { return kKinds; }

const FeatureKind* find_feature(const std::string& name) {
  for (const FeatureKind* kind = kKinds; kind->name; kind++) {
    if (name == kind->name) return kind;
  }
  return nullptr;
}

}  // namespace flashbook::features
