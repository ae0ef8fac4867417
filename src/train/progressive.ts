import { FlashbookError } from '../core/errors.js';
import { type GrowOptions, growPricePredictor, type PricePredictor } from '../models/index.js';
import type { TrainOptions } from './options.js';
import { type TrainResult, train } from './trainer.js';

/** A part of a progressive training: a model, and what is different for it. */
export interface Stage {
  model: PricePredictor;
  /** Options of this stage, over the common ones: steps, learning rate, batch, shorter windows. */
  options: Partial<TrainOptions>;
  /** How its weights grow out of the stage before. */
  grow?: GrowOptions;
}

export interface ProgressiveResult extends TrainResult {
  /** Every stage's own result, in order. */
  stages: TrainResult[];
}

/**
 * Trains a small model, lets it grow without a change of its function, and goes on with the larger one: cheap steps first.
 * Each stage is a run of its own, with fresh moments, that begins with the best weights of the stage before, grown. With `checkpoint`
 * each stage has a file, `<checkpoint>.<stage>`, and a run that is resumed takes finished stages from theirs.
 *
 * Sources: Chen et al. 2016, "Net2Net"; Gong et al. 2019, "Efficient Training of BERT by Progressively Stacking".
 *
 * @returns the result of the last stage, its seconds those of all
 * @throws FlashbookError as `train` and `growPricePredictor`
 */
export async function trainProgressively(stages: readonly Stage[], common: TrainOptions): Promise<ProgressiveResult> {
  if (stages.length === 0) throw new FlashbookError('OPTION', 'expected at least one stage', { name: 'stages' });
  const results: TrainResult[] = [];
  let initial = common.initial;
  for (const [i, { model, options, grow }] of stages.entries()) {
    const previous = results.at(-1);
    if (previous !== undefined) initial = growPricePredictor(previous.parameters, stages[i - 1].model, model, grow);
    const { checkpoint } = common;
    const file = checkpoint === undefined ? {} : { checkpoint: `${checkpoint}.${i}` };
    results.push(await train(model, { ...common, ...options, ...file, initial }));
  }
  const last = results[results.length - 1];
  return { ...last, seconds: results.reduce((sum, { seconds }) => sum + seconds, 0), stages: results };
}
