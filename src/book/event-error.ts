import { type ErrorDetails, FlashbookError } from '../core/errors.js';
import type { BookFault } from '../native/book.js';

/** One market event as plain values, for a book that is fed event by event. */
export interface MarketEvent {
  /** Nanoseconds, never going back. */
  timeNs: bigint;
  /** An `EventType`. */
  type: number;
  orderId: bigint;
  /** +1 a buy order (bid), −1 a sell order (ask). */
  side: number;
  /** Integer ticks. */
  price: number;
  /** Integer lots. */
  size: number;
}

/**
 * The error for an event that the book refused.
 * @param where file, generator or stream; with `row` counted from 1, as the lines of a file
 * @param held what the book held against the event (native/book/order_book.h tells it for each fault)
 */
export function eventError(
  where: string,
  row: number,
  event: MarketEvent,
  fault: BookFault,
  held: number,
): FlashbookError {
  const { timeNs, type, orderId, side, price, size } = event;
  const order = `order ${orderId}`;
  const at = `${side > 0 ? 'bid' : 'ask'} level ${price}`;
  const [column, value, problem] = ((): [string, string | number | bigint, string] => {
    switch (fault) {
      case 'timeBack':
        return ['time', timeNs, `time goes back: ${timeNs} ns after ${held} ns`];
      case 'unknownType':
        return ['type', type, `expected an event type from 1 to 7, found ${type}`];
      case 'badSide':
        return ['side', side, `expected side 1 (bid) or -1 (ask), found ${side}`];
      case 'badSize':
        return ['size', size, `expected a positive size, found ${size}`];
      case 'badPrice':
        return ['price', price, `expected a price from 1 to 2147483646, found ${price}`];
      case 'duplicateOrder':
        return ['orderId', orderId, `${order} is added although it is in the book already`];
      case 'crossed':
        return [
          'price',
          price,
          `${order} at ${at} would cross the book: the best ${side > 0 ? 'ask' : 'bid'} is ${held}`,
        ];
      case 'orderDiffers':
        return ['price', price, `${order} rests at price ${held}, but the event says ${at}`];
      case 'moreThanOrder':
        return ['size', size, `the event takes ${size} from ${order}, which holds ${held}`];
      case 'lessThanOrder':
        return ['size', size, `${order} is deleted with size ${size}, but holds ${held}`];
      case 'moreThanLevel':
        return ['size', size, `${order} is unknown and takes ${size} from ${at}, where unknown orders hold ${held}`];
      case 'tooLarge':
        return ['size', size, `${at} would hold ${held} + ${size}, more than the largest size 2147483647`];
      default:
        return ['type', type, 'the book refused the event'];
    }
  })();
  const details: ErrorDetails = { file: where, row, column, value, held, orderId, side, price, size, fault };
  return new FlashbookError('DATA', `${where}, row ${row}: ${problem}`, details);
}
