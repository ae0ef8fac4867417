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
 * there (0 if the side is empty). Quotients with denominator 0 are 0. Before row 0 the book is taken to have stood as it
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
  | 'event';

const nothing = { levels: false, events: false, perLevel: false } as const;
const levels = { ...nothing, levels: true } as const;
const window = { ...nothing, events: true } as const;

export const CATALOGUE: readonly FeatureKind[] = [
  {
    name: 'levels',
    ...levels,
    perLevel: true,
    columns: ['ask_price', 'ask_size', 'bid_price', 'bid_size'],
    formula: 'slog((a_l − m)/tick), slog(A_l), slog((b_l − m)/tick), slog(B_l) for each level',
    source:
      'the input of DeepLOB (Zhang, Zohren & Roberts 2019), made stationary: distances from the mid in place of prices',
  },
  { name: 'spread', ...nothing, columns: ['spread'], formula: 'slog((a − b)/tick)', source: 'quoted spread' },
  {
    name: 'microprice',
    ...nothing,
    columns: ['microprice'],
    formula: 'slog((w − m)/tick), w = (a·B + b·A)/(A + B); 0 for a one-sided book',
    source:
      'the weighted mid, first-order approximation of the micro-price (Stoikov 2018), whose own adjustment must be fitted on data',
  },
  {
    name: 'imbalance',
    ...levels,
    columns: ['imbalance'],
    formula: '(ΣB_l − ΣA_l)/(ΣB_l + ΣA_l) over the levels',
    source: 'queue imbalance (Gould & Bonart 2016)',
  },
  {
    name: 'depth',
    ...levels,
    columns: ['ask_depth', 'bid_depth'],
    formula: 'slog(ΣA_l), slog(ΣB_l) over the levels',
    source: 'market depth',
  },
  {
    name: 'order_flow_imbalance',
    levels: true,
    events: true,
    perLevel: false,
    columns: ['order_flow_imbalance'],
    formula:
      'slog(Σ e_l) over n and the levels, e_l = [b_l ≥ b_l′]B_l − [b_l ≤ b_l′]B_l′ − [a_l ≤ a_l′]A_l + [a_l ≥ a_l′]A_l′, ′ = the row before',
    source: 'Cont, Kukanov & Stoikov 2014; deeper levels: Xu, Gould & Howison 2018',
  },
  {
    name: 'trade_imbalance',
    ...window,
    columns: ['trade_imbalance'],
    formula:
      'slog(volume bought − volume sold) of the executions over n, hidden ones included; the buyer or seller is who came second',
    source: 'signed order flow (Hasbrouck 1991)',
  },
  {
    name: 'mid_change',
    ...window,
    columns: ['mid_change'],
    formula: 'slog((m_i − m_{i−n})/tick)',
    source: 'price change in ticks',
  },
  {
    name: 'past_return',
    ...window,
    columns: ['past_return'],
    formula: '10⁴·(m_i − m_{i−n})/|m_{i−n}|, in basis points',
    source: 'simple return',
  },
  {
    name: 'mid_deviation',
    ...window,
    columns: ['mid_deviation'],
    formula: 'slog((m_i − mean of m over n)/tick)',
    source: 'distance from the moving average, the past term of Zhang et al. 2019, eq. 4',
  },
  {
    name: 'last_move',
    ...nothing,
    columns: ['last_move', 'events_since_move'],
    formula:
      'slog(last change of the mid that was not 0, in ticks; 0 before any), slog(events since it, or since the first row)',
    source: 'direction and age of the last price move',
  },
  {
    name: 'volatility',
    ...window,
    columns: ['volatility'],
    formula: 'slog(√Σ(m_j − m_{j−1})² /tick) over n',
    source: 'realised volatility (Andersen & Bollerslev 1998), event by event',
  },
  {
    name: 'time_gap',
    ...nothing,
    columns: ['time_gap'],
    formula: 'slog(microseconds since the event before); 0 in the first row',
    source: 'duration (Engle & Russell 1998)',
  },
  {
    name: 'intensity',
    ...window,
    columns: ['intensity'],
    formula:
      'slog(events a second over n), at least one nanosecond taken to have passed; fewer than n events: those there are',
    source: 'arrival rate',
  },
  {
    name: 'event',
    ...nothing,
    columns: ['event_add', 'event_remove', 'event_trade', 'event_distance'],
    formula:
      'slog(±size) in the column of its kind (add; cancel or delete; execution), + where it presses the price up; slog(ticks from its price to the mid, + on its own side); 0 for crosses and halts',
    source: 'the message itself, as in LOBSTER message files',
  },
];
