import { stat } from 'node:fs/promises';
import { Command } from 'commander';
import colors from 'picocolors';
import { type Artefact, outputNames } from '../export/index.js';
import { bytes, count } from '../monitor/report/format.js';
import { readArtefact } from '../predict/index.js';
import { terminal } from './terminal.js';

export function inspectCommand(): Command {
  return new Command('inspect')
    .description('what is in an artefact; every byte of it is checked')
    .argument('<file>', 'a .fbk file')
    .option('--json', 'print one JSON object')
    .action(async (file: string, { json = false }: { json?: boolean }) => {
      const screen = terminal({ json });
      const artefact = await readArtefact(file);
      const size = (await stat(file)).size;
      const facts = summary(file, size, artefact);
      for (const [what, value] of facts) screen.line(`${colors.dim(what.padEnd(12))} ${value}`);
      for (const table of [sectionTable(artefact), weightTable(artefact), planTable(artefact)]) screen.table(table);
      const { manifest, sections } = artefact;
      screen.result({
        file,
        bytes: size,
        manifest,
        sections,
        weights: [...artefact.weights()].map(([name, { shape, dtype }]) => ({ name, dtype, shape })),
        plans: [...artefact.plans()].map(([batch, { steps, arenaBytes }]) => ({
          batch,
          steps: steps.length,
          arenaBytes,
        })),
      });
    });
}

function summary(file: string, size: number, artefact: Artefact): [string, string][] {
  const { manifest } = artefact;
  const { card, input, output, model, golden } = manifest;
  return [
    [
      'artefact',
      `${file}, ${bytes(size)}, ${manifest.precision}${manifest.activations ? ` with ${manifest.activations} activations` : ''}, by ${manifest.producer}`,
    ],
    ['model', `${model.kind} (${count(model.parameters)} parameters): ${options(model.options)}`],
    [
      'input',
      `${input.steps} steps × ${input.features.length} features, raw; clipped at ±${manifest.scaler.clip} standard deviations`,
    ],
    ['output', `logits of ${output.classes.join(', ')} for horizons ${outputNames(output).join(', ')}`],
    ...returnsOf(output),
    ['label', options(manifest.label as Record<string, unknown>)],
    ['card', `${card.name}; ${card.createdAt}; seed ${card.seed}; data: ${card.dataSource}`],
    ['', card.description ?? ''],
    ['metrics', options(card.metrics)],
    [
      'golden',
      `${golden.windows} window(s), tolerance ${golden.tolerance.native} native, ${golden.tolerance.onnx} ONNX Runtime`,
    ],
  ];
}

/** What is told of returns, where it is. */
function returnsOf({ returns, ...output }: Artefact['manifest']['output']): [string, string][] {
  if (returns === undefined) return [];
  const what = returns.quantiles === undefined ? 'location' : `location and quantiles ${returns.quantiles.join(', ')}`;
  const learned = outputNames(output).map((name, h) => `${name}: ${shortNumber('', returns.scales[h])}`);
  return [['returns', `${what}, in units of the return; learned in units of ${learned.join(', ')}`]];
}

function options(object: Record<string, unknown>): string {
  return Object.entries(object)
    .map(
      ([name, value]) =>
        `${name} ${typeof value === 'string' ? value.replace(/\.$/, '') : JSON.stringify(value, shortNumber)}`,
    )
    .join(', ');
}

function shortNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(5)) : value;
}

function sectionTable(artefact: Artefact) {
  return {
    title: 'Sections',
    note: 'Each is covered by a SHA-256 digest, and so is the header.',
    head: ['section', 'size'],
    rows: artefact.sections.map(({ name, bytes: size }) => [name, bytes(size)]),
  };
}

function weightTable(artefact: Artefact) {
  const weights = [...artefact.weights()];
  return {
    title: 'Weights',
    note: `${weights.length} tensors, safetensors inside the artefact.`,
    head: ['tensor', 'dtype', 'shape', 'elements'],
    rows: weights.map(([name, { dtype, shape, data }]) => [
      name,
      dtype,
      shape.join(' × ') || 'scalar',
      count(data.length),
    ]),
  };
}

function planTable(artefact: Artefact) {
  return {
    title: 'Plans',
    note: 'One for each batch size; other sizes are split and padded.',
    head: ['batch', 'kernel calls', 'arena'],
    rows: [...artefact.plans()].map(([batch, plan]) => [
      String(batch),
      String(plan.steps.length),
      bytes(plan.arenaBytes),
    ]),
  };
}
