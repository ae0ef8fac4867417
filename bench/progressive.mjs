// What progressive growing saves: the processor time to one validation loss, of a model trained as it is and of one that starts
// small and grows into it, on the same session, from several seeds, on one thread.
//
//   node --import ./test/typescript-hooks.mjs bench/progressive.mjs [--steps 300] [--seeds 5] [--events 40000] [--data FILE]
//
// The loss to reach is the best of the whole model in `steps` steps from seed 0, which is not among the seeds compared. Rates
// are constant: no schedule knows when the run will end. The small model makes `steps` steps, each about a fifteenth of the cost; only the grown
// one may stop at the target. Evaluations count in both times.
import { parseArgs } from 'node:util';
import { PricePredictor } from '../src/models/index.js';
import { setThreads } from '../src/native/index.js';
import { scheduleFrom } from '../src/optim/index.js';
import { runConfig } from '../src/pipeline/config.js';
import { prepareData, readStage, scaledWindows } from '../src/pipeline/prepare.js';
import { train, trainProgressively } from '../src/train/index.js';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '300' },
    seeds: { type: 'string', default: '5' },
    events: { type: 'string', default: '40000' },
    data: { type: 'string' },
  },
});
setThreads(1);
const steps = Number(values.steps);
const most = 3 * steps;
const config = runConfig({ events: Number(values.events), data: values.data, window: 50 });
const data = prepareData(await readStage(config, {}), config);
const scaled = data.scaler.transform(data.table.values);
const [windows, validation] = ['train', 'validation'].map((part) => scaledWindows(data, scaled, part, config.window));

const model = (layers, dModel, feedForward) =>
  new PricePredictor({
    ...{ features: data.table.columns, steps: config.window, horizons: config.horizons.length },
    ...{ layers, dModel, heads: dModel / 32, feedForward, dropout: config.dropout, positions: 'rotary' },
  });
const large = () => model(3, 128, 512);
const small = () => model(1, 64, 128);

const rate = (learningRate) => scheduleFrom({ schedule: 'constant', learningRate });
const common = (seed) => ({
  ...{ train: windows, validation, seed, batch: 64, evaluateEvery: 20, maxValidationWindows: 1024, schedule: rate(3e-4) },
});

/** Seconds of processor time until the loss is reached, steps of the model that reached it, and the loss there. */
async function until(target, work) {
  const before = process.cpuUsage();
  let reached;
  const onEvaluation = ({ step, loss }) => {
    if (loss > target) return undefined;
    const { user, system } = process.cpuUsage(before);
    reached ??= { seconds: (user + system) / 1e6, step, loss };
    return 'stop';
  };
  const result = await work([{ onEvaluation }]);
  return reached ?? { seconds: Number.NaN, step: Number.NaN, loss: result.bestLoss };
}

const { bestLoss: target } = await train(large(), { ...common(0), steps });
console.log(`target: validation loss ${target.toFixed(4)} (whole model, seed 0, ${steps} steps)`);

const show = ({ seconds, step, loss }) =>
  Number.isNaN(seconds)
    ? `not reached in ${most} steps, ${loss.toFixed(4)}`
    : `${seconds.toFixed(1).padStart(6)} s of processor time, step ${String(step).padStart(4)}, loss ${loss.toFixed(4)}`;
const ratios = [];
for (let seed = 1; seed <= Number(values.seeds); seed++) {
  const whole = await until(target, (callbacks) => train(large(), { ...common(seed), steps: most, callbacks }));
  let stages;
  const grown = await until(target, async (callbacks) => {
    const result = await trainProgressively(
      [
        { model: small(), options: { steps, evaluateEvery: 50, schedule: rate(1e-3) } },
        { model: large(), options: { steps: most, callbacks } },
      ],
      common(seed),
    );
    stages = result.stages;
    return result;
  });
  console.log(`seed ${seed}  as it is     ${show(whole)}`);
  console.log(`        progressive  ${show(grown)}`);
  const [first, second] = stages;
  console.log(
    `        loss before growth ${first.bestLoss.toFixed(4)}, ${second.history.evaluations[0].step} steps after it ${second.history.evaluations[0].loss.toFixed(4)}`,
  );
  if (Number.isFinite(whole.seconds) && Number.isFinite(grown.seconds)) ratios.push(grown.seconds / whole.seconds);
}
const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
const deviation = Math.sqrt(ratios.reduce((sum, ratio) => sum + (ratio - mean) ** 2, 0) / (ratios.length - 1));
console.log(`time with growth / without: ${mean.toFixed(2)} ± ${deviation.toFixed(2)} over ${ratios.length} seeds`);
