#include "cuda/features/features.h"

#include "cuda/runtime/launch.h"

namespace flashbook::cuda::features {
namespace {

constexpr int kWarps = kThreads / 32;
constexpr int kTileRows = 32;
constexpr size_t kMostTileBytes = 48 << 10;
enum EventType : uint8_t { kAdd = 1, kCancel = 2, kDelete = 3, kExecute = 4, kExecuteHidden = 5 };

// One column an entry of `memory`, `rows` long each.
// The touch comes twice, asks before bids: best price, its total, last change, events since it.
enum Column {
  kMid2, kSpread, kLastMove, kSinceMove, kMid2Total, kSquareTotal, kVolumeTotal,
  kAsk2, kAskTotal, kAskChange, kAskSince, kBid2, kBidTotal, kBidChange, kBidSince,
  kTouchAdds, kTouchRemoves, kTouchTrades, kTrade2, kSinceBuy, kSinceSell, kFlowTotals
};
static_assert(kFlowTotals == kScanned);

struct Sum { __device__ static int64_t combine(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)); } };
struct Largest { __device__ static int64_t combine(int64_t a, int64_t b) { return a > b ? a : b; } };

// Inclusive scan over the block, after `carry`; returns this thread's value and leaves the last thread's in `carry`.
template <class Op> __device__ int64_t block_scan(int64_t value, int64_t& carry, int64_t* shared) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int offset = 1; offset < 32; offset *= 2) {
    const int64_t before = __shfl_up_sync(0xffffffffu, value, offset);
    if (lane >= offset) value = Op::combine(before, value);
  }
  if (lane == 31) shared[warp] = value;
  __syncthreads();
  int64_t before = carry, total = carry;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) {
    if (w == warp) before = total;
    total = Op::combine(total, shared[w]);
  }
  __syncthreads();
  carry = total;
  return Op::combine(before, value);
}

__device__ __forceinline__ bool two_sided(const Session& s, int64_t row) {
  return s.ask_size[row * s.levels] > 0 && s.bid_size[row * s.levels] > 0;
}

// Twice the mid of a row that is two-sided or the first of its segment.
__device__ __forceinline__ int64_t mid2_of(const Session& s, int64_t row) {
  const int64_t at = row * s.levels;
  const bool ask = s.ask_size[at] > 0, bid = s.bid_size[at] > 0;
  if (ask && bid) return int64_t{s.ask_price[at]} + s.bid_price[at];
  if (ask || bid) return 2 * int64_t{ask ? s.ask_price[at] : s.bid_price[at]};
  return 0;
}

// Order-flow imbalance of one side's level (Cont, Kukanov & Stoikov 2014, eq. 1–3).
__device__ __forceinline__ int64_t level_flow(int64_t price, int64_t size, int64_t old_price, int64_t old_size, int64_t sign) {
  const int64_t better = sign * (price - old_price);
  return (better >= 0 ? size : 0) - (better <= 0 ? old_size : 0);
}

__device__ __forceinline__ int64_t& cell(const Session& s, int64_t* memory, int column, int64_t row) {
  return memory[static_cast<int64_t>(column) * s.rows + row];
}

// The best price of a side, into the four columns from `base` on. Empty: what it last was; before it was, the mid of the first row.
__device__ void scan_touch(const Session& s, int64_t* memory, int64_t first, int64_t end, const int32_t* sizes, const int32_t* prices, int base,
                           int64_t* shared) {
  int64_t known = -1, changed = -1, total = 0;
  for (int64_t start = first; start < end; start += kThreads) {
    const int64_t row = start + threadIdx.x;
    const bool here = row < end;
    const int64_t source = block_scan<Largest>(here && sizes[row * s.levels] > 0 ? row : -1, known, shared);
    const int64_t price2 = source < 0 ? mid2_of(s, first) : 2 * int64_t{prices[source * s.levels]};
    if (here) cell(s, memory, base, row) = price2;
    __syncthreads();   // the row before may be another thread's
    const int64_t change = here && row > first ? price2 - cell(s, memory, base, row - 1) : 0;
    const int64_t last = block_scan<Largest>(change != 0 ? row : -1, changed, shared);
    const int64_t sum = block_scan<Sum>(here ? price2 : 0, total, shared);
    if (!here) continue;
    cell(s, memory, base + 1, row) = sum;
    cell(s, memory, base + 2, row) = last < 0 ? 0 : cell(s, memory, base, last) - cell(s, memory, base, last - 1);
    cell(s, memory, base + 3, row) = row - (last < 0 ? first : last);
  }
}

