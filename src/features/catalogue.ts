/**
 * Every feature, once: name, parameters, columns, formula, source. The native table (native/book/features/definitions.cc)
 * computes them, for batches and streams alike.
 *
 * Notation. Row i is the book after event i; a, b are the best ask and bid price, A, B their sizes; level l has prices
 * a_l, b_l and sizes A_l, B_l. mid m = (a + b)/2. tick is the instrument's `tickSize`. slog(x) = sign(x)·log(1 + |x|), which
 * keeps the sign and shortens long tails. «over n» are the events i−n+1 … i.
 *
 * Where a book is not whole. Mid and spread of a one-sided book are those of the last two-sided one (before any: the best
 * price of the side that is there, and 0). An empty level has size 0 and the distance of the last level before it that is
 * there (0 if the side is empty). The best price of an empty side is what it last was (before it was, the mid of row 0). Quotients with denominator 0 are 0. Before row 0 the book is taken to have stood as it
 * is in row 0 and nothing to have happened, so windows are defined from the first row on. No feature is ever NaN.
 */
export interface FeatureKind {
  readonly name: FeatureName;
  /** Takes levels `from` … `to`. */
  readonly levels: boolean;
  /** Takes a window of `events`. */
  readonly events: boolean;
  /** The columns come once a level. */
  readonly perLevel: boolean;
  /** Stems of the columns' names. */
  readonly columns: readonly string[];
  /** What each column is in the mirror, where bids and asks change places: a column of the same kind, with − where the sign turns. */
  readonly mirror: readonly string[];
  readonly formula: string;
  readonly source: string;
}

export type FeatureName =
  | 'levels'
  | 'spread'
  | 'microprice'
  | 'imbalance'
  | 'depth'
  | 'order_flow_imbalance'
  | 'trade_imbalance'
  | 'mid_change'
  | 'past_return'
  | 'mid_deviation'
  | 'last_move'
  | 'volatility'
  | 'time_gap'
  | 'intensity'
  | 'event'
  | 'gap'
  | 'centre'
  | 'touch_deviation'
  | 'touch_change'
  | 'touch_events'
  | 'last_trade'
  | 'mid_score'
  | 'ages';

const nothing = { levels: false, events: false, perLevel: false } as const;
const levels = { ...nothing, levels: true } as const;
const window = { ...nothing, events: true } as const;

