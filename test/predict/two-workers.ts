/**
 * Two worker threads with a predictor each, which predict at the same time: prints the processor time of the process for rounds on one thread of the
 * pool and on two, in milliseconds, and whether every prediction had the same bits.
 */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { buildArtefact } from '../../src/export/artefact.js';
import { setThreads } from '../../src/native/index.js';
import { loadPredictor } from '../../src/predict/index.js';
import { artefactOptions, rawWindows } from '../export/price-predictor-artefact.js';

export interface TwoWorkersAnswer {
  one: number[];
  two: number[];
  same: boolean;
}

const PREDICTIONS = 60;
const ROUNDS = 4;

async function work(artefact: Uint8Array): Promise<void> {
  const predictor = await loadPredictor(artefact, { backend: 'native' });
  const window = rawWindows(1, 100, 6, 3);
  parentPort!.on('message', (order: string) => {
    if (order === 'end') return parentPort!.close();
    let logits = predictor.predictSync(window).logits;
    for (let i = 1; i < PREDICTIONS; i++) logits = predictor.predictSync(window).logits;
    parentPort!.postMessage(Buffer.from(logits.buffer, logits.byteOffset, logits.byteLength).toString('hex'));
  });
  parentPort!.postMessage('ready');
}

async function direct(): Promise<TwoWorkersAnswer> {
  const artefact = await buildArtefact(artefactOptions({ layers: 2 }, { batches: [1] }));
  const answerOf = async (worker: Worker): Promise<string> => (await once(worker, 'message'))[0];
  // A worker does not inherit the hooks that let this file be imported.
  const hooks = new URL('../typescript-hooks.mjs', import.meta.url).href;
  const code = `require('node:module').register('${hooks}'); import('${import.meta.url}');`;
  const workers = [0, 1].map(() => new Worker(code, { eval: true, execArgv: [], workerData: artefact }));
  await Promise.all(workers.map(answerOf));
  const bits = new Set<string>();
  const round = async (threads: number) => {
    setThreads(threads);
    const before = process.cpuUsage();
    const answers = workers.map(answerOf);
    for (const worker of workers) worker.postMessage('predict');
    for (const answer of await Promise.all(answers)) bits.add(answer);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  const result: TwoWorkersAnswer = { one: [], two: [], same: true };
  for (let i = 0; i <= ROUNDS; i++) {
    const [one, two] = [await round(1), await round(2)];
    if (i === 0) continue; // pages and caches are cold
    result.one.push(one);
    result.two.push(two);
  }
  for (const worker of workers) worker.postMessage('end');
  return { ...result, same: bits.size === 1 };
}

if (isMainThread) console.log(JSON.stringify(await direct()));
else await work(workerData as Uint8Array);
