import { Command, Option } from 'commander';
import { type ProfileOptions, profile, profileTables } from '../bench/index.js';
import type { Isa } from '../native/index.js';
import { wholeNumber } from './options.js';
import { terminal } from './terminal.js';

interface ProfileArguments {
  train?: boolean;
  precision?: ProfileOptions['precision'];
  batch?: number;
  threads?: number;
  isa?: string;
  repeats?: number;
  top?: number;
  json?: boolean;
}

export function profileCommand(): Command {
  return new Command('profile')
    .description(
      'where the time of a prediction or a training step goes: time, operations, bytes and share of peak of each step',
    )
    .argument('[file]', 'a .fbk file; without it the price predictor with random weights')
    .option('--train', 'the gradients and the update of a training step instead of a prediction')
    .addOption(
      new Option('--precision <p>', 'of the price predictor with random weights').choices([
        'f32',
        'bf16',
        'int8',
        'int8 static',
      ]),
    )
    .option('--batch <n>', 'windows of one run (default: 1, in training 64)', wholeNumber)
    .option('--threads <n>', 'threads (default: all)', wholeNumber)
    .option('--isa <set>', 'forces an instruction set')
    .option('--repeats <n>', 'runs, of which the fastest of each step counts (default: about a second)', wholeNumber)
    .option('--top <n>', 'steps to show, the slowest first', wholeNumber, 40)
    .option('--json', 'print one JSON object')
    .action(async (file: string | undefined, given: ProfileArguments) => {
      const { train = false, precision, batch, threads, isa, repeats, top = 40, json = false } = given;
      const screen = terminal({ json });
      const options: ProfileOptions = {
        what: train ? 'train' : 'predict',
        ...(file !== undefined && { artefact: file }),
        ...(precision && { precision }),
        ...(batch !== undefined && { batch }),
        ...(threads !== undefined && { threads }),
        ...(isa !== undefined && { isa: isa as Isa }),
        ...(repeats !== undefined && { repeats }),
      };
      const found = await profile(options);
      for (const table of profileTables(found, { top })) screen.table(table);
      screen.result(found);
    });
}