// What happened at the touch, and the last trades.
__device__ void scan_orders(const Session& s, int64_t* memory, int64_t first, int64_t end, int64_t* shared) {
  int64_t adds = 0, removes = 0, trades = 0, traded = -1, bought = -1, sold = -1;
  for (int64_t start = first; start < end; start += kThreads) {
    const int64_t row = start + threadIdx.x;
    const bool here = row < end;
    const uint8_t type = here ? s.type[row] : 0;
    const int64_t side = here ? s.side[row] : 0;
    int64_t pressed = 0;
    if (here) {
      const int64_t before = row > first ? row - 1 : row, price2 = 2 * int64_t{s.price[row]};
      const int64_t bid = cell(s, memory, kBid2, row), bid_before = cell(s, memory, kBid2, before);
      const int64_t ask = cell(s, memory, kAsk2, row), ask_before = cell(s, memory, kAsk2, before);
      const bool touch = side > 0 ? price2 >= (bid < bid_before ? bid : bid_before) : price2 <= (ask > ask_before ? ask : ask_before);
      pressed = touch ? side : 0;
    }
    const bool execution = type == kExecute || type == kExecuteHidden;
    const int64_t add_total = block_scan<Sum>(type == kAdd ? pressed : 0, adds, shared);
    const int64_t remove_total = block_scan<Sum>(type == kCancel || type == kDelete ? -pressed : 0, removes, shared);
    const int64_t trade_total = block_scan<Sum>(type == kExecute ? -side : 0, trades, shared);
    const int64_t last = block_scan<Largest>(execution ? row : -1, traded, shared);
    const int64_t buy = block_scan<Largest>(execution && side < 0 ? row : -1, bought, shared);
    const int64_t sell = block_scan<Largest>(execution && side > 0 ? row : -1, sold, shared);
    if (!here) continue;
    cell(s, memory, kTouchAdds, row) = add_total;
    cell(s, memory, kTouchRemoves, row) = remove_total;
    cell(s, memory, kTouchTrades, row) = trade_total;
    cell(s, memory, kTrade2, row) = last < 0 ? cell(s, memory, kMid2, first) : 2 * int64_t{s.price[last]};
    cell(s, memory, kSinceBuy, row) = row - (buy < 0 ? first : buy);
    cell(s, memory, kSinceSell, row) = row - (sell < 0 ? first : sell);
  }
}

