import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import type { Module } from '../nn/index.js';
import { readSafetensors, type StoredTensor } from './safetensors.js';

/** Parts of names in a state dict of PyTorch, and what they are called here. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/\bself_attn\.in_proj_(weight|bias)$/, 'attention.qkv.$1'],
  [/\bself_attn\.out_proj\./, 'attention.projection.'],
  [/\blinear1\./, 'feedForward.expand.'],
  [/\blinear2\./, 'feedForward.contract.'],
  [/\bweight_ih_l(\d+)$/, 'layers.$1.inputWeight'],
  [/\bweight_hh_l(\d+)$/, 'layers.$1.hiddenWeight'],
  [/\bbias_ih_l(\d+)$/, 'layers.$1.inputBias'],
  [/\bbias_hh_l(\d+)$/, 'layers.$1.hiddenBias'],
  [/\brunning_mean$/, 'runningMean'],
  [/\brunning_var$/, 'runningVariance'],
];

export interface PyTorchOptions {
  /** Renames a tensor of the state dict before the names of PyTorch's modules are translated; undefined leaves it out. */
  rename?: (name: string) => string | undefined;
}

/**
 * The weights of a PyTorch model for a module of the same structure: a state dict in safetensors. The names of
 * torch.nn.TransformerEncoder (norm_first, activation gelu), LSTM, Conv1d, Conv2d, BatchNorm, LayerNorm, Embedding and Linear become those of EncoderLayer, Lstm,
 * Conv1d, Conv2d, BatchNorm, LayerNorm, Embedding and Linear; kernels of convolutions are turned from (O, C, …) to (O, …, C).
 *
 *   const initial = pytorchWeights(model, readFileSync('encoder.safetensors'), { rename: (name) => `encoder.${name}` });
 *   await train(model, { initial, … });
 *
 * @returns contents by parameter name, all of the module's.
 * @throws FlashbookError SHAPE for a tensor that is missing, left over or of another shape; OPTION for one that is not float32 or float64.
 */
export function pytorchWeights(
  model: Module,
  file: Uint8Array,
  options: PyTorchOptions = {},
): Map<string, Float32Array> {
  checkOptions('pytorchWeights', options, ['rename']);
  const { rename = (name: string) => name } = options;
  const given = new Map<string, StoredTensor>();
  for (const [original, tensor] of readSafetensors(file, 'PyTorch weights').tensors) {
    const renamed = original.endsWith('num_batches_tracked') ? undefined : rename(original);
    if (renamed !== undefined) given.set(translated(renamed), tensor);
  }
  const weights = new Map<string, Float32Array>();
  for (const { name, shape } of model.parameters()) {
    const tensor = given.get(name);
    if (tensor === undefined) {
      throw new FlashbookError('SHAPE', `the PyTorch weights have no tensor for the parameter '${name}'`, { name });
    }
    weights.set(name, arranged(name, tensor, shape));
    given.delete(name);
  }
  const [left] = given.keys();
  if (left !== undefined) {
    throw new FlashbookError('SHAPE', `the PyTorch weights hold '${left}', which the model does not have`, {
      name: left,
    });
  }
  return weights;
}

function translated(name: string): string {
  return NAMES.reduce((text, [pattern, own]) => text.replace(pattern, own), name);
}

/** The tensor's numbers in the order of a parameter: as they are, or a kernel (O, C, …) with its channels moved to the end. */
function arranged(name: string, { dtype, shape, data }: StoredTensor, wanted: readonly number[]): Float32Array {
  if (!(data instanceof Float32Array || data instanceof Float64Array)) {
    throw invalid(`'${name}' of the PyTorch weights`, 'F32 or F64', dtype);
  }
  if (shape.join() === wanted.join() && wanted.length !== 4) return Float32Array.from(data);
  // Conv1d has no height.
  const [outputs, channels, ...kernel] = shape.length === 3 ? [shape[0], shape[1], 1, shape[2]] : shape;
  if ([outputs, ...kernel, channels].join() !== wanted.join() || wanted.length !== 4) {
    throw new FlashbookError(
      'SHAPE',
      `expected shape (${wanted.join(', ')}) for '${name}' but the PyTorch weights have (${shape.join(', ')})`,
      { name },
    );
  }
  const taps = kernel[0] * kernel[1];
  return Float32Array.from({ length: data.length }, (_, i) => {
    const channel = i % channels;
    const tap = Math.floor(i / channels) % taps;
    const output = Math.floor(i / (channels * taps));
    return data[(output * channels + channel) * taps + tap];
  });
}
