import { Command } from 'commander';
import colors from 'picocolors';
import { FlashbookError } from '../core/errors.js';
import { writeFileAtomic } from '../core/files.js';
import { integer, nearest } from '../core/options.js';
import { Random } from '../core/random.js';
import { panelChart } from '../monitor/report/panel-chart.js';
import { renderPicture } from '../monitor/report/svg.js';
import { AUGMENTATIONS, type RunConfigInput, runConfig } from '../pipeline/config.js';
import { prepareData, readStage, scaledWindows } from '../pipeline/prepare.js';
import { AUGMENTATION } from '../pipeline/train-stage.js';
import { FORMAT_HELP, interruptSignal, svgFile, wholeNumber } from './options.js';
import { progressView } from './progress.js';
import { terminal } from './terminal.js';

interface AugmentFlags extends RunConfigInput {
  out: string;
  feature?: string;
  index?: number;
  json?: boolean;
}

export function augmentCommand(): Command {
  return new Command('augment')
    .description('plot what augmentation makes of a training window')
    .option('--data <file>', 'market data; without it, a seeded synthetic session')
    .option('--format <name>', FORMAT_HELP, 'auto')
    .requiredOption('--out <file>', 'where the plot goes, .svg', svgFile)
    .option('--augment <list>', `which (${AUGMENTATIONS.join(',')})`, (text) => text.split(','))
    .option('--feature <name>', 'the column that is shown; by default the first that moves')
    .option('--index <n>', 'which training window (the one in the middle)', wholeNumber)
    .option('--seed <n>', 'seed of the synthetic session and of the changes', wholeNumber)
    .option('--events <n>', 'events of the synthetic session', wholeNumber)
    .option('--levels <n>', 'levels of the book', wholeNumber)
    .option('--window <n>', 'rows of a window', wholeNumber)
    .option('--json', 'print one JSON object')
    .action(plot);
}

async function plot({ out, feature, index, json = false, ...flags }: AugmentFlags): Promise<void> {
  const screen = terminal({ json });
  const config = runConfig(flags);
  const progress = progressView();
  const interrupt = interruptSignal(() => progress.close());
  try {
    const session = await readStage(config, { signal: interrupt.signal, onProgress: progress.update });
    const data = prepareData(session, config, progress.update);
    progress.close();
    const windows = scaledWindows(data, data.scaler.transform(data.table.values), 'train', config.window);
    const { steps, columns } = windows;
    const original = new Float32Array(steps * columns);
    const shown = integer('index', index ?? Math.floor(windows.length / 2), 0, windows.length - 1);
    windows.batch(Int32Array.of(shown), original);
    const column = columnOf(feature, data.table.names, original, steps);
    const changed = (name?: keyof typeof AUGMENTATION) => {
      const window = original.slice();
      if (name !== undefined) {
        AUGMENTATION[name]().apply(
          window,
          new Float32Array(window.length),
          { steps, columns },
          new Random(config.seed),
        );
      }
      return Array.from({ length: steps }, (_, t) => window[t * columns + column]);
    };
    const names = config.augment.length > 0 ? config.augment : [...AUGMENTATIONS];
    const chart = panelChart({
      id: 'augmentation',
      title: `Augmentation of ${data.table.names[column]}`,
      caption: `Training window ${shown}, scaled: grey as it is, blue what each augmentation makes of it.`,
      x: 'row of the window',
      y: 'standard deviations',
      reference: changed(),
      panels: names.map((name) => ({ name, values: changed(name) })),
    });
    await writeFileAtomic(out, await renderPicture(chart));
    screen.line(`plot             ${colors.cyan(out)}`);
    screen.result({ out, index: shown, feature: data.table.names[column], augmentations: names });
  } finally {
    progress.close();
    interrupt.done();
  }
}

/** The column of a name, or the first that is not constant in the window. */
function columnOf(feature: string | undefined, names: readonly string[], window: Float32Array, steps: number): number {
  if (feature !== undefined) {
    const found = names.indexOf(feature);
    if (found >= 0) return found;
    const guess = nearest(feature, [...names]);
    const hint = guess === undefined ? '' : `; did you mean '${guess}'?`;
    throw new FlashbookError('OPTION', `expected the name of a feature but received '${feature}'${hint}`, {
      name: 'feature',
      guess,
    });
  }
  const columns = names.length;
  const moves = (c: number) =>
    Array.from({ length: steps }, (_, t) => window[t * columns + c]).some((v) => v !== window[c]);
  return Math.max(
    0,
    names.findIndex((_, c) => moves(c)),
  );
}
