import { Command, Option } from 'commander';
import { rebuildBook } from '../book/index.js';
import { FlashbookError } from '../core/errors.js';
import { writeFileAtomic } from '../core/files.js';
import { integer } from '../core/options.js';
import { midPrices, sampleRows, WindowDataset } from '../data/index.js';
import { outputNames } from '../export/index.js';
import { computeFeatures, type FeatureSet } from '../features/index.js';
import type { MarketSession } from '../market/index.js';
import { softmaxRows } from '../metrics/index.js';
import { count } from '../monitor/report/format.js';
import { runConfig } from '../pipeline/config.js';
import { predictRows } from '../pipeline/predict-rows.js';
import { readStage } from '../pipeline/prepare.js';
import { loadPredictor, type Predictor, type ReturnPrediction } from '../predict/index.js';
import { FORMAT_HELP, interruptSignal, wholeNumber } from './options.js';
import { progressView } from './progress.js';
import { terminal } from './terminal.js';

interface PredictFlags {
  data?: string;
  format: string;
  out?: string;
  last?: number;
  every: number;
  backend: 'auto' | 'native' | 'onnx';
  events?: number;
  seed?: number;
  json?: boolean;
}

export function predictCommand(): Command {
  return new Command('predict')
    .description('predict the direction after every event of a session with a trained artefact')
    .argument('<artefact>', 'a .fbk file')
    .option('--data <file>', 'market data; without it, the synthetic session')
    .option('--format <name>', FORMAT_HELP, 'auto')
    .option('--out <file>', 'CSV of the predictions (default: the last ones on the screen)')
    .option('--last <n>', 'only the last n events', wholeNumber)
    .option('--every <n>', 'only every n-th event', wholeNumber, 1)
    .addOption(new Option('--backend <name>', 'what predicts').choices(['auto', 'native', 'onnx']).default('auto'))
    .option('--events <n>', 'events of the synthetic session', wholeNumber)
    .option('--seed <n>', 'seed of the synthetic session', wholeNumber)
    .option('--json', 'print one JSON object')
    .action(predict);
}

/** Rows that are shown where no file is asked for. */
const SHOWN = 10;

async function predict(
  artefact: string,
  { out, last, every, backend, json = false, ...flags }: PredictFlags,
): Promise<void> {
  const screen = terminal({ json });
  const config = runConfig(flags);
  if (last !== undefined) integer('last', last, 1);
  integer('every', every, 1);
  const progress = progressView();
  const interrupt = interruptSignal(() => progress.close());
  const predictor = await loadPredictor(artefact, { backend });
  try {
    const session = await readStage(config, { signal: interrupt.signal, onProgress: progress.update });
    const { windows, mid } = windowsFor(
      predictor,
      session,
      last ?? (out === undefined && !json ? SHOWN : undefined),
      every,
    );
    const { logits, returns, seconds } = await predictRows(predictor, windows, {
      signal: interrupt.signal,
      onProgress: (done) =>
        progress.update({
          stage: 'predict',
          done,
          total: windows.length,
          unit: 'rows',
          finished: done === windows.length,
        }),
    });
    progress.close();
    const table = predictionTable(predictor, session, windows.rows, mid, { logits, returns });
    if (out === undefined) {
      screen.table({
        title: 'Predictions',
        note: `${predictor.backend} (${predictor.reason}); the last ${Math.min(SHOWN, windows.length)} of ${count(windows.length)} predictions; probabilities of down / flat / up${returns ? ', returns as they are (1e-4 is a basis point)' : ''}.`,
        head: table.head,
        rows: table.rows.slice(-SHOWN),
      });
    } else {
      await writeFileAtomic(out, lines([table.head, ...table.rows]));
      screen.line(
        `${count(windows.length)} predictions in ${out} (${predictor.backend}, ${Math.round(windows.length / seconds)} rows/s)`,
      );
    }
    screen.result({
      artefact,
      backend: predictor.backend,
      reason: predictor.reason,
      source: session.source,
      rows: windows.length,
      seconds,
      out: out ?? null,
      predictions:
        out === undefined
          ? table.rows.map((row) => Object.fromEntries(row.map((cell, c) => [table.head[c], cell])))
          : undefined,
    });
  } finally {
    progress.close();
    interrupt.done();
    await predictor.dispose();
  }
}

