import type { RunConfig } from './config.js';

/**
 * The configurations of the models that a run trains: its own, or that of each member of an ensemble of different models, which has a seed
 * of its own.
 */
export function memberConfigs(config: RunConfig): RunConfig[] {
  const { ensemble } = config;
  if (!Array.isArray(ensemble)) return [config];
  return ensemble.map((changes, m) => {
    const own = { ...config, ...changes, ensemble: undefined, seed: (config.seed + m) % 2 ** 32 };
    const warmupSteps = changes.steps === undefined ? config.warmupSteps : Math.ceil(own.steps / 20);
    return { ...own, warmupSteps, minLearningRate: Math.min(config.minLearningRate, own.learningRate) };
  });
}

/** Names of the members: of the preset, and which of several of the same. */
export function memberNames(models: readonly { model: string }[]): string[] {
  return models.map(({ model }, m) => {
    const before = models.slice(0, m).filter((other) => other.model === model).length;
    return before === 0 ? model : `${model}-${before + 1}`;
  });
}
