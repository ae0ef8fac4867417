import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { expertUsage } from '../../src/models/index.js';
import { crc32c } from '../../src/train/crc32c.js';
import { train } from '../../src/train/index.js';
import { EVENT_FILE } from '../../src/train/tensorboard.js';
import { fastestDevice } from './devices.js';
import { learnableWindows, shortRun, smallModel } from './fixture.js';
import { temporaryFolder } from './temporary-folder.js';

/** event.proto and summary.proto of TensorFlow, as far as scalars go, parsed from their text. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Event { double wall_time = 1; int64 step = 2; oneof what { string file_version = 3; Summary summary = 5; } }
  message Summary { message Value { string tag = 1; oneof value { float simple_value = 2; } } repeated Value value = 1; }
`);

interface Decoded {
  step: number;
  fileVersion?: string;
  summary?: { value: { tag: string; simpleValue: number }[] };
}

/** Reads TFRecords, checking both sums of each. */
function decode(file: Uint8Array): Decoded[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const unmask = (m: number) => {
    const rotated = (m - 0xa282ead8) >>> 0;
    return ((rotated >>> 17) | (rotated << 15)) >>> 0;
  };
  const events: Decoded[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(view.getBigUint64(at, true));
    expect(unmask(view.getUint32(at + 8, true))).toBe(crc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(unmask(view.getUint32(at + 12 + length, true))).toBe(crc32c(data));
    const type = root.lookupType('Event');
    events.push(type.toObject(type.decode(data), { longs: Number }) as Decoded);
    at += 16 + length;
  }
  return events;
}

describe('TensorBoard event files', () => {
  test('CRC-32C has the values of RFC 3720', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
  });

  test('hold the history of a run, a resumed one too', async () => {
    const device = fastestDevice[1]();
    const folder = temporaryFolder();
    const [tensorboard, checkpoint] = [join(folder, 'tb'), join(folder, 'run.ckpt')];
    const stop = new AbortController();
    const onProgress = ({ step }: { step: number }) => void (step === 9 && stop.abort());
    const options = { device, tensorboard, checkpoint };
    await expect(train(smallModel(), shortRun({ ...options, signal: stop.signal, onProgress }))).rejects.toThrow();
    const { history } = await train(smallModel(), shortRun({ ...options, resume: true }));
    const events = decode(readFileSync(join(tensorboard, EVENT_FILE)));
    expect(events[0].fileVersion).toBe('brain.Event:2');
    const scalar = (tag: string) =>
      events.flatMap(({ step, summary }) =>
        (summary?.value ?? []).filter((value) => value.tag === tag).map(({ simpleValue }) => [step, simpleValue]),
      );
    expect(scalar('train/loss')).toEqual(history.steps.map(({ step, loss }) => [step, Math.fround(loss)]));
    expect(scalar('train/learning_rate')).toHaveLength(15);
    expect(scalar('validation/accuracy/1')).toEqual(
      history.evaluations.map(({ step, horizons }) => [step, Math.fround(horizons[1].accuracy)]),
    );
  });

  test('hold how experts were used, as the run log and the history do', async () => {
    const device = fastestDevice[1]();
    const folder = temporaryFolder();
    const log = join(folder, 'run.jsonl');
    const model = smallModel({ experts: 3, topExperts: 1 });
    const { history } = await train(model, shortRun({ device, tensorboard: folder, log }));
    const events = decode(readFileSync(join(folder, EVENT_FILE)));
    const values = new Map(
      events.flatMap(({ step, summary }) =>
        (summary?.value ?? []).map(({ tag, simpleValue }): [string, number] => [`${step} ${tag}`, simpleValue]),
      ),
    );
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    const logged = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'evaluation');
    expect(history.evaluations.length).toBeGreaterThan(1);
    for (const [i, { step, experts }] of history.evaluations.entries()) {
      expect(logged[i].experts).toEqual(experts);
      expect(experts!.map(({ layer }) => layer)).toEqual(['encoder.0.feedForward', 'encoder.1.feedForward']);
      for (const { layer, shares, dropped, entropy } of experts!) {
        expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(1, 12);
        expect(shares.map((_, e) => values.get(`${step} experts/share/${layer}/${e}`))).toEqual(
          shares.map(Math.fround),
        );
        expect(values.get(`${step} experts/dropped/${layer}`)).toBeCloseTo(dropped[0] + dropped[1] + dropped[2], 6);
        expect(values.get(`${step} experts/router_entropy/${layer}`)).toBe(Math.fround(entropy));
        expect(entropy).toBeLessThanOrEqual(Math.log(3) + 1e-6);
      }
    }
  });

  test('the usage of the kept weights is what expertUsage tells of them', async () => {
    const device = fastestDevice[1]();
    const validation = learnableWindows(8, 2); // one batch
    const model = smallModel({ experts: 3, topExperts: 1 });
    const { history, parameters, bestStep } = await train(model, shortRun({ device, validation }));
    const kept = history.evaluations.find(({ step }) => step === bestStep)!;
    expect(expertUsage(model, parameters, validation.x, { device })).toEqual(kept.experts);
  });

  test('a place that cannot be written is an error', async () => {
    const device = fastestDevice[1]();
    await expect(train(smallModel(), shortRun({ device, tensorboard: '/dev/null/tb' }))).rejects.toMatchObject({
      code: 'FILE',
    });
  });
});
