import { readFile } from 'node:fs/promises';
import { FlashbookError, invalid } from '../core/errors.js';
import { fileError } from '../core/files.js';
import { checkOptions, integer, oneOf } from '../core/options.js';
import { Artefact } from '../export/artefact-file.js';
import { outputColumns } from '../export/manifest.js';
import {
  type DeviceName,
  device as deviceOf,
  type Isa,
  nativeAvailable,
  nativeProblem,
  runtimeInfo,
  setThreads,
} from '../native/index.js';
import { NativePredictor } from './native-predictor.js';
import { OnnxPredictor } from './onnx-predictor.js';
import { outputArrays } from './prediction.js';
import type { Predictor } from './predictor.js';

export interface LoadOptions {
  /**
   * 'native': the native core. 'onnx': ONNX Runtime, in a worker. 'auto' (default): the native core if it is there, else
   * ONNX Runtime; `predictor.backend` and `predictor.reason` say which and why.
   */
  backend?: 'auto' | 'native' | 'onnx';
  /** Threads of one prediction. Native: of the process's pool, default as it is. ONNX Runtime: default 1. */
  threads?: number;
  /**
   * Native only: where the plans run. 'cpu' (default); 'cuda'; 'auto': CUDA where it is ready, else the processor.
   */
  device?: DeviceName;
  /** Native only: forces an instruction set. */
  isa?: Isa;
  /** Whether to run the golden windows and compare, default true. */
  verify?: boolean;
}

/**
 * Loads a .fbk artefact and checks it: every byte by its digests, then the predictor by the golden windows.
 *
 * @param source a path, or the content of the file.
 * @throws FlashbookError FILE (missing, unreadable), ARTEFACT (foreign, truncated, damaged, too new, or the golden logits are
 * not met), NATIVE or BACKEND (the asked-for backend is absent, with what to type).
 */
export async function loadPredictor(source: string | Uint8Array, options: LoadOptions = {}): Promise<Predictor> {
  checkOptions('loadPredictor', options, ['backend', 'threads', 'device', 'isa', 'verify']);
  const { threads, isa, verify = true, device = 'cpu' } = options;
  const backend = oneOf('backend', options.backend ?? 'auto', ['auto', 'native', 'onnx']);
  oneOf('device', device, ['auto', 'cpu', 'cuda']);
  if (threads !== undefined) integer('threads', threads, 1, 1024);
  const artefact = await readArtefact(source);
  const predictor = await open(artefact, backend, threads, device, isa);
  if (verify) {
    try {
      checkGolden(predictor, artefact, typeof source === 'string' ? source : 'the artefact');
    } catch (error) {
      await predictor.dispose();
      throw error;
    }
  }
  return predictor;
}

/** Reads a .fbk file and checks every byte of it. */
export async function readArtefact(source: string | Uint8Array): Promise<Artefact> {
  if (source instanceof Uint8Array) return new Artefact(source, 'the artefact');
  if (typeof source !== 'string') throw invalid('artefact', 'a path or a Uint8Array', source);
  let content: Uint8Array;
  try {
    content = await readFile(source);
  } catch (cause) {
    throw fileError(source, 'read', cause);
  }
  return new Artefact(content, source);
}

async function open(
  artefact: Artefact,
  backend: 'auto' | 'native' | 'onnx',
  threads: number | undefined,
  deviceName: DeviceName,
  isa: Isa | undefined,
): Promise<Predictor> {
  const onnx = (reason: string) =>
    OnnxPredictor.open(artefact, threads === undefined ? { reason } : { reason, threads });
  if (backend === 'onnx') return onnx('asked for');
  if (!nativeAvailable()) {
    const problem = nativeProblem();
    if (backend === 'native') throw new FlashbookError('NATIVE', `the native core is not available: ${problem}`);
    const reason = `the native core is not available: ${problem}`;
    return onnx(reason).catch((cause: FlashbookError) => {
      throw new FlashbookError(cause.code, `no backend can predict: ${reason}; ${cause.message}`, cause.details, {
        cause,
      });
    });
  }
  if (threads !== undefined) setThreads(threads);
  const info = runtimeInfo();
  const device = deviceOf(deviceName);
  const set = device.name === 'cuda' ? 'cuda' : info.isa;
  const reason = backend === 'native' ? 'asked for' : `the native core is available (${set})`;
  return new NativePredictor(artefact, { device, threads: info.threads, reason, ...(isa && { isa }) });
}

/** Runs the golden windows and compares with the golden outputs. */
function checkGolden(predictor: Predictor, artefact: Artefact, source: string): void {
  const { features, outputs } = artefact.golden();
  const prediction = predictor.predictSync(features);
  const results = outputArrays(prediction);
  const { output, golden } = artefact.manifest;
  for (const [o, { name, units }] of outputColumns(output).entries()) {
    const expected = outputs.get(name)!;
    for (let i = 0; i < expected.length; i++) {
      const tolerance = golden.tolerance[predictor.backend] * units[i % units.length];
      if (Math.abs(results[o][i] - expected[i]) <= tolerance) continue;
      const window = Math.floor(i / units.length);
      const each = units.length / prediction.horizons;
      const horizon = Math.floor(i / each) % prediction.horizons;
      const [what, where] = WORDS[name] ?? WORDS.logits;
      const place = where === '' ? '' : `, ${where} ${i % each}`;
      throw new FlashbookError(
        'ARTEFACT',
        `${source} does not predict here what it predicted when it was exported: golden window ${window}, horizon ${horizon}${place}: ` +
          `expected ${what} ${expected[i]} within ${tolerance} but ${predictor.backend} gives ${results[o][i]}; ` +
          `load it with another backend, and report this`,
        {
          file: source,
          window,
          horizon,
          ...(where && { [where]: i % each }),
          expected: expected[i],
          received: results[o][i],
          tolerance,
        },
      );
    }
  }
}

/** Of each output: what one value is, and what the values of a horizon are told apart by. */
const WORDS: Readonly<Record<string, readonly [string, string]>> = {
  logits: ['logit', 'class'],
  location: ['location of the return', ''],
  quantiles: ['quantile of the return', 'quantile'],
};
