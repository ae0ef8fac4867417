import { FlashbookError } from '../core/errors.js';
import { constants, stateSpecs } from '../graph/index.js';
import { routingGraph } from '../models/index.js';
import type { Plan, State, StepProfile } from '../native/index.js';
import type { TypedArray } from '../native/plan-spec.js';
import { type BoundOptimizer, gradientName, type OptimizerParameter, type ScheduleRun } from '../optim/index.js';
import { BatchChanges, resolveClassWeights } from './batch-changes.js';
import type { Configuration } from './configuration.js';
import type { CurriculumRun } from './curriculum.js';
import { EarlyStopping } from './early-stopping.js';
import { Evaluator } from './evaluate.js';
import { ExpertMeter } from './expert-meter.js';
import { type EvaluationRecord, type History, meanLossSince, type StepRecord } from './history.js';
import { LossScaler } from './loss-scaler.js';
import { LossSum, logVariance } from './losses.js';
import type { TrainableModel } from './model.js';
import { numericError } from './numeric-guard.js';
import { configurationOf, type ResolvedOptions, resolveOptions, type TrainOptions } from './options.js';
import { evaluationGraph, gradientGraph, statisticsGraph, unscaleGraph } from './plans.js';
import { TrainClock, type TrainProgress } from './progress.js';
import { Recalibrator } from './recalibrator.js';
import { RunLog } from './run-log.js';
import { loadRun, saveRun } from './saved-run.js';
import { StepCall } from './step-call.js';
import { TensorBoardLog } from './tensorboard.js';
import { fillConstants, fillParameters, initialWeights, readParameters } from './weights.js';
import { BatchOrder, checkLabels, evenlySpaced } from './windows.js';

export interface TrainResult {
  /** The weights of the evaluation with the lowest validation loss, by parameter name. */
  parameters: Map<string, Float32Array>;
  /** The step that they are from, and its validation loss. */
  bestStep: number;
  bestLoss: number;
  /** Steps made. */
  steps: number;
  /** Why it ended: all steps were made, the validation loss did not fall any more, or a callback said so. */
  reason: 'steps' | 'patience' | 'callback';
  /** With `learnHorizonWeights`, e^(−s_h) of each horizon at the last step; 0 for a horizon of weight 0. */
  horizonWeights?: number[];
  history: History;
  /** With the option `profile`: what each kernel call of gradients and update cost in this run, in order. */
  profile?: StepProfile[];
  /** Wall time of training, the parts before a resumption included. */
  seconds: number;
}

/**
 * Trains a model. One step is one native call off the event loop: the gradients of its batches and the optimiser's update; the next
 * batches are gathered meanwhile. The same options give the same weights to the bit, whatever the
 * number of threads, and whether or not the run was stopped and resumed.
 *
 * @throws FlashbookError
 *   OPTION   a wrong option, or a checkpoint of another configuration;
 *   DATA     no windows, or a horizon without any label;
 *   NUMERIC  a loss or gradient that is not finite, with the step and the first such tensor;
 *   FORMAT   a damaged checkpoint;  FILE  a file that cannot be read or written;
 *   ABORTED  the signal fired; with `checkpoint` the state is saved.
 */
export async function train(model: TrainableModel, options: TrainOptions): Promise<TrainResult> {
  const owned: Owned[] = [];
  try {
    return await new TrainingRun(model, resolveOptions(options), owned).go();
  } finally {
    for (const each of owned.reverse()) each.dispose();
  }
}

/** What a run holds natively; disposed in reverse order when it ends, also when it could not begin. */
interface Owned {
  dispose(): void;
}

interface BatchBuffers {
  /** Of the batch that lies in them. */
  number: number;
  x: Float32Array;
  targets: Int32Array[];
  /** Weighted soft targets, where the loss takes them; else empty. */
  soft: Float32Array[];
  /** With regression, the returns of each horizon; else empty. */
  returns: Float32Array[];
}

class TrainingRun {
  readonly #options: ResolvedOptions;
  readonly #parameters: OptimizerParameter[];
  /** The parameters that the loss depends on. */
  readonly #trained: OptimizerParameter[];
  readonly #classes: readonly number[];
  readonly #configuration: Configuration;
  readonly #state: State;
  readonly #savedBuffers: readonly string[];
  readonly #call: StepCall;
  /** The plans of a step. */
  readonly #plans: readonly Plan[];
  readonly #optimizer: BoundOptimizer;
  readonly #evaluator: Evaluator;
  /** Where the model has mixtures of experts. */
  readonly #expertMeter: ExpertMeter | undefined;
  /** The weights that evaluations see, where the optimiser averages; else those that are trained. */
  readonly #evaluated: State;
  readonly #order: BatchOrder;
  readonly #schedule: { at(step: number): number } & Partial<ScheduleRun>;
  readonly #early: EarlyStopping;

