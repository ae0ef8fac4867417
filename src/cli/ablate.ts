import { join } from 'node:path';
import { Command, Option } from 'commander';
import colors from 'picocolors';
import { FlashbookError } from '../core/errors.js';
import { writeFileAtomic } from '../core/files.js';
import { tablesMarkdown } from '../monitor/report/markdown.js';
import { renderSvg } from '../monitor/report/svg.js';
import { ablationChart, ablationTables } from '../pipeline/ablation/report.js';
import { ABLATION_FILE, ablationStudy } from '../pipeline/ablation/study.js';
import type { RunConfigInput } from '../pipeline/config.js';
import { FORMAT_HELP, interruptSignal, wholeNumber, wholeNumbers } from './options.js';
import { progressView } from './progress.js';
import { terminal } from './terminal.js';

interface AblateFlags extends RunConfigInput {
  out: string;
  seeds: number[];
  filter?: string;
  threads: number;
  json?: boolean;
}

export function ablateCommand(): Command {
  return new Command('ablate')
    .description(
      'train every architecture and every training option on the same budget, and compare them on the test part',
    )
    .option('--data <file>', 'market data; without it, a seeded synthetic session')
    .option('--format <name>', FORMAT_HELP, 'auto')
    .option('--out <folder>', 'folder of the study; one that was interrupted goes on', 'runs/ablation')
    .option('--seeds <list>', 'seeds of each variant', wholeNumbers, [1, 2, 3])
    .option('--filter <regex>', 'only variants whose name matches')
    .addOption(new Option('--label <kind>', 'as of flashbook run').choices(['mid', 'past']))
    .option('--horizons <list>', 'events ahead', wholeNumbers)
    .option('--events <n>', 'events of the synthetic session', wholeNumber)
    .option('--steps <n>', 'training steps of each variant', wholeNumber)
    .option('--window <n>', 'rows that a model sees at once', wholeNumber)
    .option('--threads <n>', 'threads of the native core (times depend on it, scores do not)', wholeNumber, 1)
    .option('--json', 'print the results as one JSON object')
    .action(ablate);
}

async function ablate({ out, seeds, filter, threads, json = false, ...base }: AblateFlags): Promise<void> {
  const screen = terminal({ json });
  const progress = progressView();
  const interrupt = interruptSignal(() => {
    progress.close();
    screen.note('stopping; the same command goes on with what is left');
  });
  try {
    const results = await ablationStudy({
      folder: out,
      base,
      seeds,
      filter: filter === undefined ? undefined : expression(filter),
      threads,
      signal: interrupt.signal,
      onProgress: progress.update,
    });
    progress.close();
    const tables = ablationTables(results);
    const files = [join(out, ABLATION_FILE), join(out, 'ablation.md')];
    await writeFileAtomic(files[1], tablesMarkdown(tables));
    files.push(join(out, 'ablation.svg'));
    await writeFileAtomic(files[2], await renderSvg(ablationChart(results).spec));
    for (const table of tables) screen.table(table);
    screen.line();
    for (const file of files) screen.line(colors.cyan(file));
    screen.result(results);
  } finally {
    progress.close();
    interrupt.done();
  }
}

function expression(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch (cause) {
    throw new FlashbookError(
      'OPTION',
      `expected a regular expression for --filter but received '${text}'`,
      { text },
      { cause },
    );
  }
}