export const CATALOGUE: readonly FeatureKind[] = [
  {
    name: 'levels',
    ...levels,
    perLevel: true,
    columns: ['ask_price', 'ask_size', 'bid_price', 'bid_size'],
    mirror: ['-bid_price', 'bid_size', '-ask_price', 'ask_size'],
    formula: 'slog((a_l − m)/tick), slog(A_l), slog((b_l − m)/tick), slog(B_l) for each level',
    source:
      'the input of DeepLOB (Zhang, Zohren & Roberts 2019), made stationary: distances from the mid in place of prices',
  },
  {
    name: 'spread',
    ...nothing,
    columns: ['spread'],
    mirror: ['spread'],
    formula: 'slog((a − b)/tick)',
    source: 'quoted spread',
  },
  {
    name: 'microprice',
    ...nothing,
    columns: ['microprice'],
    mirror: ['-microprice'],
    formula: 'slog((w − m)/tick), w = (a·B + b·A)/(A + B); 0 for a one-sided book',
    source:
      'the weighted mid, first-order approximation of the micro-price (Stoikov 2018), whose own adjustment must be fitted on data',
  },
  {
    name: 'imbalance',
    ...levels,
    columns: ['imbalance'],
    mirror: ['-imbalance'],
    formula: '(ΣB_l − ΣA_l)/(ΣB_l + ΣA_l) over the levels',
    source: 'queue imbalance (Gould & Bonart 2016)',
  },
  {
    name: 'depth',
    ...levels,
    columns: ['ask_depth', 'bid_depth'],
    mirror: ['bid_depth', 'ask_depth'],
    formula: 'slog(ΣA_l), slog(ΣB_l) over the levels',
    source: 'market depth',
  },
  {
    name: 'order_flow_imbalance',
    levels: true,
    events: true,
    perLevel: false,
    columns: ['order_flow_imbalance'],
    mirror: ['-order_flow_imbalance'],
    formula:
      'slog(Σ e_l) over n and the levels, e_l = [b_l ≥ b_l′]B_l − [b_l ≤ b_l′]B_l′ − [a_l ≤ a_l′]A_l + [a_l ≥ a_l′]A_l′, ′ = the row before',
    source: 'Cont, Kukanov & Stoikov 2014; deeper levels: Xu, Gould & Howison 2018',
  },
  {
    name: 'trade_imbalance',
    ...window,
    columns: ['trade_imbalance'],
    mirror: ['-trade_imbalance'],
    formula:
      'slog(volume bought − volume sold) of the executions over n, hidden ones included; the buyer or seller is who came second',
    source: 'signed order flow (Hasbrouck 1991)',
  },
  {
    name: 'mid_change',
    ...window,
    columns: ['mid_change'],
    mirror: ['-mid_change'],
    formula: 'slog((m_i − m_{i−n})/tick)',
    source: 'price change in ticks',
  },
  {
    name: 'past_return',
    ...window,
    columns: ['past_return'],
    mirror: ['-past_return'],
    formula: '10⁴·(m_i − m_{i−n})/|m_{i−n}|, in basis points',
    source: 'simple return',
  },
  {
    name: 'mid_deviation',
    ...window,
    columns: ['mid_deviation'],
    mirror: ['-mid_deviation'],
    formula: 'slog((m_i − mean of m over n)/tick)',
    source: 'distance from the moving average, the past term of Zhang et al. 2019, eq. 4',
  },
  {
    name: 'last_move',
    ...nothing,
    columns: ['last_move', 'events_since_move'],
    mirror: ['-last_move', 'events_since_move'],
    formula:
      'slog(last change of the mid that was not 0, in ticks; 0 before any), slog(events since it, or since the first row)',
    source: 'direction and age of the last price move',
  },
  {
    name: 'volatility',
    ...window,
    columns: ['volatility'],
    mirror: ['volatility'],
    formula: 'slog(√Σ(m_j − m_{j−1})² /tick) over n',
    source: 'realised volatility (Andersen & Bollerslev 1998), event by event',
  },
  {
    name: 'time_gap',
    ...nothing,
    columns: ['time_gap'],
    mirror: ['time_gap'],
    formula: 'slog(microseconds since the event before); 0 in the first row',
    source: 'duration (Engle & Russell 1998)',
  },
  {
    name: 'intensity',
    ...window,
    columns: ['intensity'],
    mirror: ['intensity'],
    formula:
      'slog(events a second over n), at least one nanosecond taken to have passed; fewer than n events: those there are',
    source: 'arrival rate',
  },
  {
    name: 'event',
    ...nothing,
    columns: ['event_add', 'event_remove', 'event_trade', 'event_distance'],
    mirror: ['-event_add', '-event_remove', '-event_trade', 'event_distance'],
    formula:
      'slog(±size) in the column of its kind (add; cancel or delete; execution), + where it presses the price up; slog(ticks from its price to the mid, + on its own side); 0 for crosses and halts',
    source: 'the message itself, as in LOBSTER message files',
  },
  {
    name: 'gap',
    ...levels,
    perLevel: true,
    columns: ['ask_gap', 'bid_gap'],
    mirror: ['bid_gap', 'ask_gap'],
    formula:
      'slog((a_l − a_{l−1})/tick), slog((b_{l−1} − b_l)/tick) for each level, a_0 = b_0 = m; 0 for an empty level',
    source: 'holes in the book: how far the price jumps when a level is gone (Farmer et al. 2004)',
  },
  {
    name: 'centre',
    ...levels,
    columns: ['centre'],
    mirror: ['-centre'],
    formula: 'slog(((mean of a_l + mean of b_l)/2 − m)/tick) over the levels that are there; 0 where a side has none',
    source: 'the middle of the book beyond the touch (Cao, Hansch & Wang 2009)',
  },
  {
    name: 'touch_deviation',
    ...window,
    columns: ['ask_deviation', 'bid_deviation'],
    mirror: ['-bid_deviation', '-ask_deviation'],
    formula: 'slog((a_i − mean of a over n)/tick), slog((b_i − mean of b over n)/tick)',
    source: 'mid_deviation, side by side: which of the two quotes has moved',
  },
  {
    name: 'touch_change',
    ...nothing,
    columns: ['ask_change', 'events_since_ask_change', 'bid_change', 'events_since_bid_change'],
    mirror: ['-bid_change', 'events_since_bid_change', '-ask_change', 'events_since_ask_change'],
    formula:
      'slog(last change of a that was not 0, in ticks; 0 before any), slog(events since it, or since row 0); the same of b',
    source: 'age of the best quotes: young ones are withdrawn more often (Hasbrouck & Saar 2009, fleeting orders)',
  },
  {
    name: 'touch_events',
    ...window,
    columns: ['touch_adds', 'touch_removes', 'touch_trades'],
    mirror: ['-touch_adds', '-touch_removes', '-touch_trades'],
    formula:
      'slog(number of adds, of cancels and deletes, of visible executions over n), + where they press the price up; the first two of orders at the best price of their side or inside, as it is or was before the event',
    source: 'order flow by kind (Cont, Kukanov & Stoikov 2014, §2)',
  },
  {
    name: 'last_trade',
    ...nothing,
    columns: ['trade_distance', 'events_since_buy', 'events_since_sell'],
    mirror: ['-trade_distance', 'events_since_sell', 'events_since_buy'],
    formula:
      'slog((price of the last execution − m)/tick), hidden ones included (before any, the mid of row 0); slog(events since the last bought, since the last sold, or since row 0)',
    source: 'trade price and durations (Engle & Russell 1998)',
  },
  {
    name: 'mid_score',
    ...window,
    columns: ['mid_score'],
    mirror: ['-mid_score'],
    formula: '(m_i − mean of m over n)/√Σ(m_j − m_{j−1})² over n; 0 where the mid stood still',
    source: 'mid_deviation in units of volatility, as a band of Bollinger (2001) measures it',
  },
  {
    name: 'ages',
    ...nothing,
    columns: ['move_age', 'ask_age', 'bid_age', 'buy_age', 'sell_age'],
    mirror: ['move_age', 'bid_age', 'ask_age', 'sell_age', 'buy_age'],
    formula:
      'slog(microseconds since the last change of m, of a, of b, since the last execution that was bought, that was sold), or since row 0',
    source: 'durations (Engle & Russell 1998): what events_since_… counts in events, in time',
  },
];
