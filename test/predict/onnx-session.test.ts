import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OnnxModelBuilder } from '../../src/export/onnx/model-builder.js';
import { OnnxSession } from '../../src/predict/onnx-session.js';

/** y = 2·x + 1 over (batch, 3), followed by `squarings` products of a 256×256 matrix that make it slow but add zero. */
function affineModel(products = 0): Uint8Array {
  const builder = new OnnxModelBuilder();
  const x = builder.input('features', 'f32', ['batch', 3]);
  const [doubled] = builder.emit('Mul', [x, builder.constant('two', 'f32', [], [2])]);
  let [y] = builder.emit('Add', [doubled, builder.constant('one', 'f32', [1], [1])]);
  if (products > 0) {
    const size = 512;
    const wide = builder.constant('spread', 'f32', [3, size], new Float32Array(3 * size));
    const square = builder.constant('square', 'f32', [size, size], new Float32Array(size * size).fill(0.5));
    const narrow = builder.constant('narrow', 'f32', [size, 3], new Float32Array(size * 3));
    let [work] = builder.emit('MatMul', [y, wide]);
    for (let i = 0; i < products; i++) [work] = builder.emit('MatMul', [work, square]);
    const [zero] = builder.emit('MatMul', [work, narrow]);
    [y] = builder.emit('Add', [y, zero]);
  }
  builder.output('logits', y, 'f32', ['batch', 3]);
  return builder.finish({ name: 'affine', docString: 'y = 2x + 1', producerVersion: '0' });
}

const input = Float32Array.of(0, 1, 2, -1, 0.5, 1e6);
const expected = Float32Array.of(1, 3, 5, -1, 2, 2000001);

describe('a session in a worker', () => {
  let session: OnnxSession;
  beforeAll(async () => {
    session = await OnnxSession.open(affineModel());
  });
  afterAll(() => session.close());

  test('runs, with any batch size, and reports its own time', async () => {
    const { output, runNs } = await session.run(input, [2, 3]);
    expect(output).toEqual(expected);
    expect(runNs).toBeGreaterThan(0);
    expect((await session.run(input.subarray(0, 3), [1, 3])).output).toEqual(expected.subarray(0, 3));
  });

  test('runs synchronously, growing its shared buffers', () => {
    expect(session.runSync(input.subarray(3), [1, 3], 3).output).toEqual(expected.slice(3));
    expect(session.runSync(input, [2, 3], 6).output).toEqual(expected);
    const large = session.runSync(new Float32Array(3000), [1000, 3], 3000);
    expect(large.output).toEqual(new Float32Array(3000).fill(1));
    expect(large.runNs).toBeGreaterThan(0);
    expect(session.runSync(input, [2, 3], 6).output).toEqual(expected);
  });

  test('a synchronous run waits for the asynchronous ones before it', async () => {
    const earlier = Array.from({ length: 20 }, (_, i) => session.run(Float32Array.of(i, i, i), [1, 3]));
    expect(session.runSync(input, [2, 3], 6).output).toEqual(expected);
    const outputs = await Promise.all(earlier);
    expect(outputs.map(({ output }) => output[0])).toEqual(earlier.map((_, i) => 2 * i + 1));
  });

  test('the input is copied: the caller may reuse it at once', async () => {
    const reused = Float32Array.of(1, 1, 1);
    const result = session.run(reused, [1, 3]);
    reused.fill(100);
    expect((await result).output[0]).toBe(3);
    expect(reused.length).toBe(3);
  });

  test('a failing run is an error of that run only', async () => {
    await expect(session.run(input, [2, 4])).rejects.toMatchObject({
      code: 'BACKEND',
      message: expect.stringMatching(/ONNX Runtime failed/),
    });
    expect(() => session.runSync(input.subarray(0, 2), [1, 2], 3)).toThrow(/ONNX Runtime failed: .+/);
    expect((await session.run(input, [2, 3])).output).toEqual(expected);
  });
});

test('the event loop goes on while a long run works', async () => {
  const session = await OnnxSession.open(affineModel(24));
  const batch = 512;
  await session.run(new Float32Array(batch * 3), [batch, 3]);
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const { runNs } = await session.run(new Float32Array(batch * 3), [batch, 3]);
  clearInterval(timer);
  await session.close();
  expect(runNs / 1e6).toBeGreaterThan(20);
  expect(longest).toBeLessThan((runNs / 1e6) * 0.7);
});

describe('start and end', () => {
  test('an idle session keeps no process alive, and its end is clean', async () => {
    const script = `
      import { Worker } from 'node:worker_threads';
      const model = Buffer.from(process.argv[1], 'base64');
      const worker = new Worker(process.argv[2], {
        execArgv: [], workerData: { model, threads: 2, module: 'onnxruntime-node' } });
      worker.once('message', (reply) => { console.log(reply.kind); worker.unref(); });`;
    const worker = new URL('../../src/predict/onnx-worker.js', import.meta.url).pathname;
    const model = Buffer.from(affineModel()).toString('base64');
    const node = promisify(execFile);
    const { stdout, stderr } = await node(process.execPath, ['--input-type=module', '-e', script, model, worker]);
    expect(stdout).toBe('ready\n');
    expect(stderr).toBe('');
  });

  test('a missing ONNX Runtime is an error that says what to type', async () => {
    await expect(OnnxSession.open(affineModel(), { module: 'no-such-onnx-runtime' })).rejects.toMatchObject({
      code: 'BACKEND',
      message: expect.stringMatching(/could not be loaded .*npm install no-such-onnx-runtime/),
    });
  });

  test('a damaged model is refused', async () => {
    await expect(OnnxSession.open(Uint8Array.of(1, 2, 3))).rejects.toMatchObject({
      code: 'BACKEND',
      message: expect.stringMatching(/refused the model/),
    });
  });

  test('close refuses what is running and what comes later, twice too', async () => {
    const session = await OnnxSession.open(affineModel(24));
    const running = session.run(new Float32Array(512 * 3), [512, 3]);
    const closing = session.close();
    await expect(running).rejects.toMatchObject({ code: 'DISPOSED' });
    await expect(session.run(input, [2, 3])).rejects.toMatchObject({ code: 'DISPOSED' });
    expect(() => session.runSync(input, [2, 3], 6)).toThrow(/disposed/);
    await closing;
    await session.close();
  });

  test('many sessions at once', async () => {
    const sessions = await Promise.all(Array.from({ length: 4 }, () => OnnxSession.open(affineModel())));
    const runs = await Promise.all(sessions.map((session) => session.run(input, [2, 3])));
    for (const { output } of runs) expect(output).toEqual(expected);
    await Promise.all(sessions.map((session) => session.close()));
  });
});