// One block a segment.
__global__ void __launch_bounds__(kThreads) scan_segments(Session s, int64_t* memory) {
  __shared__ int64_t shared[kWarps];
  const int64_t first = s.segment_starts[blockIdx.x];
  const int64_t end = static_cast<int>(blockIdx.x) + 1 < s.segments ? s.segment_starts[blockIdx.x + 1] : s.rows;
  const auto column = [&](int c, int64_t row) -> int64_t& { return memory[static_cast<int64_t>(c) * s.rows + row]; };
  int64_t known = first, moved = -1, mid2_total = 0, squares = 0, volume = 0;
  for (int64_t base = first; base < end; base += kThreads) {
    const int64_t row = base + threadIdx.x;
    const bool here = row < end;
    // The last row up to this one whose mid is known by itself.
    const int64_t source = block_scan<Largest>(here && two_sided(s, row) ? row : first, known, shared);
    int64_t mid2 = 0, move = 0;
    if (here) {
      mid2 = mid2_of(s, source);
      const int64_t at = source * s.levels;
      column(kMid2, row) = mid2;
      column(kSpread, row) = two_sided(s, source) ? int64_t{s.ask_price[at]} - s.bid_price[at] : 0;
    }
    __syncthreads();   // the row before may be another thread's
    if (here && row > first) move = mid2 - column(kMid2, row - 1);
    const int64_t last = block_scan<Largest>(move != 0 ? row : -1, moved, shared);
    if (here) {
      column(kLastMove, row) = last < 0 ? 0 : column(kMid2, last) - column(kMid2, last - 1);
      column(kSinceMove, row) = row - (last < 0 ? first : last);
    }
    const int64_t total = block_scan<Sum>(mid2, mid2_total, shared);
    const auto change = static_cast<uint64_t>(move);
    const int64_t square_total = block_scan<Sum>(static_cast<int64_t>(change * change), squares, shared);
    int64_t traded = 0;
    if (here && (s.type[row] == kExecute || s.type[row] == kExecuteHidden)) traded = -(int64_t{s.side[row]} * s.size[row]);
    const int64_t volume_total = block_scan<Sum>(traded, volume, shared);
    if (here) {
      column(kMid2Total, row) = total;
      column(kSquareTotal, row) = square_total;
      column(kVolumeTotal, row) = volume_total;
    }
  }
  scan_touch(s, memory, first, end, s.ask_size, s.ask_price, kAsk2, shared);
  scan_touch(s, memory, first, end, s.bid_size, s.bid_price, kBid2, shared);
  scan_orders(s, memory, first, end, shared);
  // Order flow, level by level: the totals of level m include those of the levels before it.
  for (int level = 0; level < s.flow_levels; ++level) {
    int64_t carry = 0;
    for (int64_t base = first; base < end; base += kThreads) {
      const int64_t row = base + threadIdx.x;
      int64_t flow = 0;
      if (row < end && row > first) {
        const int64_t now = row * s.levels + level, then = now - s.levels;
        flow = level_flow(s.bid_price[now], s.bid_size[now], s.bid_price[then], s.bid_size[then], 1) -
               level_flow(s.ask_price[now], s.ask_size[now], s.ask_price[then], s.ask_size[then], -1);
      }
      const int64_t total = block_scan<Sum>(flow, carry, shared);
      if (row < end) column(kFlowTotals + level, row) = total + (level == 0 ? 0 : column(kFlowTotals + level - 1, row));
    }
  }
}

// The twin of native/book/features/signed_log.h: no product is fused with a sum.
__device__ __forceinline__ float signed_log(float x) {
  constexpr uint32_t kSign = 0x80000000u, kOne = 0x3f800000u, kRootHalf = 0x3f3504f3u;
  const uint32_t shifted = __float_as_uint(1.0f + __uint_as_float(__float_as_uint(x) & ~kSign)) - kRootHalf + kOne;
  const auto exponent = static_cast<float>(static_cast<int32_t>(shifted >> 23) - 127);
  const float m = __uint_as_float((shifted & 0x007fffffu) + kRootHalf);
  const float s = (m - 1.0f) / (m + 1.0f);
  const float t = s * s, t2 = t * t;
  const float low = __fadd_rn(1.0f, __fmul_rn(t, 1.0f / 3));
  const float high = __fadd_rn(1.0f / 5, __fmul_rn(t, 1.0f / 7));
  const float series = __fadd_rn(low, __fmul_rn(t2, __fadd_rn(high, __fmul_rn(t2, 1.0f / 9))));
  const float value = __fadd_rn(__fmul_rn(exponent, 0.693147181f), __fmul_rn(__fmul_rn(2.0f, s), series));
  return __uint_as_float(__float_as_uint(value) | (__float_as_uint(x) & kSign));
}

// What a feature sees of one row.
struct Moment {
  const Session& s;
  const int64_t* memory;
  int64_t row, first;
  double tick;

