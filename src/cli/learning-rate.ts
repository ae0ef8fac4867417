import { Command, Option } from 'commander';
import colors from 'picocolors';
import { writeFileAtomic } from '../core/files.js';
import { MODEL_NAMES } from '../models/index.js';
import { lineChart } from '../monitor/report/line-chart.js';
import { renderPicture } from '../monitor/report/svg.js';
import { OPTIMIZERS } from '../optim/index.js';
import { type RunConfigInput, runConfig } from '../pipeline/config.js';
import { prepareData, readStage, scaledWindows } from '../pipeline/prepare.js';
import { runModel } from '../pipeline/run-model.js';
import { optimizerOf } from '../pipeline/train-stage.js';
import { findLearningRate } from '../train/index.js';
import { decimalNumber, FORMAT_HELP, interruptSignal, svgFile, wholeNumber, wholeNumbers } from './options.js';
import { progressView } from './progress.js';
import { terminal } from './terminal.js';

interface LearningRateFlags extends Omit<RunConfigInput, 'steps'> {
  out?: string;
  from?: number;
  to?: number;
  steps?: number;
  json?: boolean;
}

export function learningRateCommand(): Command {
  return new Command('learning-rate')
    .description('find a learning rate: a sweep from low to high, a table, and a plot')
    .option('--data <file>', 'market data; without it, a seeded synthetic session')
    .option('--format <name>', FORMAT_HELP, 'auto')
    .option('--from <x>', 'first rate (1e-7)', decimalNumber)
    .option('--to <x>', 'last rate (1)', decimalNumber)
    .option('--steps <n>', 'steps of the sweep (100)', wholeNumber)
    .option('--out <file>', 'where the plot goes, .svg', svgFile)
    .option('--seed <n>', 'seed of the synthetic session, the weights and shuffling', wholeNumber)
    .option('--events <n>', 'events of the synthetic session', wholeNumber)
    .option('--levels <n>', 'levels of the book', wholeNumber)
    .option('--horizons <list>', 'events ahead, one output each (10,50,100)', wholeNumbers)
    .option('--window <n>', 'rows that the model sees at once', wholeNumber)
    .addOption(new Option('--features <set>', 'as of flashbook run').choices(['default', 'extended']))
    .addOption(new Option('--model <name>', 'preset of the model: see flashbook models').choices(MODEL_NAMES))
    .option('--layers <n>', 'layers or blocks of the model', wholeNumber)
    .option('--width <n>', 'width, hidden columns or channels of the model', wholeNumber)
    .option('--heads <n>', 'attention heads', wholeNumber)
    .option('--feed-forward <n>', 'width of the feed-forward layers', wholeNumber)
    .option('--batch <n>', 'windows in a training step', wholeNumber)
    .option('--dropout <p>', 'dropout probability', decimalNumber)
    .addOption(new Option('--optimizer <name>', 'update rule').choices(OPTIMIZERS))
    .option('--momentum <x>', 'momentum of SGD', decimalNumber)
    .option('--weight-decay <x>', 'weight decay', decimalNumber)
    .option('--json', 'print one JSON object')
    .action(find);
}

async function find({ out, from, to, steps, json = false, ...flags }: LearningRateFlags): Promise<void> {
  const screen = terminal({ json });
  const config = runConfig(flags);
  const progress = progressView();
  const interrupt = interruptSignal(() => progress.close());
  try {
    const session = await readStage(config, { signal: interrupt.signal, onProgress: progress.update });
    const data = prepareData(session, config, progress.update);
    const windows = scaledWindows(data, data.scaler.transform(data.table.values), 'train', config.window);
    const sweep = await findLearningRate(runModel(config, data.table.columns), {
      ...{ train: windows, seed: config.seed, batch: config.batch, optimizer: optimizerOf(config), from, to, steps },
      labelSmoothing: config.labelSmoothing,
      signal: interrupt.signal,
      onProgress: ({ step, total, loss }) =>
        progress.update({ stage: 'train', done: step, total, unit: 'steps', detail: `loss ${loss.toFixed(4)}` }),
    });
    progress.close();
    const shown = sweep.rates.flatMap((rate, i) =>
      i % Math.ceil(sweep.rates.length / 20) === 0 ? [[rate.toExponential(2), sweep.smoothed[i].toFixed(4)]] : [],
    );
    screen.table({
      title: 'learning-rate sweep',
      note: `steepest fall at ${sweep.suggestion.toExponential(2)}, a tenth of the lowest at ${sweep.careful.toExponential(2)}`,
      head: ['learning rate', 'loss'],
      rows: shown,
    });
    if (out !== undefined) {
      const chart = lineChart({
        id: 'learning-rate',
        title: 'Learning-rate sweep',
        caption: 'Running mean of the loss by learning rate; dashed: where it falls fastest.',
        x: 'learning rate',
        y: 'loss',
        logX: true,
        mark: sweep.suggestion,
        series: [{ name: 'loss', points: sweep.rates.map((rate, i): [number, number] => [rate, sweep.smoothed[i]]) }],
      });
      await writeFileAtomic(out, await renderPicture(chart));
      screen.line(`\nplot             ${colors.cyan(out)}`);
    }
    screen.result({ ...sweep, out: out ?? null });
  } finally {
    progress.close();
    interrupt.done();
  }
}
