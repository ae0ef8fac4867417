import { z } from 'zod';
import { FlashbookError } from '../core/errors.js';

/** Plain JSON that flashbook stores and returns without looking inside. */
const json = z.json();
const jsonObject = z.record(z.string(), json);
const positive = z.int().positive();

/** What a reader should know before trusting the model: where it comes from and how good it was. */
export const ModelCard = z.looseObject({
  name: z.string().min(1),
  description: z.string().optional(),
  /** ISO 8601, given by whoever exports: the library reads no clock. */
  createdAt: z.iso.datetime(),
  /** Where the training data comes from: file names, or the generator and its seed. */
  dataSource: z.string().min(1),
  /** The seed of initialisation, dropout and shuffling. */
  seed: z.int(),
  /** Measured on the test split; with the baselines that they must be read against. */
  metrics: jsonObject,
  /** Options of the training run. */
  training: jsonObject.optional(),
});
export type ModelCard = z.infer<typeof ModelCard>;

/** The manifest of an artefact: everything about the model but its numbers. */
export const Manifest = z.object({
  /** The flashbook version that wrote it. */
  producer: z.string(),
  precision: z.enum(['f32', 'bf16', 'int8']),
  /** Of int8: a scale for each row as it comes, or one a layer that was found beforehand. */
  activations: z.enum(['dynamic', 'static']).optional(),
  model: z.object({
    kind: z.string(),
    options: jsonObject,
    /** Trainable parameters, before quantisation. */
    parameters: positive,
  }),
  /** A prediction reads `steps` rows of `features` raw (not scaled) values, oldest first. */
  input: z.object({ name: z.string(), steps: positive, features: z.array(z.string()).min(1) }),
  /** Logits (horizons × classes) a window. */
  output: z.object({
    name: z.string(),
    /** In the unit that the label definition names. */
    horizons: z.array(z.number().positive()).min(1),
    classes: z.array(z.string()).min(2),
    /** One name a horizon, where horizons alone do not tell outputs apart: several labels of the same horizon. */
    names: z.array(z.string().min(1)).min(1).optional(),
    /** Where the model tells of returns too: further outputs `location` (horizons) and `quantiles` (horizons × quantiles) a window. */
    returns: z
      .object({
        /** One a horizon: the unit of the returns that were learned; the outputs are in units of the return itself. */
        scales: z.array(z.number().positive()).min(1),
        /** Which quantiles, rising. */
        quantiles: z.array(z.number().positive().lt(1)).min(1).optional(),
      })
      .optional(),
  }),
  /** The feature set, as `computeFeatures` and `FeatureStream` take it. */
  featureSet: json,
  /** The label definition: kind, base, horizons, thresholds. */
  label: json,
  /** Raw values are standardised, then clamped to ±clip standard deviations. */
  scaler: z.object({ clip: z.number().positive() }),
  /** Batch sizes that there is a plan for, rising. */
  batches: z.array(positive).min(1),
  golden: z.object({
    windows: positive,
    /** The largest |difference| to the golden logits that is accepted when loading, by predictor. */
    tolerance: z.object({ native: z.number().positive(), onnx: z.number().positive() }),
  }),
  card: ModelCard,
});
export type Manifest = z.infer<typeof Manifest>;

/** What to call the outputs: '10', or where there are several of one horizon 'A 10'. */
export function outputNames({ names, horizons }: Manifest['output']): string[] {
  return names ?? horizons.map(String);
}

/** The outputs of plans and ONNX models in their order: name, and for each value of a window its unit. */
export function outputColumns({
  name,
  horizons,
  classes,
  returns,
}: Manifest['output']): { name: string; units: number[] }[] {
  const columns = [{ name, units: new Array<number>(horizons.length * classes.length).fill(1) }];
  if (returns === undefined) return columns;
  const { scales, quantiles } = returns;
  columns.push({ name: 'location', units: scales });
  if (quantiles) columns.push({ name: 'quantiles', units: scales.flatMap((scale) => quantiles.map(() => scale)) });
  return columns;
}

/** Checks a value against a schema of this file; `where` says whose it is. */
export function parseManifest<T>(schema: z.ZodType<T>, value: unknown, code: 'ARTEFACT' | 'OPTION', where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0];
  throw new FlashbookError(code, `${where}: ${path.join('.') || 'value'}: ${message}`, { name: path.join('.') });
}
