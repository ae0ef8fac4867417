import { Worker } from 'node:worker_threads';
import { FlashbookError } from '../core/errors.js';

/** What one run gave: the model's outputs one after the other, and the time that ONNX Runtime took for it, without the messages around it. */
export interface OnnxRun {
  output: Float32Array;
  runNs: number;
}

export interface OnnxSessionOptions {
  /** Threads of ONNX Runtime inside one operator. Default 1. */
  threads?: number;
  /** The module that is ONNX Runtime. Default 'onnxruntime-node', an optional dependency. */
  module?: string;
}

type Reply =
  | { kind: 'ready'; inputs: string[]; outputs: string[] }
  | { kind: 'failed'; missing: boolean; message: string }
  | { kind: 'done'; id: number; output: Float32Array; runNs: number }
  | { kind: 'error'; id: number; message: string };

interface Pending {
  resolve(run: OnnxRun): void;
  reject(error: FlashbookError): void;
}

/** How long a synchronous run may take before it is given up: the worker's death cannot be noticed while waiting. */
const SYNC_TIMEOUT_MS = 60_000;

/**
 * An ONNX model with one float32 input and float32 outputs, run by ONNX Runtime in a worker thread. `run` leaves the
 * event loop free; `runSync` blocks this thread until the worker is done. Runs are done one after another.
 */
export class OnnxSession {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 0;
  #shared: { control: Int32Array; input: Float32Array; output: Float32Array } | undefined;
  #closed: FlashbookError | undefined;
  #exited: Promise<void>;

  private constructor(worker: Worker) {
    this.#worker = worker;
    this.#exited = new Promise((resolve) => worker.once('exit', () => resolve()));
    worker.on('message', (reply: Reply) => this.#receive(reply));
    const fail = (reason: string) =>
      this.#end(new FlashbookError('BACKEND', `ONNX Runtime's worker stopped: ${reason}`));
    worker.on('error', (error) => fail(error.message));
    worker.on('exit', (code) => fail(`exit code ${code}`));
  }

  /**
   * Loads a model (the bytes of an .onnx file).
   *
   * @throws FlashbookError BACKEND when ONNX Runtime is not installed or refuses the model.
   */
  static async open(model: Uint8Array, options: OnnxSessionOptions = {}): Promise<OnnxSession> {
    const { threads = 1, module = 'onnxruntime-node' } = options;
    const worker = new Worker(new URL('./onnx-worker.js', import.meta.url), {
      workerData: { model: new Uint8Array(model), threads, module },
      execArgv: [], // flags like --input-type or a loader of the main thread would keep the worker from starting
      stdout: false,
      stderr: false,
    });
    await new Promise<void>((resolve, reject) => {
      const stopped = (error: unknown) =>
        reject(
          new FlashbookError('BACKEND', `ONNX Runtime's worker did not start: ${String(error)}`, {}, { cause: error }),
        );
      worker.once('error', stopped);
      worker.once('exit', stopped);
      worker.once('message', (reply: Reply) => {
        worker.off('error', stopped);
        worker.off('exit', stopped);
        if (reply.kind === 'ready') resolve();
        else if (reply.kind === 'failed') reject(startError(reply, module));
      });
    });
    worker.unref(); // an idle predictor keeps no process alive
    return new OnnxSession(worker);
  }

  /** Runs the model on a copy of `input`, whose row-major shape is `shape`. */
  run(input: Float32Array, shape: readonly number[]): Promise<OnnxRun> {
    if (this.#closed) return Promise.reject(this.#closed);
    const copy = input.slice();
    const id = this.#nextId++;
    const result = new Promise<OnnxRun>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    if (this.#pending.size === 1) this.#worker.ref();
    this.#worker.postMessage({ kind: 'run', id, input: copy, shape: [...shape] }, [copy.buffer]);
    return result;
  }

  /**
   * The same, blocking this thread. `outputElements` is how many values the model returns at most, of all outputs together.
   * After earlier asynchronous runs that are not done yet, it waits for those too.
   */
  runSync(input: Float32Array, shape: readonly number[], outputElements: number): OnnxRun {
    if (this.#closed) throw this.#closed;
    if (
      this.#shared === undefined ||
      this.#shared.input.length < input.length ||
      this.#shared.output.length < outputElements
    ) {
      this.#shared = {
        control: new Int32Array(new SharedArrayBuffer(64)),
        input: new Float32Array(new SharedArrayBuffer(input.length * 4)),
        output: new Float32Array(new SharedArrayBuffer(Math.max(outputElements, 256) * 4)),
      };
    }
    const shared = this.#shared;
    shared.input.set(input);
    Atomics.store(shared.control, 0, 0);
    this.#worker.postMessage({ kind: 'runShared', shared, shape: [...shape] });
    if (Atomics.wait(shared.control, 0, 0, SYNC_TIMEOUT_MS) === 'timed-out') {
      this.#shared = undefined; // the worker may still write there
      throw new FlashbookError('BACKEND', `ONNX Runtime did not answer within ${SYNC_TIMEOUT_MS / 1000} s`);
    }
    const [state, elements, low, high, messageBytes] = shared.control;
    if (state === 2) {
      const text = new Uint8Array(shared.output.buffer, 0, messageBytes).slice();
      throw runError(new TextDecoder().decode(text));
    }
    return { output: shared.output.slice(0, elements), runNs: high * 2 ** 31 + low };
  }

  /** Releases the model and stops the worker; runs that are not done are refused. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#end(new FlashbookError('DISPOSED', 'this predictor was disposed; load it again'));
      this.#worker.ref();
      this.#worker.postMessage({ kind: 'close' });
    }
    await this.#exited;
  }

  #receive(reply: Reply): void {
    if (reply.kind !== 'done' && reply.kind !== 'error') return;
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if (reply.kind === 'done') pending.resolve({ output: reply.output, runNs: reply.runNs });
    else pending.reject(runError(reply.message));
  }

  #end(reason: FlashbookError): void {
    this.#closed ??= reason;
    for (const { reject } of this.#pending.values()) reject(this.#closed);
    this.#pending.clear();
  }
}

function runError(message: string): FlashbookError {
  return new FlashbookError('BACKEND', `ONNX Runtime failed: ${message}`);
}

function startError(reply: { missing: boolean; message: string }, module: string): FlashbookError {
  if (!reply.missing) return new FlashbookError('BACKEND', `ONNX Runtime refused the model: ${reply.message}`);
  return new FlashbookError(
    'BACKEND',
    `ONNX Runtime could not be loaded (${reply.message.split('\n')[0]}); install it with: npm install ${module}`,
    { module },
  );
}
