import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { fileError, writeFileAtomic } from '../core/files.js';
import { crc32c } from './crc32c.js';
import type { EvaluationRecord, History, StepRecord } from './history.js';

/** The part of TensorFlow's event.proto and summary.proto that scalars need, with the field numbers given there. */
const root = protobuf.Root.fromJSON({
  nested: {
    Event: {
      fields: {
        wallTime: { id: 1, type: 'double' },
        step: { id: 2, type: 'int64' },
        fileVersion: { id: 3, type: 'string' },
        summary: { id: 5, type: 'Summary' },
      },
    },
    Summary: { fields: { value: { id: 1, type: 'Value', rule: 'repeated' } } },
    Value: {
      fields: { tag: { id: 1, type: 'string' }, simpleValue: { id: 2, type: 'float' } },
      oneofs: { value: { oneof: ['simpleValue'] } }, // so that a 0 is written too
    },
  },
});
const Event = root.lookupType('Event');

/** The file of a run in its folder; TensorBoard takes any name with 'tfevents' in it. */
export const EVENT_FILE = 'events.out.tfevents.0.flashbook';

/** One event as the bytes of event.proto. @param wallTime seconds */
export function encodeEvent(event: {
  wallTime: number;
  step?: number;
  fileVersion?: string;
  scalars?: Readonly<Record<string, number>>;
}): Uint8Array {
  const { wallTime, step, fileVersion, scalars } = event;
  const summary = scalars && { value: Object.entries(scalars).map(([tag, simpleValue]) => ({ tag, simpleValue })) };
  return Event.encode(Event.create({ wallTime, step, fileVersion, summary })).finish();
}

/**
 * A record of the TFRecord format: length u64, masked CRC of the length, the data, masked CRC of the data; little-endian. The mask
 * is ((crc >> 15) | (crc << 17)) + 0xa282ead8, so that a record that holds records still differs from its own CRC.
 */
export function encodeRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(crc32c(record.subarray(0, 8))), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, masked(crc32c(data)), true);
  return record;
}

function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/**
 * The history of a run for TensorBoard, while it goes on: train/loss, train/learning_rate, train/gradient_norm, train/accuracy/<h> by
 * step; validation/loss, validation/loss/<h> and validation/accuracy/<h> by evaluation, and for each mixture of experts
 * experts/share/<layer>/<expert>, experts/dropped/<layer> and experts/router_entropy/<layer>. A resumed run begins the file anew with the
 * history of its checkpoint, as the run log does.
 */
export class TensorBoardLog {
  readonly #path: string;
  readonly #seconds: () => number;
  #pending: Uint8Array[] = [];

  private constructor(path: string, seconds: () => number) {
    this.#path = path;
    this.#seconds = seconds;
  }

  /** Begins the file in `folder`, which is made. @param seconds the wall time of an event */
  static async open(folder: string, history: History, seconds: () => number): Promise<TensorBoardLog> {
    try {
      await mkdir(folder, { recursive: true });
    } catch (cause) {
      throw fileError(folder, 'write', cause);
    }
    const log = new TensorBoardLog(join(folder, EVENT_FILE), seconds);
    log.#pending.push(encodeRecord(encodeEvent({ wallTime: seconds(), fileVersion: 'brain.Event:2' })));
    for (const step of history.steps) log.step(step);
    for (const evaluation of history.evaluations) log.evaluation(evaluation);
    await writeFileAtomic(log.#path, Buffer.concat(log.#pending));
    log.#pending = [];
    return log;
  }

  step({ step, loss, learningRate, gradientNorm, accuracy }: StepRecord): void {
    const scalars: Record<string, number> = {
      'train/loss': loss,
      'train/learning_rate': learningRate,
      'train/gradient_norm': gradientNorm,
    };
    for (const [h, share] of accuracy.entries()) if (share !== null) scalars[`train/accuracy/${h}`] = share;
    this.#write(step, scalars);
  }

  evaluation({ step, loss, horizons, experts = [] }: EvaluationRecord): void {
    const scalars: Record<string, number> = { 'validation/loss': loss };
    for (const [h, horizon] of horizons.entries()) {
      scalars[`validation/loss/${h}`] = horizon.loss;
      scalars[`validation/accuracy/${h}`] = horizon.accuracy;
    }
    for (const { layer, shares, dropped, entropy } of experts) {
      for (const [e, share] of shares.entries()) scalars[`experts/share/${layer}/${e}`] = share;
      scalars[`experts/dropped/${layer}`] = dropped.reduce((sum, share) => sum + share, 0);
      scalars[`experts/router_entropy/${layer}`] = entropy;
    }
    this.#write(step, scalars);
  }

  async flush(): Promise<void> {
    if (this.#pending.length === 0) return;
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    try {
      await appendFile(this.#path, bytes);
    } catch (cause) {
      throw fileError(this.#path, 'write', cause);
    }
  }

  #write(step: number, scalars: Record<string, number>): void {
    this.#pending.push(encodeRecord(encodeEvent({ wallTime: this.#seconds(), step, scalars })));
  }
}