  __device__ int64_t at(int column, int64_t r) const { return memory[static_cast<int64_t>(column) * s.rows + r]; }
  __device__ int64_t now(int column) const { return at(column, row); }
  // Before the first row the book stood as it is there.
  __device__ int64_t mid2_back(int64_t events) const { return at(kMid2, row - events < first ? first : row - events); }
  __device__ int64_t time_back(int64_t events) const { return s.time_ns[row - events < first ? first : row - events]; }
  __device__ int64_t sum(int column, int64_t events) const {
    const int64_t then = row - events;
    // Nothing had happened before the first row, but the prices had stood: their total is 0 just before, and less by a price an event.
    const int price = column == kMid2Total ? kMid2 : column == kAskTotal ? kAsk2 : column == kBidTotal ? kBid2 : -1;
    const int64_t before = then >= first ? at(column, then) : price >= 0 ? (then + 1 - first) * at(price, first) : 0;
    return static_cast<int64_t>(static_cast<uint64_t>(now(column)) - static_cast<uint64_t>(before));
  }
  __device__ double ticks(int64_t twice) const { return static_cast<double>(twice) / (2.0 * tick); }
  // Sizes of levels from … to together.
  __device__ int64_t depth(const int32_t* sizes, const Definition& d) const {
    int64_t sum = 0;
    for (int l = d.from - 1; l < d.to; ++l) sum += sizes[row * s.levels + l];
    return sum;
  }
  // 0 where the clock went back.
  __device__ double elapsed_ns(int64_t events) const {
    const int64_t then = time_back(events), time = s.time_ns[row];
    return time <= then ? 0.0 : static_cast<double>(static_cast<uint64_t>(time) - static_cast<uint64_t>(then));
  }
};

__device__ __forceinline__ double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

__device__ void write_levels(const Moment& m, const Definition& d, float* out) {
  const Session& s = m.s;
  const int64_t mid2 = m.now(kMid2);
  double ask = 0, bid = 0;
  for (int l = 0; l < d.to; ++l) {
    const int64_t at = m.row * s.levels + l;
    if (s.ask_size[at] > 0) ask = m.ticks(2 * int64_t{s.ask_price[at]} - mid2);
    if (s.bid_size[at] > 0) bid = m.ticks(2 * int64_t{s.bid_price[at]} - mid2);
    if (l < d.from - 1) continue;
    out[0] = static_cast<float>(ask);
    out[1] = static_cast<float>(s.ask_size[at]);
    out[2] = static_cast<float>(bid);
    out[3] = static_cast<float>(s.bid_size[at]);
    out += 4;
  }
}

// Positive presses the price up: buy orders added, sell orders removed or executed.
__device__ void write_event(const Moment& m, float* out) {
  const Session& s = m.s;
  const uint8_t type = s.type[m.row];
  const int64_t side = s.side[m.row];
  const auto signed_size = static_cast<float>(side * s.size[m.row]);
  const bool execution = type == kExecute || type == kExecuteHidden, removal = type == kCancel || type == kDelete;
  out[0] = type == kAdd ? signed_size : 0.0f;
  out[1] = removal ? -signed_size : 0.0f;
  out[2] = execution ? -signed_size : 0.0f;
  const int64_t inside = side * (m.now(kMid2) - 2 * int64_t{s.price[m.row]});
  out[3] = type == kAdd || removal || execution ? static_cast<float>(m.ticks(inside)) : 0.0f;
}

__device__ void write_gap(const Moment& m, const Definition& d, float* out) {
  const Session& s = m.s;
  for (int l = d.from - 1; l < d.to; ++l, out += 2) {
    const int64_t at = m.row * s.levels + l;
    const int64_t ask = l == 0 ? m.now(kMid2) : 2 * int64_t{s.ask_price[at - 1]};
    const int64_t bid = l == 0 ? m.now(kMid2) : 2 * int64_t{s.bid_price[at - 1]};
    out[0] = s.ask_size[at] > 0 ? static_cast<float>(m.ticks(2 * int64_t{s.ask_price[at]} - ask)) : 0.0f;
    out[1] = s.bid_size[at] > 0 ? static_cast<float>(m.ticks(bid - 2 * int64_t{s.bid_price[at]})) : 0.0f;
  }
}

