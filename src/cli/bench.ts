import { Command, InvalidArgumentError } from 'commander';
import {
  type BenchResults,
  benchTables,
  compareResults,
  comparisonTable,
  readBenchResults,
  runBench,
  SUITES,
} from '../bench/index.js';
import { writeFileAtomic } from '../core/files.js';
import { interruptSignal, wholeNumbers } from './options.js';
import { progressView } from './progress.js';
import { terminal } from './terminal.js';

interface BenchArguments {
  filter?: RegExp;
  threads?: number[];
  quick?: boolean;
  out?: string;
  compare?: string;
  json?: boolean;
}

export function benchCommand(): Command {
  return new Command('bench')
    .description("the machine's own peaks, and how much of them flashbook gets, against plain code and ONNX Runtime")
    .option('--filter <regex>', "only cases whose name matches, such as 'gemm/int8', 'batch 1,'", pattern)
    .option('--threads <list>', 'numbers of threads, each measured by itself (default: 1 and all)', wholeNumbers)
    .option('--quick', 'fewer and shorter turns: a look, no measurement')
    .option('--out <file>', 'write the results as JSON, for --compare')
    .option('--compare <file>', 'print what got slower than in these results; ends with 1 if something did')
    .option('--json', 'print one JSON object')
    .addHelpText('after', `\nSuites: ${Object.keys(SUITES).join(', ')}.`)
    .action(async ({ filter, threads, quick = false, out, compare, json = false }: BenchArguments) => {
      const screen = terminal({ json });
      const baseline = compare === undefined ? undefined : await readBenchResults(compare);
      const view = progressView();
      const interrupt = interruptSignal(() => screen.note('interrupted: ending after this turn'));
      let results: BenchResults;
      try {
        results = await runBench({
          ...(filter && { filter }),
          ...(threads && { threads }),
          quick,
          signal: interrupt.signal,
          onProgress: (done, total, detail) =>
            view.update({ stage: 'bench', done, total, unit: 'cases', detail, finished: done === total }),
        });
      } finally {
        interrupt.done();
        view.close();
      }
      const comparison = baseline && compareResults(baseline, results);
      for (const table of benchTables(results)) screen.table(table);
      if (comparison !== undefined) screen.table(comparisonTable(comparison, compare as string));
      if (out !== undefined) await writeFileAtomic(out, `${JSON.stringify(results, null, 1)}\n`);
      screen.result({ ...results, ...(comparison && { comparison }) });
      const wrong = results.rows.some(({ failures }) => failures.some((failure) => failure.wrong));
      if (wrong || (comparison?.slower.length ?? 0) > 0) process.exitCode = 1;
    });
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
}
