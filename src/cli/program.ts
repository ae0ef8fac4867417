import { Command } from 'commander';
import { packageVersion } from '../core/version.js';
import { ablateCommand } from './ablate.js';
import { augmentCommand } from './augment.js';
import { benchCommand } from './bench.js';
import { doctorCommand } from './doctor.js';
import { featuresCommand } from './features.js';
import { inspectCommand } from './inspect.js';
import { learningRateCommand } from './learning-rate.js';
import { modelsCommand } from './models.js';
import { predictCommand } from './predict.js';
import { profileCommand } from './profile.js';
import { protocolCommand } from './protocol.js';
import { runCommand } from './run.js';
import { scheduleCommand } from './schedule.js';

/** The command line, a file a command. Throws on misuse instead of ending the process, so that tests can call it. */
export function program(): Command {
  const root = new Command('flashbook')
    .exitOverride()
    .description('From order-book events to a compressed, verified prediction, in one process.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showSuggestionAfterError(true)
    .showHelpAfterError('Type flashbook --help for what there is.')
    .addHelpText(
      'after',
      `
Examples:
  flashbook run                                       the whole path on a synthetic session
  flashbook run --data GOOG_10.zip --format lobster   the same on a real day
  flashbook models                                    the models that --model takes
  flashbook predict runs/latest/model.int8.fbk --data GOOG_10.zip --out predictions.csv
  flashbook inspect runs/latest/model.fbk             what is in an artefact
  flashbook features --data GOOG_10.zip --out features.parquet
  flashbook schedule cosine_with_restarts --warmup-steps 1000 --min-learning-rate 1e-6 --out schedule.svg
  flashbook ablate --data GOOG_10.zip                 what each option of training brings, with seeds and baselines
  flashbook protocol --data GOOG_10.zip               the best models, and their ensemble, beside a logistic regression
  flashbook bench --quick                             how fast it is here, against ONNX Runtime
  flashbook profile --precision int8 --threads 1      where the time of a prediction goes
  flashbook doctor                                    what this machine offers, and what to mend`,
    );
  for (const command of [
    runCommand(),
    modelsCommand(),
    predictCommand(),
    inspectCommand(),
    featuresCommand(),
    scheduleCommand(),
    learningRateCommand(),
    augmentCommand(),
    ablateCommand(),
    protocolCommand(),
    doctorCommand(),
    benchCommand(),
    profileCommand(),
  ]) {
    root.addCommand(command.copyInheritedSettings(root));
  }
  return root;
}
