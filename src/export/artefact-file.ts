import { FlashbookError } from '../core/errors.js';
import type { PlanSpec } from '../native/plan-spec.js';
import { type ArtefactContents, readContainer, writeContainer } from './container.js';
import { Manifest, outputColumns, parseManifest } from './manifest.js';
import { readSafetensors, type SafetensorsArray, type StoredTensor, writeSafetensors } from './safetensors.js';

/** Names of the sections of a .fbk file. */
export const SECTIONS = {
  /** JSON: { [batch size]: PlanSpec }. */
  plans: 'plans.json',
  /** Every state buffer that the plans name: parameters (quantised or not), scaler, constants. */
  weights: 'weights.safetensors',
  /** The same function as an ONNX model with a free batch dimension. */
  onnx: 'model.onnx',
  /** `features` (windows, steps, features) and each output: `logits` (windows, horizons·classes) … */
  golden: 'golden.safetensors',
} as const;

/** Everything that an artefact holds. */
export interface ArtefactParts {
  manifest: Manifest;
  /** By batch size: those of `manifest.batches`. */
  plans: ReadonlyMap<number, PlanSpec>;
  weights: ReadonlyMap<string, { shape: readonly number[]; data: SafetensorsArray }>;
  onnx: Uint8Array;
  golden: Golden;
}

/** Raw windows, and what the model says of them. */
export interface Golden {
  features: Float32Array;
  /** By name, as `outputColumns` lists them. */
  outputs: ReadonlyMap<string, Float32Array>;
}

/** The bytes of a .fbk file. @throws FlashbookError OPTION when the manifest is not valid */
export function encodeArtefact({ manifest, plans, weights, onnx, golden }: ArtefactParts): Uint8Array {
  const checked = parseManifest(Manifest, manifest, 'OPTION', 'artefact manifest');
  const {
    input,
    output,
    golden: { windows },
  } = checked;
  const goldenTensors = new Map([
    ['features', { shape: [windows, input.steps, input.features.length], data: golden.features }],
    ...outputColumns(output).map(({ name, units }): [string, { shape: number[]; data: Float32Array }] => [
      name,
      { shape: [windows, units.length], data: golden.outputs.get(name)! },
    ]),
  ]);
  return writeContainer(checked, [
    { name: SECTIONS.plans, bytes: new TextEncoder().encode(JSON.stringify(Object.fromEntries(plans))) },
    { name: SECTIONS.weights, bytes: writeSafetensors(weights) },
    { name: SECTIONS.onnx, bytes: onnx },
    { name: SECTIONS.golden, bytes: writeSafetensors(goldenTensors) },
  ]);
}

/** An artefact as it is read: the manifest is checked at once, the sections are decoded when asked for. */
export class Artefact {
  readonly manifest: Manifest;
  readonly #sections: ArtefactContents['sections'];
  readonly #source: string;

  /**
   * @param file the content of a .fbk file; every byte of it is checked.
   * @param source what the errors call it.
   * @throws FlashbookError ARTEFACT for a foreign, truncated, damaged or too new file.
   */
  constructor(file: Uint8Array, source: string) {
    const { manifest, sections } = readContainer(file, source);
    this.manifest = parseManifest(Manifest, manifest, 'ARTEFACT', `${source}: the manifest is not valid`);
    this.#sections = sections;
    this.#source = source;
    for (const name of Object.values(SECTIONS)) this.section(name);
  }

  /** Names and sizes of the sections. */
  get sections(): { name: string; bytes: number }[] {
    return [...this.#sections].map(([name, { length }]) => ({ name, bytes: length }));
  }

  get onnx(): Uint8Array {
    return this.section(SECTIONS.onnx);
  }

  /** Plans by batch size. */
  plans(): Map<number, PlanSpec> {
    const plans = JSON.parse(new TextDecoder().decode(this.section(SECTIONS.plans))) as Record<string, PlanSpec>;
    return new Map(
      this.manifest.batches.map((batch) => [batch, this.#present(plans[batch], `the plan of batch ${batch}`)]),
    );
  }

  weights(): Map<string, StoredTensor> {
    return readSafetensors(this.section(SECTIONS.weights), `${this.#source}, section ${SECTIONS.weights}`).tensors;
  }

  golden(): Golden {
    const { tensors } = readSafetensors(this.section(SECTIONS.golden), `${this.#source}, section ${SECTIONS.golden}`);
    const { golden, input, output } = this.manifest;
    const read = (name: string, elements: number) => {
      const data = this.#present(tensors.get(name), `the golden tensor '${name}'`).data;
      if (!(data instanceof Float32Array) || data.length !== elements) {
        throw this.#incomplete(`the golden tensor '${name}' does not hold ${elements} float32 values`);
      }
      return data;
    };
    return {
      features: read('features', golden.windows * input.steps * input.features.length),
      outputs: new Map(
        outputColumns(output).map(({ name, units }) => [name, read(name, golden.windows * units.length)]),
      ),
    };
  }

  section(name: string): Uint8Array {
    return this.#present(this.#sections.get(name), `section ${name}`);
  }

  #present<T>(value: T | undefined, what: string): T {
    if (value === undefined) throw this.#incomplete(`${what} is missing`);
    return value;
  }

  #incomplete(problem: string): FlashbookError {
    return new FlashbookError('ARTEFACT', `${this.#source} is incomplete: ${problem}; export it again`, {
      file: this.#source,
    });
  }
}
