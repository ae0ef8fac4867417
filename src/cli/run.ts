import { Command, Option } from 'commander';
import colors from 'picocolors';
import { runFacts, runTables } from '../monitor/report/tables.js';
import { type RunConfigInput, runConfig } from '../pipeline/config.js';
import { runPipeline } from '../pipeline/run.js';
import { decimalNumber, interruptSignal, wholeNumber, wholeNumbers } from './options.js';
import { progressView } from './progress.js';
import { terminal } from './terminal.js';

interface RunFlags extends RunConfigInput {
  out: string;
  resume?: boolean;
  threads?: number;
  json?: boolean;
}

export function runCommand(): Command {
  return new Command('run')
    .description('read a session, rebuild the book, train, compress, export, predict and report')
    .option('--data <file>', 'market data; without it, a seeded synthetic session')
    .option('--format <name>', 'format of the data: auto, lobster', 'auto')
    .option('--out <folder>', 'folder of the run', 'runs/latest')
    .option('--resume', 'go on from the last checkpoint in the folder')
    .option('--seed <n>', 'seed of the synthetic session, the weights, shuffling and dropout', wholeNumber)
    .option('--events <n>', 'events of the synthetic session', wholeNumber)
    .option('--levels <n>', 'levels of the book', wholeNumber)
    .option('--horizons <list>', 'events ahead, one output each (10,50,100)', wholeNumbers)
    .addOption(
      new Option(
        '--label <kind>',
        'mean of the next k mids against the mid now (mid) or the mean of the last k (past)',
      ).choices(['mid', 'past']),
    )
    .option('--window <n>', 'rows that the model sees at once', wholeNumber)
    .option('--layers <n>', 'encoder layers', wholeNumber)
    .option('--width <n>', 'model width', wholeNumber)
    .option('--heads <n>', 'attention heads', wholeNumber)
    .option('--feed-forward <n>', 'width of the feed-forward layers', wholeNumber)
    .option('--dropout <p>', 'dropout probability', decimalNumber)
    .option('--steps <n>', 'training steps', wholeNumber)
    .option('--batch <n>', 'windows in a training step', wholeNumber)
    .option('--learning-rate <x>', 'peak learning rate', decimalNumber)
    .option('--evaluate-every <n>', 'steps between evaluations', wholeNumber)
    .option('--patience <n>', 'evaluations without improvement before training stops', wholeNumber)
    .option('--latency-samples <n>', 'single predictions timed for each predictor', wholeNumber)
    .option('--threads <n>', 'threads of the native core (the result does not depend on it)', wholeNumber)
    .option('--json', 'print the metrics as one JSON object')
    .action(run);
}

async function run({ out, resume = false, threads, json = false, ...flags }: RunFlags): Promise<void> {
  const screen = terminal({ json });
  const config = runConfig(flags);
  const progress = progressView();
  const interrupt = interruptSignal(() => {
    progress.close();
    screen.note('stopping: the checkpoint is being written; go on with the same command and --resume');
  });
  try {
    const { metrics, files } = await runPipeline(config, {
      folder: out,
      resume,
      threads,
      signal: interrupt.signal,
      onProgress: progress.update,
      onNote: screen.note,
    });
    progress.close();
    for (const table of runTables(metrics)) screen.table(table);
    screen.line();
    for (const [what, value] of runFacts(metrics)) screen.line(`${colors.dim(what.padEnd(16))} ${value}`);
    screen.line();
    for (const [what, path] of Object.entries(files)) screen.line(`${what.padEnd(16)} ${colors.cyan(path)}`);
    screen.result(metrics);
  } finally {
    progress.close();
    interrupt.done();
  }
}
