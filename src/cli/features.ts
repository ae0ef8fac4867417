import { Command, Option } from 'commander';
import { rebuildBook } from '../book/index.js';
import { computeFeatures, defaultFeatures, type FeatureFormat, writeFeatureTable } from '../features/index.js';
import { count } from '../monitor/report/format.js';
import { runConfig } from '../pipeline/config.js';
import { bookLevels, readStage } from '../pipeline/prepare.js';
import { FORMAT_HELP, interruptSignal, wholeNumber } from './options.js';
import { progressView } from './progress.js';
import { terminal } from './terminal.js';

interface FeatureFlags {
  data?: string;
  format: string;
  out: string;
  as?: FeatureFormat;
  levels?: number;
  events?: number;
  seed?: number;
  json?: boolean;
}

export function featuresCommand(): Command {
  return new Command('features')
    .description('market events to a table of features, CSV or Parquet')
    .option('--data <file>', 'market data; without it, the synthetic session')
    .option('--format <name>', FORMAT_HELP, 'auto')
    .requiredOption('--out <file>', 'where the table goes; .csv or .parquet')
    .addOption(
      new Option('--as <format>', 'format of the table, where the ending does not say it').choices(['csv', 'parquet']),
    )
    .option('--levels <n>', 'levels of the book (10)', wholeNumber)
    .option('--events <n>', 'events of the synthetic session', wholeNumber)
    .option('--seed <n>', 'seed of the synthetic session', wholeNumber)
    .option('--json', 'print one JSON object')
    .action(features);
}

async function features({ out, as, json = false, ...flags }: FeatureFlags): Promise<void> {
  const screen = terminal({ json });
  const config = runConfig(flags);
  const progress = progressView();
  const interrupt = interruptSignal(() => progress.close());
  try {
    const session = await readStage(config, { signal: interrupt.signal, onProgress: progress.update });
    const levels = bookLevels(session, config);
    const { snapshots, mismatches, levelsTaken, checked } = rebuildBook(session, { levels });
    const table = computeFeatures(session.events, snapshots, session.instrument, defaultFeatures(levels));
    await writeFeatureTable(out, table, session.events.timeNs, {
      format: as,
      signal: interrupt.signal,
      onProgress: (rows) =>
        progress.update({ stage: 'write', done: rows, total: table.rows, unit: 'rows', finished: rows === table.rows }),
    });
    progress.close();
    screen.line(`${count(table.rows)} rows × ${table.columns} features in ${out}`);
    screen.result({
      out,
      rows: table.rows,
      columns: table.columns,
      names: table.names,
      source: session.source,
      book: checked ? { mismatches, levelsTaken } : null,
    });
  } finally {
    progress.close();
    interrupt.done();
  }
}