__device__ void write_centre(const Moment& m, const Definition& d, float* out) {
  const Session& s = m.s;
  int64_t ask = 0, bid = 0, asks = 0, bids = 0;
  for (int l = d.from - 1; l < d.to; ++l) {
    const int64_t at = m.row * s.levels + l;
    if (s.ask_size[at] > 0) asks++, ask += 2 * int64_t{s.ask_price[at]} - m.now(kMid2);
    if (s.bid_size[at] > 0) bids++, bid += 2 * int64_t{s.bid_price[at]} - m.now(kMid2);
  }
  const bool both = asks > 0 && bids > 0;
  *out = both ? static_cast<float>(
                    __dadd_rn(m.ticks(ask) / static_cast<double>(asks), m.ticks(bid) / static_cast<double>(bids)) / 2.0)
              : 0.0f;
}

// The formulas of native/book/features/definitions.cc.
__device__ void write(const Moment& m, const Definition& d, float* out) {
  const Session& s = m.s;
  const int64_t best = m.row * s.levels;
  switch (d.kind) {
    case Kind::levels: write_levels(m, d, out); break;
    case Kind::spread: *out = static_cast<float>(m.ticks(2 * m.now(kSpread))); break;
    case Kind::microprice: {
      const int64_t ask = s.ask_size[best], bid = s.bid_size[best];
      *out = ask > 0 && bid > 0 ? static_cast<float>(ratio(bid - ask, bid + ask) * m.ticks(m.now(kSpread))) : 0.0f;
      break;
    }
    case Kind::imbalance: {
      const int64_t ask = m.depth(s.ask_size, d), bid = m.depth(s.bid_size, d);
      *out = static_cast<float>(ratio(bid - ask, bid + ask));
      break;
    }
    case Kind::depth:
      out[0] = static_cast<float>(m.depth(s.ask_size, d));
      out[1] = static_cast<float>(m.depth(s.bid_size, d));
      break;
    case Kind::order_flow_imbalance: {
      const int64_t upto = m.sum(kFlowTotals + d.to - 1, d.events);
      const int64_t before = d.from == 1 ? 0 : m.sum(kFlowTotals + d.from - 2, d.events);
      *out = static_cast<float>(upto - before);
      break;
    }
    case Kind::trade_imbalance: *out = static_cast<float>(m.sum(kVolumeTotal, d.events)); break;
    case Kind::mid_change: *out = static_cast<float>(m.ticks(m.now(kMid2) - m.mid2_back(d.events))); break;
    case Kind::past_return: {
      const int64_t base = m.mid2_back(d.events);
      *out = static_cast<float>(1e4 * ratio(m.now(kMid2) - base, base < 0 ? -base : base));
      break;
    }
    case Kind::mid_deviation:
      *out = static_cast<float>(m.ticks(d.events * m.now(kMid2) - m.sum(kMid2Total, d.events)) / d.events);
      break;
    case Kind::last_move:
      out[0] = static_cast<float>(m.ticks(m.now(kLastMove)));
      out[1] = static_cast<float>(m.now(kSinceMove));
      break;
    case Kind::volatility: {
      const auto squares = static_cast<uint64_t>(m.sum(kSquareTotal, d.events));
      *out = static_cast<float>(sqrt(static_cast<double>(squares)) / (2.0 * m.tick));
      break;
    }
    case Kind::time_gap: *out = static_cast<float>(m.elapsed_ns(1) / 1e3); break;
    case Kind::intensity: {
      const int64_t seen = m.row - m.first, events = d.events < seen ? d.events : seen;
      const double elapsed = m.elapsed_ns(d.events);
      *out = static_cast<float>(1e9 * static_cast<double>(events) / (elapsed > 1.0 ? elapsed : 1.0));
      break;
    }
    case Kind::event: write_event(m, out); break;
    case Kind::gap: write_gap(m, d, out); break;
    case Kind::centre: write_centre(m, d, out); break;
    case Kind::touch_deviation:
      out[0] = static_cast<float>(m.ticks(d.events * m.now(kAsk2) - m.sum(kAskTotal, d.events)) / d.events);
      out[1] = static_cast<float>(m.ticks(d.events * m.now(kBid2) - m.sum(kBidTotal, d.events)) / d.events);
      break;
    case Kind::touch_change:
      out[0] = static_cast<float>(m.ticks(m.now(kAskChange)));
      out[1] = static_cast<float>(m.now(kAskSince));
      out[2] = static_cast<float>(m.ticks(m.now(kBidChange)));
      out[3] = static_cast<float>(m.now(kBidSince));
      break;
    case Kind::touch_events:
      out[0] = static_cast<float>(m.sum(kTouchAdds, d.events));
      out[1] = static_cast<float>(m.sum(kTouchRemoves, d.events));
      out[2] = static_cast<float>(m.sum(kTouchTrades, d.events));
      break;
    case Kind::last_trade:
      out[0] = static_cast<float>(m.ticks(m.now(kTrade2) - m.now(kMid2)));
      out[1] = static_cast<float>(m.now(kSinceBuy));
      out[2] = static_cast<float>(m.now(kSinceSell));
      break;
    case Kind::mid_score: {
      const auto squares = static_cast<uint64_t>(m.sum(kSquareTotal, d.events));
      const int64_t above = d.events * m.now(kMid2) - m.sum(kMid2Total, d.events);
      *out = squares == 0 ? 0.0f : static_cast<float>(static_cast<double>(above) / d.events / sqrt(static_cast<double>(squares)));
      break;
    }
    case Kind::ages: {
      constexpr int since[] = {kSinceMove, kAskSince, kBidSince, kSinceBuy, kSinceSell};
#pragma unroll
      for (int i = 0; i < 5; ++i) out[i] = static_cast<float>(m.elapsed_ns(m.now(since[i])) / 1e3);
      break;
    }
    case Kind::count: break;
  }
  if (d.compressed == 0) return;
  for (int c = 0; c < d.columns; ++c) out[c] = signed_log(out[c]);
}

