import { Command } from 'commander';
import { FlashbookError } from '../core/errors.js';
import { buildModel, FORECAST_DEFAULTS, MODELS, type ModelName } from '../models/index.js';
import { count } from '../monitor/report/format.js';
import { wholeNumber } from './options.js';
import { terminal } from './terminal.js';

interface ModelSizes {
  features?: number;
  steps?: number;
  horizons?: number;
}

interface ModelsFlags extends ModelSizes {
  json?: boolean;
}

export function modelsCommand(): Command {
  return new Command('models')
    .description('the models that run --model takes, with their parameters')
    .option('--features <n>', 'columns of a row that the parameters are counted for (each model’s own)', wholeNumber)
    .option('--steps <n>', `rows of a window (${FORECAST_DEFAULTS.steps})`, wholeNumber)
    .option('--horizons <n>', `horizons (${FORECAST_DEFAULTS.horizons})`, wholeNumber)
    .option('--json', 'print one JSON object')
    .action(({ json = false, ...sizes }: ModelsFlags) => {
      const screen = terminal({ json });
      const models = MODELS.map(({ name, title, description, source }) => {
        const model = modelOf(name, sizes);
        const counted = { options: model?.options ?? null, parameters: model?.parameterCount() ?? null };
        return { name, title, description, source, ...counted };
      });
      if (models.every(({ options }) => options === null)) buildModel(MODELS[0].name, sizes); // says what is wrong
      screen.table({
        title: 'Models',
        note: 'flashbook run --model NAME trains one; --width, --layers, --heads and --feed-forward change its sizes.',
        head: ['name', 'parameters', 'for', 'what it is', 'source'],
        rows: models.map(({ name, parameters, options, description, source }) => [
          name,
          parameters === null ? '–' : count(parameters),
          options === null ? 'larger windows' : `${options.steps} × ${options.features}`,
          description,
          source,
        ]),
      });
      screen.result({ models });
    });
}

/** The model of that name, or undefined where it takes no windows so small. */
function modelOf(name: ModelName, sizes: ModelSizes): ReturnType<typeof buildModel> | undefined {
  try {
    return buildModel(name, { ...sizes });
  } catch (error) {
    if (error instanceof FlashbookError && error.code === 'OPTION') return undefined;
    throw error;
  }
}