/** The windows that the artefact's own feature definitions make of a session. */
function windowsFor(predictor: Predictor, session: MarketSession, last: number | undefined, every: number) {
  const { input } = predictor.manifest;
  const featureSet = predictor.manifest.featureSet as unknown as FeatureSet;
  if (!Array.isArray(featureSet)) {
    throw new FlashbookError(
      'ARTEFACT',
      'the artefact holds no flashbook features, so events cannot be turned into its input',
    );
  }
  const levels = Math.max(1, ...featureSet.map(({ params }) => params?.to ?? 1));
  const available = (session.reference ?? session.book)?.levels ?? levels;
  if (available < levels) {
    throw new FlashbookError(
      'DATA',
      `the model needs a book of ${levels} levels, ${session.source} has ${available}; give data with more levels`,
      {
        needed: levels,
        available,
      },
    );
  }
  const { snapshots } = rebuildBook(session, { levels });
  const table = computeFeatures(session.events, snapshots, session.instrument, featureSet);
  const first = input.steps - 1;
  if (table.rows <= first) {
    throw new FlashbookError(
      'DATA',
      `${table.rows} events are fewer than one window of ${input.steps}; give a longer session`,
      {
        rows: table.rows,
        window: input.steps,
      },
    );
  }
  const start = last === undefined ? first : Math.max(first, table.rows - last);
  const rows = sampleRows({ start, end: table.rows }, every);
  const windows = new WindowDataset({
    values: table.values,
    columns: table.columns,
    steps: input.steps,
    rows,
    names: table.names,
  });
  return { windows, mid: midPrices(snapshots) };
}

function predictionTable(
  predictor: Predictor,
  session: MarketSession,
  rows: Int32Array,
  mid: Float64Array,
  { logits, returns }: { logits: Float32Array; returns?: ReturnPrediction },
) {
  const { classes, returns: kept } = predictor.manifest.output;
  const quantiles = kept?.quantiles ?? [];
  const horizons = outputNames(predictor.manifest.output).map((name) => name.replace(/\W+/g, '_'));
  const probabilities = softmaxRows(logits, classes.length);
  const head = [
    'row',
    'time_ns',
    'mid',
    ...horizons.flatMap((h) => [
      ...[...classes.map((c) => `p_${c}_${h}`), `class_${h}`],
      ...(kept ? [`return_${h}`] : []),
      ...quantiles.map((q) => `return_q${Math.round(100 * q)}_${h}`),
    ]),
  ];
  const body = Array.from(rows, (row, i) => {
    const cells = [
      String(row),
      String(session.events.timeNs[row]),
      (mid[row] * session.instrument.priceUnit).toFixed(4),
    ];
    for (let h = 0; h < horizons.length; h++) {
      const at = (i * horizons.length + h) * classes.length;
      const own = Array.from(probabilities.subarray(at, at + classes.length));
      cells.push(...own.map((p) => p.toFixed(4)), classes[own.indexOf(Math.max(...own))]);
      if (returns === undefined) continue;
      const place = i * horizons.length + h;
      const told = returns.quantiles?.subarray(place * quantiles.length, (place + 1) * quantiles.length) ?? [];
      cells.push(...[returns.location[place], ...told].map((value) => value.toPrecision(4)));
    }
    return cells;
  });
  return { head, rows: body };
}

function* lines(rows: string[][]): Iterable<string> {
  for (let start = 0; start < rows.length; start += 1000) {
    yield rows
      .slice(start, start + 1000)
      .map((row) => `${row.join(',')}\n`)
      .join('');
  }
}
