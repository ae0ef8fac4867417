// Runs an ONNX model in a worker thread, so that ONNX Runtime, whose run() blocks the thread that calls it, never blocks
// the event loop of the service. Plain JavaScript: the same file runs from the sources and from the published package.
//
// Protocol (the other side is onnx-session.ts). workerData: { module, model, threads, output }. To the parent:
//   { kind: 'ready', inputs, outputs } or { kind: 'failed', missing, message }, once;
//   { kind: 'done', id, output, runNs } or { kind: 'error', id, message } for each asynchronous run.
// From the parent:
//   { kind: 'run', id, input, shape }         asynchronous; `input` is moved here, the result is moved back
//   { kind: 'runShared', shared, shape }      the parent waits in Atomics.wait on shared.control
//   { kind: 'close' }
// shared.control is an Int32Array: [state, output elements, run time low word, run time high word, message bytes];
// state is 0 while running, 1 done, 2 failed (the message is in shared.output, UTF-8).
import { parentPort, workerData } from 'node:worker_threads';

/** @typedef {{ control: Int32Array, input: Float32Array, output: Float32Array }} SharedRun */
/**
 * @typedef {{ kind: 'run', id: number, input: Float32Array, shape: number[] }
 *   | { kind: 'runShared', shared: SharedRun, shape: number[] }
 *   | { kind: 'close' }} Request
 */
/** @typedef {import('onnxruntime-common').InferenceSession} InferenceSession */

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const { module, model, threads } = /** @type {{ module: string, model: Uint8Array, threads: number }} */ (workerData);

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/** @returns {Promise<{ ort: typeof import('onnxruntime-common'), session: InferenceSession } | undefined>} */
async function open() {
  /** @type {any} */
  let ort;
  try {
    ort = await import(module);
    ort = ort.default ?? ort;
  } catch (error) {
    port.postMessage({ kind: 'failed', missing: true, message: messageOf(error) });
    return undefined;
  }
  try {
    const session = await ort.InferenceSession.create(model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
    });
    return { ort, session };
  } catch (error) {
    port.postMessage({ kind: 'failed', missing: false, message: messageOf(error) });
    return undefined;
  }
}

const opened = await open();
if (opened === undefined) {
  port.close();
} else {
  const { ort, session } = opened;
  const inputName = session.inputNames[0];

  /**
   * @param {Float32Array} input
   * @param {number[]} shape
   */
  const run = async (input, shape) => {
    const tensor = new ort.Tensor('float32', input, shape);
    // The binding's run() puts itself off by setImmediate: the time includes that one turn of this thread's loop.
    const start = process.hrtime.bigint();
    const result = await session.run({ [inputName]: tensor });
    const runNs = Number(process.hrtime.bigint() - start);
    const outputs = session.outputNames.map((name) => /** @type {Float32Array} */ (result[name].data));
    return { output: outputs.length === 1 ? outputs[0] : joined(outputs), runNs };
  };

  /** One after the other. @param {Float32Array[]} arrays */
  const joined = (arrays) => {
    const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
    let start = 0;
    for (const array of arrays) {
      all.set(array, start);
      start += array.length;
    }
    return all;
  };

  /** @param {SharedRun} shared @param {number[]} shape */
  const runShared = async ({ control, input, output }, shape) => {
    let state = 1;
    try {
      const elements = shape.reduce((product, size) => product * size, 1);
      const result = await run(input.slice(0, elements), shape);
      if (result.output.length > output.length) throw new Error(`the model returned ${result.output.length} values`);
      output.set(result.output);
      control[1] = result.output.length;
      control[2] = result.runNs % 2 ** 31;
      control[3] = Math.floor(result.runNs / 2 ** 31);
    } catch (error) {
      state = 2;
      const place = new Uint8Array(output.buffer, output.byteOffset, output.byteLength);
      const message = new TextEncoder().encode(messageOf(error)).subarray(0, place.length);
      place.set(message);
      control[4] = message.length;
    }
    Atomics.store(control, 0, state);
    Atomics.notify(control, 0);
  };

  /** @param {number} id @param {Float32Array} input @param {number[]} shape */
  const runMoved = async (id, input, shape) => {
    try {
      const { output, runNs } = await run(input, shape);
      const copy = output.slice();
      port.postMessage({ kind: 'done', id, output: copy, runNs }, [copy.buffer]);
    } catch (error) {
      port.postMessage({ kind: 'error', id, message: messageOf(error) });
    }
  };

  // One run after another: ONNX Runtime has one set of threads, and the measured time shall be that of one run.
  let last = Promise.resolve();
  port.on('message', (/** @type {Request} */ request) => {
    if (request.kind === 'run') last = last.then(() => runMoved(request.id, request.input, request.shape));
    else if (request.kind === 'runShared') last = last.then(() => runShared(request.shared, request.shape));
    else last = last.then(() => session.release()).finally(() => port.close());
  });
  port.postMessage({ kind: 'ready', inputs: session.inputNames, outputs: session.outputNames });
}
