import { writeArtefact } from '../../export/index.js';
import { CLASSES } from '../../monitor/run-metrics.js';
import type { TrainedEnsemble } from '../../train/index.js';
import { labelDefinition } from '../describe.js';
import type { PreparedProtocol } from './prepare.js';
import { PROTOCOL_WINDOW } from './recipe.js';
import type { ProtocolRun } from './study.js';

export const PROTOCOL_ARTEFACT = 'ensemble.fbk';

/**
 * The ensemble as an artefact of twelve outputs, the classes «A 10» … «B 100» and then «A 10 direction» … «B 100 direction»: its label tells
 * of each which definition, horizon and threshold it has. A direction has the threshold 0, and «flat» was never taught.
 * The scaler is that of the training part and its mirror image.
 */
export async function writeProtocolArtefact(
  path: string,
  { model, parameters }: TrainedEnsemble,
  run: ProtocolRun,
  prepared: PreparedProtocol,
  { source, steps, createdAt }: { source: string; steps: number; createdAt: string },
): Promise<void> {
  const { tasks, featureSet, table, scaler } = prepared;
  const outputs = ['', ' direction'].flatMap((kind) =>
    tasks.map(({ label, horizon, threshold }) => ({
      ...{ name: `${label} ${horizon}${kind}`, horizon, threshold: kind === '' ? threshold : 0 },
      ...labelDefinition({ label: label === 'A' ? 'mid' : 'past' }),
    })),
  );
  const { members, ensemble, weights, best } = run;
  await writeArtefact(path, {
    ...{ model, parameters, scaler, featureSet },
    featureNames: table.names,
    label: {
      kind: 'protocol',
      description: 'Two labels for three horizons: classes, and the direction alone.',
      outputs,
      thresholds: outputs.map(({ threshold }) => threshold),
      unit: 'events',
    },
    horizons: outputs.map(({ horizon }) => horizon),
    outputNames: outputs.map(({ name }) => name),
    classes: CLASSES,
    golden: table.values.slice(0, PROTOCOL_WINDOW * table.columns),
    card: {
      name: `ensemble of ${members.length} models, labels A and B`,
      description: `Direction of the mid price over the next events by two labels, from the last ${PROTOCOL_WINDOW} rows of the order book.`,
      ...{ createdAt, dataSource: source, seed: run.seed },
      metrics: {
        validationLoss: ensemble.validationLoss,
        validationAccuracy: ensemble.validation.map(({ accuracy }) => accuracy),
        ...(ensemble.test && { testAccuracy: ensemble.test.map(({ accuracy }) => accuracy) }),
        members: members.map(({ name, validationLoss }, m) => ({
          ...{ name, weights: weights.map((list) => list[m]), loss: validationLoss },
        })),
        best,
      },
      training: { steps, mirror: true, features: 'extended' },
    },
  });
}
