import { bytes, duration, milliseconds, percent } from '../monitor/report/format.js';
import { runConfig } from '../pipeline/config.js';
import { type BenchResults, type BenchRow, type BenchTimes, bestOf, fastTimes, type Headline } from './results.js';
import { attentionMemory } from './suites/attention.js';
import { artefactBytes } from './suites/predictor.js';

/** What the strategy promises, and what was measured. Only of cases that this run has. */
export async function headlines(results: BenchResults): Promise<Headline[]> {
  const found: Headline[] = [];
  const row = (name: string, threads: number) =>
    results.rows.find((one) => one.name === name && one.threads === threads && fastTimes(one) !== undefined);
  for (const { threads } of results.peaks) {
    const on = `${threads} thread${threads === 1 ? '' : 's'}`;
    for (const precision of ['f32', 'bf16', 'int8']) {
      const prediction = row(`${precision}, batch 1, read rows only`, threads);
      if (prediction !== undefined) found.push(latency(prediction, precision, on));
    }
    const [float32, int8] = ['f32', 'int8'].map((p) => row(`${p}, batch 1, read rows only`, threads));
    if (float32 && int8) {
      const ratio = fastTimes(float32)!.medianMs / fastTimes(int8)!.medianMs;
      found.push(headline(`int8 against float32, ${on}`, '2–4× faster', `${ratio.toFixed(2)}×`, ratio >= 2));
    }
    for (const steps of [512, 2048]) {
      const attention = row(`forward 8 × ${steps} × 64 causal`, threads);
      const unfused = attention && bestOf(attention, 'plain');
      if (unfused === undefined) continue;
      const ratio = unfused.medianMs / fastTimes(attention!)!.medianMs;
      const what = `flash against plain attention, ${steps} steps, ${on}`;
      found.push(headline(what, '2–3× faster', `${ratio.toFixed(2)}×`, ratio >= 2));
    }
    const overhead = row('predictSync of a tiny model', threads);
    const plan = overhead && bestOf(overhead, 'plain');
    if (plan !== undefined) {
      const microseconds = 1000 * (fastTimes(overhead!)!.medianMs - plan.medianMs);
      const measured = `${microseconds.toFixed(2)} µs`;
      found.push(headline(`predictSync outside its plan, ${on}`, '≤ 3 µs', measured, microseconds <= 3));
    }
    const training = row('step f32, batch 64, dropout 0.1', threads);
    if (training !== undefined) found.push(trainingTime(training, on));
    for (const precision of ['f32', 'bf16']) {
      const step = row(`step ${precision}, batch 64, dropout 0.1`, threads);
      const without = step && bestOf(step, 'plain');
      if (without !== undefined)
        found.push(
          share(
            `dropout of a training step, ${precision}, ${on}`,
            steady(fastTimes(step!)!) / steady(without) - 1,
            0.03,
          ),
        );
    }
    const small = row('step f32 of a small model, batch 64, dropout 0.1', threads);
    for (const name of ['jitter of a batch', 'magnitude warping of a batch']) {
      const changing = row(name, threads);
      if (small && changing)
        found.push(
          share(`${name} for a small model, ${on}`, steady(fastTimes(changing)!) / steady(fastTimes(small)!), 0.15),
        );
    }
  }
  if (results.rows.some(({ suite }) => suite === 'attention')) found.push(memoryOfAttention());
  if (results.rows.some(({ suite }) => suite === 'predictor')) found.push(...(await sizes()));
  return found;
}

const headline = (subject: string, target: string, measured: string, met: boolean): Headline => ({
  subject,
  target,
  measured,
  met,
});

/** The median, or the best time where other processes ran during most rounds. */
const steady = ({ quiet, medianMs, minMs }: BenchTimes): number => (quiet < 1 / 3 ? minMs : medianMs);

/** A part of a training step. */
const share = (subject: string, measured: number, limit: number): Headline =>
  headline(subject, `≤ ${percent(limit, 0)} of the step`, percent(measured, 1), measured <= limit);

function latency(row: BenchRow, precision: string, on: string): Headline {
  const { medianMs, p99Ms } = fastTimes(row)!;
  const measured = `${milliseconds(medianMs)}, p99 ${milliseconds(p99Ms)}`;
  return headline(`one prediction, ${precision}, ${on}`, '< 10 ms', measured, p99Ms < 10);
}

/** What a sequence twice as long needs. */
function memoryOfAttention(): Headline {
  const [half, whole] = [attentionMemory(1024, false), attentionMemory(2048, false)];
  const growth = (form: 'flash' | 'unfused') =>
    `${bytes(whole[form])}, ${(whole[form] / half[form]).toFixed(2)}× those of 1024`;
  const measured = `${growth('flash')}; unfused ${growth('unfused')}`;
  return headline('memory of flash attention, 2048 steps', 'linear', measured, whole.flash <= 2.1 * half.flash);
}

async function sizes(): Promise<Headline[]> {
  const [float32, int8] = [await artefactBytes('f32'), await artefactBytes('int8')];
  const ratio = float32 / int8;
  return [
    headline('artefact, float32, with its ONNX twin', '< 50 MB', bytes(float32), float32 < 50e6),
    headline('artefact, int8', '4× smaller', `${bytes(int8)}, ${ratio.toFixed(2)}×`, ratio >= 4),
  ];
}

/** An estimate from one step: reading, features and evaluations come on top. */
function trainingTime(row: BenchRow, on: string): Headline {
  const { steps } = runConfig({ data: 'a day' });
  const seconds = (fastTimes(row)!.medianMs * steps) / 1000;
  return headline(
    `the training steps of a full day, ${on}`,
    '< 2 h',
    `${duration(seconds)}, estimated: ${steps} steps of ${milliseconds(fastTimes(row)!.medianMs)}`,
    seconds < 7200,
  );
}