  // Buffers of the batches of two steps: some are being filled while the others' step runs. Batch numbers begin at 1.
  readonly #batches: BatchBuffers[];
  readonly #changes: BatchChanges;
  readonly #curriculum: CurriculumRun | undefined;
  /** Where the loss is scaled, its factor. */
  readonly #scaler: LossScaler | undefined;
  /** Moves the running statistics of averaged weights, where the model has such. */
  readonly #recalibrator: Recalibrator | undefined;
  /** Steps that were left out because their gradients overflowed. */
  #skipped = 0;

  #step = 0;
  #evaluatedStep = 0;
  #history: History = { steps: [], evaluations: [] };
  #best: Map<string, Float32Array>;
  #secondsBefore = 0;
  #clock!: TrainClock;
  #log: RunLog | undefined;
  #tensorboard: TensorBoardLog | undefined;
  #savedAt = 0;
  /** A callback has ended the run. */
  #stopped = false;

  constructor(model: TrainableModel, options: ResolvedOptions, owned: Owned[]) {
    const own = <T extends Owned>(each: T): T => {
      owned.push(each);
      return each;
    };
    this.#options = options;
    const { train, validation, seed, batch, device } = options;
    const shape = { batch, steps: train.steps, columns: train.columns };
    this.#parameters = model.parameters().map(({ name, shape, decay }) => ({ name, shape, decay }));

    this.#classes = evaluationGraph(model, shape).classes;
    checkLabels('train', train, this.#classes, 2);
    checkLabels('validation', validation, this.#classes, 1);
    const classWeights = resolveClassWeights(options.classWeights, train, this.#classes);
    this.#changes = new BatchChanges({ ...options, classWeights }, train, this.#classes);
    const { softTargets } = this.#changes;
    const { accumulate } = options;
    const inputWeights = options.curriculum !== undefined;
    this.#curriculum = options.curriculum?.begin(this.#classes.length, options.steps);
    const scaleLoss = options.lossScale !== undefined;
    const traced = { ...options, softTargets, inputWeights, scaleLoss };
    const training = gradientGraph(model, shape, traced);
    const adding = accumulate > 1 ? gradientGraph(model, shape, { ...traced, add: true }) : training;
    const evaluationShape = { ...shape, batch: Math.min(batch, validation.length) };
    const evaluation = evaluationGraph(model, evaluationShape, options);
    const routing = routingGraph(model, evaluationShape, options);
    const measuring = [evaluation.graph, ...(routing === undefined ? [] : [routing.graph])];
    this.#configuration = configurationOf(model, options);

    // A horizon of weight 0 leaves its head without gradients.
    this.#trained = [
      ...this.#parameters.filter(({ name }) => training.trained.includes(name)),
      ...this.#classes
        .map((_, h) => ({ name: logVariance(h), shape: [1], decay: false }))
        .filter(({ name }) => training.trained.includes(name)),
    ];
    const graphs = [training.graph, adding.graph, ...measuring];
    const specs = [...stateSpecs(...graphs), ...options.optimizer.states(this.#trained)];
    this.#state = own(device.createState(specs));
    const fixed = constants(...graphs);
    this.#savedBuffers = specs.map(({ name }) => name).filter((name) => !fixed.has(name) && !isGradient(name));
    fillConstants(this.#state, graphs);
    fillParameters(this.#state, this.#parameters, initialWeights(model, options));

    const first = own(device.createPlan(training.compile(device), this.#state));
    const others = accumulate > 1 ? own(device.createPlan(adding.compile(device), this.#state)) : first;
    if (scaleLoss) this.#scaler = new LossScaler(options.lossScale);
    const unscale = scaleLoss ? own(device.createPlan(unscaleGraph(this.#trained), this.#state)) : undefined;
    this.#optimizer = own(options.optimizer.bind(device, this.#state, this.#trained));
    this.#call = new StepCall(
      device,
      { gradients: [first, others], unscale, optimizer: this.#optimizer },
      { batch, classes: this.#classes, batches: accumulate },
    );
    this.#plans = [...new Set([first, others]), ...(unscale === undefined ? [] : [unscale]), ...this.#optimizer.plans];
    this.#evaluated =
      this.#optimizer.averageAfter === undefined ? this.#state : own(device.createState(stateSpecs(...measuring)));
    fillConstants(this.#evaluated, measuring);
    const statistics = this.#evaluated === this.#state ? undefined : statisticsGraph(model, shape, options);
    if (statistics !== undefined) {
      const plan = own(device.createPlan(statistics.compile(), this.#evaluated));
      this.#recalibrator = new Recalibrator(plan, train, { batch, seed });
    }
    this.#evaluator = new Evaluator(own(device.createPlan(evaluation.compile(), this.#evaluated)), {
      windows: validation,
      rows: evenlySpaced(validation.length, options.maxValidationWindows),
      batch: evaluationShape.batch,
      classes: this.#classes,
      labelSmoothing: options.labelSmoothing,
      horizonWeights: options.horizonWeights,
    });
    if (routing !== undefined) {
      const plan = own(device.createPlan(routing.compile(), this.#evaluated));
      this.#expertMeter = new ExpertMeter(plan, routing, { windows: validation, batch: evaluationShape.batch });
    }
    this.#schedule = options.schedule.follow?.() ?? options.schedule;
    this.#order = new BatchOrder(train, { batch, seed });
    this.#early = new EarlyStopping(options);
    this.#best = this.#weights();

    this.#batches = Array.from({ length: 2 * accumulate }, () => ({
      number: 0,
      x: new Float32Array(batch * train.steps * train.columns),
      targets: this.#classes.map(() => new Int32Array(batch)),
      soft: softTargets ? this.#classes.map((count) => new Float32Array(batch * count)) : [],
      returns: options.regression ? this.#classes.map(() => new Float32Array(batch)) : [],
    }));
  }

  async go(): Promise<TrainResult> {
    const { steps, log, tensorboard, clock, evaluateEvery, signal } = this.#options;
    const resumed = await this.#resume();
    this.#clock = new TrainClock(clock, { step: this.#step, total: steps, evaluateEvery });
    // A place that cannot be written is found now, not after hours of work.
    if (!resumed) await this.#save();
    this.#savedAt = clock();
    if (log !== undefined) this.#log = await RunLog.open(log, this.#configuration, this.#history);
    if (tensorboard !== undefined) {
      this.#tensorboard = await TensorBoardLog.open(tensorboard, this.#history, () => clock() / 1000);
    }

    if (this.#options.profile) for (const plan of this.#plans) plan.setProfiling(true);
    // A run that was stopped between a step and its evaluation begins with the evaluation.
    if (this.#evaluationIsDue()) await this.#evaluate();
    while (this.#step < steps && !this.#early.shouldStop && !this.#stopped) {
      if (signal?.aborted) await this.#stop();
      await this.#makeStep();
      if (this.#evaluationIsDue()) await this.#evaluate();
      if (this.#saveIsDue()) await this.#save();
    }
    return this.#finish();
  }

  async #makeStep(): Promise<void> {
    const { onProgress, callbacks, accumulate } = this.#options;
    const step = this.#step + 1;
    const numbers = this.#numbersOf(step);
    const batches = numbers.map((number) => this.#gather(number));
    const lossScale = this.#scaler?.scale;
    const learningRate = this.#schedule.at(step);
    const running = this.#call.run({
      step: step - this.#skipped, // Its own count: of steps that it has made.
      learningRate,
      batches: batches.map((each) => this.#inputs(each, step)),
      lossScale,
    });
    try {
      if (step < this.#options.steps) for (const number of this.#numbersOf(step + 1)) this.#gather(number);
    } finally {
      await running;
    }
    const { losses, gradientNorm } = await running;
    const bad = losses.findIndex((loss) => !Number.isFinite(loss));
    if (bad >= 0) throw this.#numericError(step, losses[bad], batches[bad]);
    const loss = losses.reduce((sum, each) => sum + each / accumulate, 0);
    const finite = Number.isFinite(gradientNorm);
    // A factor of 1 or less is no cause of an overflow.
    if (!finite && !(lossScale !== undefined && lossScale > 1)) {
      throw this.#numericError(step, loss, batches[accumulate - 1], gradientNorm);
    }
    this.#scaler?.observe(finite);
    if (!finite) this.#skipped++;

    this.#step = step;
    const epoch = this.#order.epochOf(numbers[0]);
    const scaling = lossScale === undefined ? {} : { lossScale, ...(finite ? {} : { skipped: true as const }) };
    const record: StepRecord = {
      ...{ step, epoch, loss, accuracy: this.#accuracy(batches), learningRate },
      gradientNorm: finite ? gradientNorm : 0,
      ...scaling,
    };
    this.#history.steps.push(record);
    this.#log?.write({ event: 'step', ...record });
    this.#tensorboard?.step(record);
    for (const callback of callbacks) {
      if (callback.onStep?.(record, () => this.#weights()) === 'stop') this.#stopped = true;
    }
    onProgress?.(this.#progress('train'));
  }

  /** The batches of a step. */
  #numbersOf(step: number): number[] {
    const { accumulate } = this.#options;
    return Array.from({ length: accumulate }, (_, part) => (step - 1) * accumulate + part + 1);
  }

  /** The buffers that hold a batch, brought there unless it is. */
  #gather(number: number): BatchBuffers {
    const buffers = this.#batches[number % this.#batches.length];
    if (buffers.number === number) return buffers;
    const { x, targets, soft, returns } = buffers;
    buffers.number = 0;
    this.#options.train.batch(this.#order.indices(number), x, targets);
    this.#changes.apply(number, x, targets, soft);
    if (returns.length > 0) this.#options.train.returns!(this.#order.indices(number), returns);
    buffers.number = number;
    return buffers;
  }

  /** The inputs of the gradients' plan. */
  #inputs({ number, x, targets, soft, returns }: BatchBuffers, step: number): TypedArray[] {
    const { seed } = this.#options;
    const weights = this.#curriculum?.weights(step).map((weight) => Float32Array.of(weight)) ?? [];
    const rng = Uint32Array.of(seed >>> 0, Math.floor(seed / 2 ** 32), number, 0);
    return [x, ...(soft.length > 0 ? soft : targets), ...returns, ...weights, rng];
  }

  /** Share of right classes of each horizon in the last step; null without any label. */
  #accuracy(batches: readonly BatchBuffers[]): (number | null)[] {
    return this.#classes.map((count, h) => {
      const sum = new LossSum(0);
      for (const [i, { targets }] of batches.entries()) {
        sum.add(this.#call.logits[i][h], targets[h], this.#options.batch, count);
      }
      return sum.rows === 0 ? null : sum.hits / sum.rows;
    });
  }

  #evaluationIsDue(): boolean {
    const { steps, evaluateEvery } = this.#options;
    if (this.#step === 0 || this.#evaluatedStep === this.#step) return false;
    return this.#step % evaluateEvery === 0 || this.#step === steps;
  }

  async #evaluate(): Promise<void> {
    const { signal, onProgress } = this.#options;
    this.#clock.evaluationBegins();
    if (this.#evaluated !== this.#state) {
      fillParameters(this.#evaluated, this.#parameters, this.#weights());
      await this.#recalibrator?.run();
    }
    let stopped = false;
    const measured = await this.#evaluator
      .run((fraction) => {
        onProgress?.({ ...this.#progress('evaluate'), fraction });
        if (signal?.aborted) {
          stopped = true;
          throw new Error('stopped');
        }
      })
      .catch((error) => {
        if (stopped) return undefined;
        throw error;
      });
    const experts = measured === undefined ? undefined : await this.#expertMeter?.run();
    this.#clock.evaluationEnds();
    if (measured === undefined) return this.#stop();

    if (!Number.isFinite(measured.loss))
      throw this.#numericError(this.#step, measured.loss, this.#gather(this.#step * this.#options.accumulate));
    const trainLoss = meanLossSince(this.#history, this.#evaluatedStep);
    const best = this.#early.observe(this.#step, measured.loss);
    if (best) this.#best = readParameters(this.#evaluated, this.#parameters);
    this.#schedule.observe?.(measured.loss);
    this.#curriculum?.observe(measured.horizons, this.#step);
    this.#evaluatedStep = this.#step;
    const record: EvaluationRecord = {
      ...{ step: this.#step, epoch: this.#order.epochOf(this.#step), ...measured, trainLoss, best },
      ...(experts && { experts }),
    };
    this.#history.evaluations.push(record);
    this.#log?.write({ event: 'evaluation', ...record });
    this.#tensorboard?.evaluation(record);
    for (const callback of this.#options.callbacks) {
      if (callback.onEvaluation?.(record, () => this.#weights()) === 'stop') this.#stopped = true;
    }
    await this.#flushLogs();
  }

  /** The weights after this step: averages, where the optimiser has them. */
  #weights(): Map<string, Float32Array> {
    const weights = readParameters(this.#state, this.#parameters);
    const average = this.#optimizer.averageAfter?.(this.#step - this.#skipped);
    if (average === undefined) return weights;
    for (const { name } of this.#trained) this.#state.get(average(name), weights.get(name));
    return weights;
  }

  async #finish(): Promise<TrainResult> {
    const reason = this.#stopped ? 'callback' : this.#early.shouldStop ? 'patience' : 'steps';
    const { bestStep, best } = this.#early;
    await this.#save();
    this.#log?.write({ event: 'end', reason, step: this.#step, bestStep });
    await this.#flushLogs();
    return {
      parameters: this.#best,
      bestStep,
      bestLoss: best,
      steps: this.#step,
      reason,
      ...(this.#options.learnHorizonWeights ? { horizonWeights: this.#learnedWeights() } : {}),
      history: this.#history,
      ...(this.#options.profile ? { profile: this.#plans.flatMap((plan) => plan.profile()) } : {}),
      seconds: this.#seconds(),
    };
  }

  /** Saves and throws, when the signal has fired. */
  async #stop(): Promise<never> {
    await this.#save();
    await this.#flushLogs();
    const { checkpoint, signal, steps } = this.#options;
    const hint = checkpoint === undefined ? '' : `; resume from ${checkpoint}`;
    throw new FlashbookError(
      'ABORTED',
      `training was stopped after step ${this.#step} of ${steps}${hint}`,
      { step: this.#step },
      { cause: signal?.reason },
    );
  }

  async #flushLogs(): Promise<void> {
    await this.#log?.flush();
    await this.#tensorboard?.flush();
  }

  #saveIsDue(): boolean {
    const { checkpoint, checkpointEverySteps, checkpointEverySeconds, clock } = this.#options;
    if (checkpoint === undefined) return false;
    return this.#step % checkpointEverySteps === 0 || clock() - this.#savedAt >= checkpointEverySeconds * 1000;
  }

  async #save(): Promise<void> {
    const { checkpoint, clock, callbacks } = this.#options;
    if (checkpoint === undefined) return;
    await saveRun(checkpoint, {
      progress: {
        configuration: this.#configuration,
        step: this.#step,
        evaluatedStep: this.#evaluatedStep,
        early: this.#early.snapshot(),
        schedule: this.#schedule.snapshot?.(),
        curriculum: this.#curriculum?.snapshot(),
        ...(this.#scaler === undefined ? {} : { scaler: this.#scaler.snapshot(), skipped: this.#skipped }),
        history: this.#history,
        seconds: this.#seconds(),
      },
      state: this.#state,
      buffers: this.#savedBuffers,
      best: this.#best,
      callbacks: callbacks.map((callback) => callback.snapshot?.()),
    });
    await this.#flushLogs();
    this.#savedAt = clock();
  }

  /** Takes over the saved run, if there is one to go on from. */
  async #resume(): Promise<boolean> {
    const { checkpoint, resume, callbacks } = this.#options;
    if (!resume || checkpoint === undefined) return false;
    const saved = await loadRun(checkpoint, this.#configuration, this.#state, this.#savedBuffers, this.#parameters);
    if (saved === undefined) return false;
    const { progress, best, remembered } = saved;
    for (const [i, callback] of callbacks.entries()) callback.restore?.(remembered(i));
    this.#best = best;
    this.#early.restore(progress.early);
    this.#schedule.restore?.(progress.schedule);
    this.#curriculum?.restore(progress.curriculum);
    if (progress.scaler !== undefined) this.#scaler?.restore(progress.scaler);
    this.#skipped = progress.skipped ?? 0;
    this.#history = progress.history;
    this.#step = progress.step;
    this.#evaluatedStep = progress.evaluatedStep;
    this.#secondsBefore = progress.seconds;
    return true;
  }

  #progress(phase: TrainProgress['phase']): TrainProgress {
    const last = this.#history.steps.at(-1);
    return {
      phase,
      step: this.#step,
      total: this.#options.steps,
      epoch: last?.epoch ?? 0,
      loss: last?.loss ?? Number.NaN,
      validationLoss: this.#history.evaluations.at(-1)?.loss ?? Number.NaN,
      learningRate: last?.learningRate ?? 0,
      gradientNorm: last?.gradientNorm ?? Number.NaN,
      ...this.#clock.pace(this.#step, this.#options.batch * this.#options.accumulate),
    };
  }

  #numericError(step: number, loss: number, { x }: BatchBuffers, gradientNorm?: number): FlashbookError {
    const { columns } = this.#options.train;
    return numericError({ step, loss, gradientNorm, state: this.#state, parameters: this.#trained, x, columns });
  }

  #learnedWeights(): number[] {
    return this.#classes.map((_, h) => {
      const learned = this.#trained.some(({ name }) => name === logVariance(h));
      return learned ? Math.exp(-this.#state.get(logVariance(h))[0]) : 0;
    });
  }

  #seconds(): number {
    return this.#secondsBefore + this.#clock.seconds();
  }
}

function isGradient(buffer: string): boolean {
  return buffer.startsWith(gradientName(''));
}
