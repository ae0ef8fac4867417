/** Market events in columns, the readers of feeds, and the synthetic exchange. */
export { type BinanceOptions, readBinance } from './binance.js';
export type { GapPolicy } from './binance-book.js';
export * from './events.js';
export { detectFormat, FEED_NAMES, FEEDS, type Feed, type FeedName, readSession } from './feeds.js';
export { type LobsterFiles, readLobster } from './lobster.js';
export type { ReadOptions, ReadProgress } from './read-options.js';
export { type ReachableOptions, reachableAccuracy } from './synthetic/reachable-accuracy.js';
export { type SyntheticOptions, syntheticSession } from './synthetic/session.js';
