import { Command, Option } from 'commander';
import colors from 'picocolors';
import { ATTENTIONS, MODEL_NAMES, POSITIONS } from '../models/index.js';
import { runFacts, runTables } from '../monitor/report/tables.js';
import { REGRESSIONS } from '../nn/index.js';
import { OPTIMIZERS } from '../optim/index.js';
import { AUGMENTATIONS, CURRICULA, RUN_SCHEDULES, type RunConfigInput, runConfig } from '../pipeline/config.js';
import { runPipeline } from '../pipeline/run.js';
import { ENSEMBLE_WEIGHTINGS } from '../train/index.js';
import {
  decimalNumber,
  decimalNumbers,
  ensembleMembers,
  FORMAT_HELP,
  interruptSignal,
  wholeNumber,
  wholeNumbers,
} from './options.js';
import { progressView } from './progress.js';
import { terminal } from './terminal.js';

interface RunFlags extends RunConfigInput {
  out: string;
  tensorboard?: string;
  resume?: boolean;
  threads?: number;
  json?: boolean;
}

export function runCommand(): Command {
  return new Command('run')
    .description('read a session, rebuild the book, train, compress, export, predict and report')
    .option('--data <file>', 'market data; without it, a seeded synthetic session')
    .option('--format <name>', FORMAT_HELP, 'auto')
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
    .addOption(
      new Option('--features <set>', 'extended: with those for models of few rows').choices(['default', 'extended']),
    )
    .option('--mirror', 'train on mirror images too: bids and asks change places')
    .option('--window <n>', 'rows that the model sees at once', wholeNumber)
    .addOption(new Option('--model <name>', 'preset of the model: see flashbook models').choices(MODEL_NAMES))
    .option('--layers <n>', 'layers or blocks of the model', wholeNumber)
    .option('--width <n>', 'width, hidden columns or channels of the model', wholeNumber)
    .option('--heads <n>', 'attention heads', wholeNumber)
    .option('--feed-forward <n>', 'width of the feed-forward layers', wholeNumber)
    .addOption(new Option('--positions <kind>', 'how a transformer knows the order of steps').choices(POSITIONS))
    .addOption(new Option('--attention <kind>', 'how far the heads of a transformer look').choices(ATTENTIONS))
    .option('--experts <n>', 'experts of a mixture in place of each feed-forward of a transformer', wholeNumber)
    .option('--top-experts <n>', 'experts that a step uses (2)', wholeNumber)
    .option(
      '--ensemble <members>',
      'several models as one: presets (transformerBase,tcnModel:width=32), snapshots or geometric',
      ensembleMembers,
    )
    .addOption(
      new Option('--weighting <kind>', 'how much each member counts: learned on the validation part, or equal').choices(
        ENSEMBLE_WEIGHTINGS,
      ),
    )
    .option('--cycle-share <x>', 'share of the steps in the cycles of a geometric ensemble', decimalNumber)
    .option('--cycle-learning-rate <x>', 'its highest rate there (half of the learning rate)', decimalNumber)
    .option('--cycle-min-learning-rate <x>', 'its lowest rate there (a tenth of that)', decimalNumber)
    .option('--dropout <p>', 'dropout probability', decimalNumber)
    .option('--steps <n>', 'training steps', wholeNumber)
    .option('--batch <n>', 'windows in a training step', wholeNumber)
    .option('--learning-rate <x>', 'peak learning rate', decimalNumber)
    .option('--min-learning-rate <x>', 'lowest learning rate of a schedule', decimalNumber)
    .option('--warmup-steps <n>', 'steps over which the learning rate rises', wholeNumber)
    .option(
      '--schedule <name>',
      `of the learning rate: ${RUN_SCHEDULES.join(', ')}, or their names in configuration files`,
    )
    .option('--layerwise-rate <x>', 'factor of the learning rate from each layer to the one before it', decimalNumber)
    .option(
      '--cycles <n>',
      'descents of the schedule cosineRestarts; members of an ensemble out of one run',
      wholeNumber,
    )
    .addOption(new Option('--optimizer <name>', 'update rule').choices(OPTIMIZERS))
    .option('--momentum <x>', 'momentum of SGD', decimalNumber)
    .option('--nesterov', "SGD in Nesterov's form")
    .option('--weight-decay <x>', 'weight decay', decimalNumber)
    .option('--clip-norm <x>', 'largest global norm of the gradients (0: any)', decimalNumber)
    .option('--clip-value <x>', 'largest element of the gradients (0: any)', decimalNumber)
    .option('--centralise', 'gradient centralisation')
    .option('--lookahead <n>', 'Lookahead, steps between synchronisations', wholeNumber)
    .option('--sam <rho>', 'sharpness-aware minimisation, its radius', decimalNumber)
    .option('--adaptive-sam', 'a radius in proportion to each weight (ASAM)')
    .option('--ema <decay>', 'keep a moving average of the weights', decimalNumber)
    .option('--swa <share>', 'keep the mean of the weights after this share of the steps', decimalNumber)
    .option('--accumulate <n>', 'batches whose gradients make one step', wholeNumber)
    .addOption(new Option('--precision <type>', 'of the matrix products in training').choices(['f32', 'bf16']))
    .addOption(
      new Option('--int8 <activations>', 'scales of the INT8 model: as rows come, or calibrated').choices([
        'dynamic',
        'static',
      ]),
    )
    .option('--recompute <n>', 'segments of activations computed again instead of kept', wholeNumber)
    .option('--attention-dropout <p>', 'share of the attention weights dropped in training', decimalNumber)
    .option('--drop-path <p>', 'stochastic depth of the last layer', decimalNumber)
    .option('--label-smoothing <e>', 'share of a target that goes to all classes', decimalNumber)
    .option('--mixup <alpha>', 'mix windows and their labels', decimalNumber)
    .option('--cutmix <alpha>', 'exchange stretches of windows, and their share of the labels', decimalNumber)
    .option('--focal-gamma <x>', 'focal loss', decimalNumber)
    .addOption(new Option('--class-weights <kind>', 'weights of the classes in the loss').choices(['none', 'balanced']))
    .addOption(
      new Option('--regression <kind>', 'what the heads learn of the return beside the class').choices(REGRESSIONS),
    )
    .option('--horizon-weights <list>', "weight of each horizon's loss (1,1,1)", decimalNumbers)
    .option('--learn-horizon-weights', 'learn how much each horizon counts')
    .addOption(new Option('--curriculum <kind>', 'near horizons first').choices(CURRICULA))
    .option('--augment <list>', `changes of the training windows: ${AUGMENTATIONS.join(',')}`, (text) =>
      text.split(','),
    )
    .option('--tensorboard <folder>', 'write an event file for TensorBoard')
    .option('--evaluate-every <n>', 'steps between evaluations', wholeNumber)
    .option('--patience <n>', 'evaluations without improvement before training stops', wholeNumber)
    .option('--latency-samples <n>', 'single predictions timed for each predictor', wholeNumber)
    .option('--threads <n>', 'threads of the native core (the result does not depend on it)', wholeNumber)
    .option('--json', 'print the metrics as one JSON object')
    .action(run);
}

async function run({ out, resume = false, tensorboard, threads, json = false, ...flags }: RunFlags): Promise<void> {
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
      tensorboard,
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
