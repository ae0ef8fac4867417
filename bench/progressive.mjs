// What progressive growing saves: a model trained as it is, against one that starts small and grows, on the same session and seeds.
//
//   node --import ./test/typescript-hooks.mjs bench/progressive.mjs [--steps 400] [--seeds 2] [--events 40000] [--data FILE]
import { parseArgs } from 'node:util';
import { PricePredictor } from '../src/models/index.js';
import { runConfig } from '../src/pipeline/config.js';
import { prepareData, readStage, scaledWindows } from '../src/pipeline/prepare.js';
import { train, trainProgressively } from '../src/train/index.js';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '400' },
    seeds: { type: 'string', default: '2' },
    events: { type: 'string', default: '40000' },
    data: { type: 'string' },
  },
});
const steps = Number(values.steps);
const config = runConfig({ events: Number(values.events), data: values.data, window: 50 });
const data = prepareData(await readStage(config, {}), config);
const scaled = data.scaler.transform(data.table.values);
const [windows, validation] = ['train', 'validation'].map((part) => scaledWindows(data, scaled, part, config.window));

const model = (layers, dModel, feedForward) =>
  new PricePredictor({
    ...{
      features: data.table.columns,
      steps: config.window,
      horizons: config.horizons.length,
      dropout: config.dropout,
    },
    ...{ layers, dModel, heads: dModel / 32, feedForward, positions: 'rotary' },
  });
const common = (seed) => ({
  ...{
    train: windows,
    validation,
    seed,
    batch: 64,
    learningRate: 3e-4,
    evaluateEvery: Math.ceil(steps / 10),
    maxValidationWindows: 2048,
  },
});

/** A result with the processor time that it took, in seconds: other processes add nothing to it. */
async function timed(work) {
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return [result, (user + system) / 1e6];
}

const line = (seed, name, seconds, loss) =>
  `seed ${seed}  ${name.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s of processor time  validation loss ${loss.toFixed(4)}`;

for (let seed = 1; seed <= Number(values.seeds); seed++) {
  const [whole, wholeSeconds] = await timed(() => train(model(3, 128, 512), { ...common(seed), steps }));
  const [grown, grownSeconds] = await timed(() =>
    trainProgressively(
      [
        { model: model(1, 64, 128), options: { steps: steps / 2 } },
        { model: model(3, 128, 512), options: { steps: steps / 2, warmupSteps: 10 } },
      ],
      common(seed),
    ),
  );
  console.log(line(seed, 'as it is', wholeSeconds, whole.bestLoss));
  console.log(line(seed, 'progressive', grownSeconds, grown.bestLoss));
  const [first, second] = grown.stages;
  console.log(
    `        loss before growth ${first.bestLoss.toFixed(4)}, first evaluation after it ${second.history.evaluations[0].loss.toFixed(4)}`,
  );
}
