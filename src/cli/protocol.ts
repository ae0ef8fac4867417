import { join } from 'node:path';
import { Command } from 'commander';
import colors from 'picocolors';
import { writeFileAtomic } from '../core/files.js';
import { tablesMarkdown } from '../monitor/report/markdown.js';
import { renderSvg } from '../monitor/report/svg.js';
import { PROTOCOL_ARTEFACT } from '../pipeline/protocol/artefact.js';
import { protocolChart, protocolTables } from '../pipeline/protocol/report.js';
import { PROTOCOL_FILE, protocolStudy } from '../pipeline/protocol/study.js';
import { FORMAT_HELP, interruptSignal, wholeNumber, wholeNumbers } from './options.js';
import { progressView } from './progress.js';
import { terminal } from './terminal.js';

interface ProtocolFlags {
  data?: string;
  format?: string;
  events?: number;
  out: string;
  seed?: number;
  seeds?: number[];
  steps?: number;
  test: boolean;
  json?: boolean;
}

export function protocolCommand(): Command {
  return new Command('protocol')
    .description(
      'the best accuracy that there is: a logistic regression, several small models and their ensemble, an artefact, for two labels and three horizons',
    )
    .option('--data <file>', 'market data; without it, a seeded synthetic session')
    .option('--format <name>', FORMAT_HELP, 'auto')
    .option('--out <folder>', 'folder of the study; one that was interrupted goes on', 'runs/protocol')
    .option('--seed <n>', 'orders the synthetic session, initial weights, shuffling and dropout', wholeNumber)
    .option(
      '--seeds <list>',
      'train everything from each of these seeds: the tables give mean ± deviation',
      wholeNumbers,
    )
    .option('--events <n>', 'events of the synthetic session', wholeNumber)
    .option('--steps <n>', 'training steps of every model', wholeNumber)
    .option('--no-test', 'leave the test part alone and score the validation part: for making choices')
    .option('--json', 'print the results as one JSON object')
    .action(protocol);
}

async function protocol({ out, json = false, ...options }: ProtocolFlags): Promise<void> {
  const screen = terminal({ json });
  const progress = progressView();
  const interrupt = interruptSignal(() => {
    progress.close();
    screen.note('stopping; the same command goes on with what is left');
  });
  try {
    const results = await protocolStudy({
      ...options,
      folder: out,
      signal: interrupt.signal,
      onProgress: progress.update,
    });
    progress.close();
    const tables = protocolTables(results);
    const files = [PROTOCOL_FILE, 'protocol.md', 'protocol.svg', PROTOCOL_ARTEFACT].map((name) => join(out, name));
    await writeFileAtomic(files[1], tablesMarkdown(tables));
    await writeFileAtomic(files[2], await renderSvg(protocolChart(results).spec));
    for (const table of tables) screen.table(table);
    screen.line();
    for (const file of files) screen.line(colors.cyan(file));
    screen.result(results);
  } finally {
    progress.close();
    interrupt.done();
  }
}
