import { Command } from 'commander';
import colors from 'picocolors';
import { writeFileAtomic } from '../core/files.js';
import { lineChart } from '../monitor/report/line-chart.js';
import { renderSvg } from '../monitor/report/svg.js';
import { SCHEDULES, scheduleFrom, scheduleName } from '../optim/index.js';
import { decimalNumber, wholeNumber, wholeNumbers } from './options.js';
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

interface ScheduleFlags {
  out?: string;
  points: number;
  json?: boolean;
}

export function scheduleCommand(): Command {
  const command = new Command('schedule')
    .description('show a learning-rate schedule: a table, and a plot')
    .argument('<name>', `${Object.keys(SCHEDULES).join(', ')}`)
    .option('--out <file>', 'where the plot goes, .svg')
    .option('--points <n>', 'rows of the table', wholeNumber, 20)
    .option('--json', 'print one JSON object')
    .action(show);
  for (const [name, [parse, value, help]] of Object.entries(OPTIONS)) {
    command.option(`--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} <${value}>`, help, parse);
  }
  return command;
}

async function show(name: string, { out, points, json = false, ...options }: ScheduleFlags): Promise<void> {
  const screen = terminal({ json });
  const given = options as Record<string, number | number[] | undefined>;
  const total = (given.totalSteps as number | undefined) ?? 100_000;
  const ends = SCHEDULES[scheduleName(name)].options.includes('totalSteps');
  const { totalSteps: _, ...others } = given;
  const schedule = scheduleFrom({
    schedule: name,
    learningRate: 5e-4,
    ...others,
    ...(ends ? { totalSteps: total } : {}),
  });
  const rates = evenSteps(total, Math.max(2, points)).map((step): [number, number] => [step, schedule.at(step)]);
  const highest = Math.max(...rates.map(([, rate]) => rate), Number.MIN_VALUE);
  const title = `${schedule.config.schedule}, ${total} steps`;
  screen.table({
    title,
    note: Object.entries(schedule.config)
      .map(([option, value]) => `${option} ${value}`)
      .join(', '),
    head: ['step', 'learning rate', ''],
    rows: rates.map(([step, rate]) => [String(step), rate.toExponential(4), bar(rate / highest)]),
  });
  if (out !== undefined) {
    const line = evenSteps(total, 2000).map((step): [number, number] => [step, schedule.at(step)]);
    const { spec } = lineChart({
      id: 'schedule',
      title,
      caption: 'Learning rate by step.',
      x: 'step',
      y: 'learning rate',
      series: [{ name: title, points: line }],
    });
    await writeFileAtomic(out, await renderSvg(spec));
    screen.line(`\nplot             ${colors.cyan(out)}`);
  }
  screen.result({ config: schedule.config, rates: rates.map(([step, rate]) => ({ step, rate })), out: out ?? null });
}

/** `count` steps from 1 to `total`, evenly spaced, each once. */
function evenSteps(total: number, count: number): number[] {
  const all = Array.from({ length: count }, (_, i) => Math.round(1 + (i * (total - 1)) / (count - 1)));
  return [...new Set(all)];
}

function bar(share: number): string {
  return '█'.repeat(Math.round(40 * share));
}
