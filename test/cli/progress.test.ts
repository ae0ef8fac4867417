import { afterEach, describe, expect, it, vi } from 'vitest';
import { progressView } from '../../src/cli/progress.js';
import type { PipelineProgress } from '../../src/pipeline/progress.js';

afterEach(() => vi.restoreAllMocks());

/** A stream that keeps what is written to it, and a clock that is set by hand (milliseconds). */
function stage(isTTY: boolean) {
  const written: string[] = [];
  const stream = {
    isTTY,
    columns: 200,
    write: (text: string) => written.push(text) > 0,
    cursorTo: () => {},
    clearLine: () => {},
    clearScreenDown: () => {},
    moveCursor: () => {},
    on: () => {},
    once: () => {},
    removeListener: () => {},
  } as unknown as NodeJS.WriteStream;
  const clock = { ms: 0 };
  vi.spyOn(performance, 'now').mockImplementation(() => clock.ms);
  return { view: progressView({ stream }), clock, text: () => written.join('') };
}

const training = (done: number, more: Partial<PipelineProgress> = {}): PipelineProgress => ({
  stage: 'train',
  done,
  total: 100,
  unit: 'steps',
  ...more,
});

describe('progress in a log', () => {
  it('is a line every 15 seconds with rate and time left, and one at the end', () => {
    const { view, clock, text } = stage(false);
    view.update(training(0));
    clock.ms = 10_000;
    view.update(training(20));
    expect(text()).toBe('');
    clock.ms = 20_000;
    view.update(training(40, { detail: 'loss 1.02' }));
    expect(text()).toMatch(/^train +40\/100 steps \(2\.0 steps\/s, 30 s left\) {2}loss 1\.02\n$/);
    clock.ms = 50_000;
    view.update(training(100, { finished: true, detail: 'kept step 80' }));
    expect(text()).toMatch(/train +done in 50 s {2}kept step 80\n$/);
  });

  it('counts the rate from where a resumed stage went on', () => {
    const { view, clock, text } = stage(false);
    view.update(training(50, { resumedFrom: 50 }));
    clock.ms = 20_000;
    view.update(training(60, { resumedFrom: 50 }));
    expect(text()).toContain('(0.5 steps/s, 1 min 20 s left)');
  });
});

describe('progress on a terminal', () => {
  it('is a bar with rate and time left, then a tick; a stage that is broken off has none', () => {
    const { view, clock, text } = stage(true);
    view.update(training(0));
    clock.ms = 20_000;
    view.update(training(40));
    clock.ms = 50_000;
    view.update(training(100, { finished: true }));
    expect(text()).toMatch(/train.*[█░]{24}/);
    expect(text()).toMatch(/✓.*train/);
    const before = text().length;
    view.update({ ...training(1), stage: 'export' });
    view.close();
    expect(text().slice(before)).not.toContain('✓');
  });
});

it('is silent when asked to be', () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const view = progressView({ quiet: true });
  view.update(training(1, { finished: true }));
  view.close();
  expect(write).not.toHaveBeenCalled();
});