// The segment of a row: the last that starts at or before it.
__device__ __forceinline__ int64_t segment_start(const Session& s, int64_t row) {
  int low = 0, high = s.segments - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (s.segment_starts[middle] <= row) low = middle;
    else high = middle - 1;
  }
  return s.segment_starts[low];
}

// A block writes kTileRows rows: a lane a row, a warp a definition at a time. Staged: through shared memory.
// Two blocks a multiprocessor at least: with fewer registers than that leaves, the float64 divisions would spill.
template <bool staged>
__global__ void __launch_bounds__(kThreads, 2) write_rows(Session s, const Definition* definitions, int32_t count, int32_t columns,
                                                       double tick, const int64_t* memory, float* out) {
  extern __shared__ float tile[];
  const int lane = threadIdx.x % 32, stride = columns | 1;
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kTileRows, row = first_row + lane;
  if (row < s.rows) {
    const Moment moment{s, memory, row, segment_start(s, row), tick};
    for (int i = threadIdx.x / 32; i < count; i += kWarps) {
      const Definition d = definitions[i];
      write(moment, d, (staged ? tile + lane * stride : out + row * columns) + d.column);
    }
  }
  if (!staged) return;
  __syncthreads();
  const int64_t rows = s.rows - first_row < kTileRows ? s.rows - first_row : kTileRows;
  for (int i = threadIdx.x; i < rows * columns; i += kThreads) {
    out[first_row * columns + i] = tile[i / columns * stride + i % columns];
  }
}

}  // namespace

cudaError_t extract(const Session& session, const Definition* definitions, int32_t count, int32_t columns, int64_t tick_size,
                    int64_t* memory, float* out, cudaStream_t stream) {
  if (session.rows == 0 || columns == 0) return cudaSuccess;
  scan_segments<<<static_cast<unsigned>(session.segments), kThreads, 0, stream>>>(session, memory);
  const auto blocks = static_cast<unsigned>((session.rows + kTileRows - 1) / kTileRows);
  const size_t tile_bytes = static_cast<size_t>(columns | 1) * kTileRows * sizeof(float);
  const double tick = static_cast<double>(tick_size);
  if (tile_bytes <= kMostTileBytes) {
    write_rows<true><<<blocks, kThreads, tile_bytes, stream>>>(session, definitions, count, columns, tick, memory, out);
  } else {
    write_rows<false><<<blocks, kThreads, 0, stream>>>(session, definitions, count, columns, tick, memory, out);
  }
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda::features
