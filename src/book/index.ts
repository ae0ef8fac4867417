/** The order book: rebuilt over a whole session, or event by event. */
export { type BookObservation, OrderBook, type OrderBookOptions } from './order-book.js';
export { type RebuildOptions, type RebuiltBook, rebuildBook } from './rebuild.js';
