import { Command } from 'commander';
import { buildModel, FORECAST_DEFAULTS, MODELS } from '../models/index.js';
import { count } from '../monitor/report/format.js';
import { wholeNumber } from './options.js';
import { terminal } from './terminal.js';

interface ModelsFlags {
  features?: number;
  steps?: number;
  horizons?: number;
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
        const model = buildModel(name, { ...sizes });
        return { name, title, description, source, options: model.options, parameters: model.parameterCount() };
      });
      screen.table({
        title: 'Models',
        note: 'flashbook run --model NAME trains one; --width, --layers, --heads and --feed-forward change its sizes.',
        head: ['name', 'parameters', 'for', 'what it is', 'source'],
        rows: models.map(({ name, parameters, options, description, source }) => [
          name,
          count(parameters),
          `${options.steps} × ${options.features}`,
          description,
          source,
        ]),
      });
      screen.result({ models });
    });
}
