import { Command } from 'commander';
import colors from 'picocolors';
import { invalid } from '../core/errors.js';
import { writeFileAtomic } from '../core/files.js';
import { integer } from '../core/options.js';
import { lineChart } from '../monitor/report/line-chart.js';
import { renderPicture } from '../monitor/report/svg.js';
import { SCHEDULES, type Schedule, scheduleFrom, scheduleName } from '../optim/index.js';
import { decimalNumber, svgFile, wholeNumber, wholeNumbers } from './options.js';
import { terminal } from './terminal.js';

/** What can be set, over all schedules: its flag's value and what it says. */
const OPTIONS: Record<string, [parse: (text: string) => unknown, value: string, help: string]> = {
  learningRate: [decimalNumber, 'x', 'the highest rate (5e-4)'],
  minLearningRate: [decimalNumber, 'x', 'the lowest rate'],
  warmupSteps: [wholeNumber, 'n', 'steps of linear warm-up'],
  totalSteps: [wholeNumber, 'n', 'steps of the whole schedule (100000)'],
  cycles: [wholeNumber, 'n', 'descents'],
  cycle: [wholeNumber, 'n', 'steps of a cycle'],
  lengthen: [decimalNumber, 'x', 'how much longer each descent is than the one before'],
  damp: [decimalNumber, 'x', 'height of each descent in terms of the one before'],
  every: [wholeNumber, 'n', 'steps between falls'],
  at: [wholeNumbers, 'list', 'last steps before each fall'],
  factor: [decimalNumber, 'x', 'what the rate is multiplied by at a fall'],
  rise: [decimalNumber, 'share', 'share of the steps that the rate rises'],
  divide: [decimalNumber, 'x', 'highest rate through first rate'],
  finalDivide: [decimalNumber, 'x', 'first rate through last rate'],
  patience: [wholeNumber, 'n', 'evaluations without a better loss that are borne'],
  threshold: [decimalNumber, 'x', 'by which share of the best a loss must be lower'],
  cooldown: [wholeNumber, 'n', 'evaluations after a fall that do not count'],
};

/** What a schedule must be told, where the command line leaves it out. */
const LEFT_OUT: Record<string, (total: number, highest: number) => object> = {
  steps: (total) => ({ every: Math.ceil(total / 4) }),
  inverseSqrt: (total) => ({ warmupSteps: Math.ceil(total / 100) }),
  snapshotCycles: () => ({ cycles: 5 }),
  triangular: (total, highest) => ({ minLearningRate: highest / 10, cycle: 2 * Math.ceil(total / 8) }),
};

interface ScheduleFlags {
  out?: string;
  evaluateEvery?: number;
  points: number;
  json?: boolean;
}

export function scheduleCommand(): Command {
  const command = new Command('schedule')
    .description('show a learning-rate schedule: a table, and a plot')
    .argument('<name>', `${Object.keys(SCHEDULES).join(', ')}`)
    .option('--out <file>', 'where the plot goes, .svg', svgFile)
    .option('--points <n>', 'rows of the table', wholeNumber, 20)
    .option(
      '--evaluate-every <n>',
      'steps between evaluations, for reduceOnPlateau: shown for a loss that never falls (a hundredth of all)',
      wholeNumber,
    )
    .option('--json', 'print one JSON object')
    .action(show);
  for (const [name, [parse, value, help]] of Object.entries(OPTIONS)) {
    command.option(`--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} <${value}>`, help, parse);
  }
  return command;
}

async function show(
  name: string,
  { out, points, evaluateEvery, json = false, ...options }: ScheduleFlags,
): Promise<void> {
  const screen = terminal({ json });
  const given = options as Record<string, number | number[] | undefined>;
  const total = (given.totalSteps as number | undefined) ?? 100_000;
  const known = scheduleName(name);
  const ends = SCHEDULES[known].options.includes('totalSteps');
  const { totalSteps: _, learningRate = 5e-4, ...others } = given;
  const required = known === 'steps' && given.at !== undefined ? {} : LEFT_OUT[known]?.(total, Number(learningRate));
  const schedule = scheduleFrom({
    schedule: name,
    learningRate,
    ...required,
    ...others,
    ...(ends ? { totalSteps: total } : {}),
  });
  const every = integer('evaluateEvery', evaluateEvery ?? Math.ceil(total / 100), 1);
  if (evaluateEvery !== undefined && schedule.follow === undefined)
    throw invalid('evaluateEvery', 'a schedule that looks at losses, as reduceOnPlateau does,', evaluateEvery);
  const ratesAt = (count: number) => ratesOf(schedule, evenSteps(total, count), every);
  const rates = ratesAt(Math.max(2, points));
  const highest = Math.max(...rates.map(([, rate]) => rate), Number.MIN_VALUE);
  const title = `${schedule.config.schedule}, ${total} steps`;
  const settings = Object.entries(schedule.config).map(([option, value]) => `${option} ${value}`);
  const losses = schedule.follow && `; for a loss that never falls, evaluated every ${every} steps`;
  const note = `${settings.join(', ')}${losses ?? ''}`;
  screen.table({
    title,
    note,
    head: ['step', 'learning rate', ''],
    rows: rates.map(([step, rate]) => [String(step), rate.toExponential(4), bar(rate / highest)]),
  });
  if (out !== undefined) {
    const chart = lineChart({
      id: 'schedule',
      title,
      caption: note.replace(/^schedule \w+, /, ''),
      x: 'step',
      y: 'learning rate',
      series: [{ name: title, points: ratesAt(2000) }],
    });
    await writeFileAtomic(out, await renderPicture(chart));
    screen.line(`\nplot             ${colors.cyan(out)}`);
  }
  screen.result({ config: schedule.config, rates: rates.map(([step, rate]) => ({ step, rate })), out: out ?? null });
}

/** The rate at each of the steps. A schedule that looks at losses is told of one that never falls, for what it does then is what it is for. */
function ratesOf(schedule: Schedule, steps: readonly number[], evaluateEvery: number): [number, number][] {
  const run = schedule.follow?.();
  let evaluated = evaluateEvery;
  return steps.map((step) => {
    for (; run !== undefined && evaluated < step; evaluated += evaluateEvery) run.observe(1);
    return [step, (run ?? schedule).at(step)];
  });
}

/** `count` steps from 1 to `total`, evenly spaced, each once. */
function evenSteps(total: number, count: number): number[] {
  const all = Array.from({ length: count }, (_, i) => Math.round(1 + (i * (total - 1)) / (count - 1)));
  return [...new Set(all)];
}

function bar(share: number): string {
  return '█'.repeat(Math.round(40 * share));
}
