import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { runtimeInfo } from '../../src/native/index.js';
import { scalePlan } from './plans.js';

/** Runs a script in a process of its own, with `addon`, `plan(elements, steps)` and `worker(source)` at hand. */
function run(script: string, env: Record<string, string> = {}) {
  const prelude = `
    const addon = require(${JSON.stringify(runtimeInfo().addonPath)});
    const { Worker, isMainThread, parentPort } = require('node:worker_threads');
    ${scalePlan.toString()}
    const state = new addon.NativeState([]);
    const plan = (elements, steps) => new addon.NativePlan(scalePlan(elements, 2, steps), state, false, undefined);
    const start = (id, plan, x) => addon.start(id, [{ plan, inputs: [x], wantsOutputs: true }]);
    const big = 1 << 20;
  `;
  const source = `${prelude}
    const worker = (code) => new Worker(${JSON.stringify(prelude)} + code, { eval: true });
    ${script}`;
  const result = spawnSync(process.execPath, ['-e', source], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, ...env },
  });
  return { status: result.status, signal: result.signal, stdout: result.stdout.trim(), stderr: result.stderr.trim() };
}

const clean = (stdout: string) => ({ status: 0, signal: null, stdout, stderr: '' });

describe('the end of a process', () => {
  it('comes by itself when the last run has ended', () => {
    const script = `
      addon.onDelivery((id, completed) => console.log(id, completed));
      start(1, plan(big, 20), new Float32Array(big));`;
    expect(run(script)).toEqual(clean('1 true'));
  });

  it('does not wait for a run in flight', () => {
    const script = `
      addon.onDelivery(() => console.log('delivered'));
      const p = plan(big, 20000);
      for (let i = 0; i < 5; i++) start(i, p, new Float32Array(big));
      setTimeout(() => process.exit(0), 50);`;
    const begin = performance.now();
    expect(run(script)).toEqual(clean(''));
    expect(performance.now() - begin).toBeLessThan(10_000);
  });

  it('is clean with a run in flight and an uncaught error', () => {
    const script = `
      addon.onDelivery(() => {});
      start(1, plan(big, 20000), new Float32Array(big));
      setTimeout(() => { throw new Error('on purpose'); }, 20);`;
    const result = run(script);
    expect(result.signal).toBeNull();
    expect(result.stderr).toContain('on purpose');
  });
});

describe('worker threads', () => {
  it('run plans at the same time as the main thread', () => {
    const body = `
      const p = plan(200000, 20), x = new Float32Array(200000).fill(3), y = new Float32Array(200000);
      let wrong = 0;
      for (let i = 0; i < 100; i++) { p.runSync([x], [y]); if (y.some((v) => v !== 6)) wrong++; }
    `;
    const script = `
      const workers = Array.from({ length: 3 }, () => worker(${JSON.stringify(`${body}; parentPort.postMessage(wrong);`)}));
      for (const w of workers) w.on('message', (wrong) => console.log(wrong));
      ${body}
      console.log(wrong);`;
    expect(run(script, { FLASHBOOK_THREADS: '4' })).toEqual(clean('0\n0\n0\n0'));
  });

  it('get the answers of their own runs', () => {
    const body = `
      addon.onDelivery((id, completed, outputs) => parentPort.postMessage([id, completed, new Float32Array(outputs)[0]]));
      start(7, plan(1, 1), Float32Array.of(21));`;
    const script = `worker(${JSON.stringify(body)}).on('message', (m) => console.log(m.join()));`;
    expect(run(script)).toEqual(clean('7,true,42'));
  });

  it('can be ended with runs in flight, again and again', () => {
    const body = `
      addon.onDelivery(() => {});
      const p = plan(big, 20000);
      start(1, p, new Float32Array(big));
      start(2, p, new Float32Array(big));
      parentPort.postMessage('started');`;
    const script = `
      (async () => {
        for (let i = 0; i < 8; i++) {
          const w = worker(${JSON.stringify(body)});
          await new Promise((resolve) => w.once('message', resolve));
          await w.terminate();
        }
        const p = plan(3, 1), y = new Float32Array(3);
        p.runSync([Float32Array.of(1, 2, 3)], [y]);
        console.log(y.join());
      })();`;
    expect(run(script)).toEqual(clean('2,4,6'));
  });

  it('may be the only ones that load the addon', () => {
    const path = JSON.stringify(runtimeInfo().addonPath);
    const script = `
      const { Worker } = require('node:worker_threads');
      const body = \`const addon = require(${path}); addon.setThreads(4);
        const p = new addon.NativePlan(\${JSON.stringify(SPEC)}, new addon.NativeState([]), false);
        p.runSync([new Float32Array(1 << 20)]);\`;
      const once = () => new Promise((resolve) => new Worker(body, { eval: true }).on('exit', resolve));
      once().then(once).then((code) => setTimeout(() => console.log('exit', code), 50));`;
    const spec = JSON.stringify(scalePlan(1 << 20, 2, 4));
    const result = spawnSync(process.execPath, ['-e', `const SPEC = ${spec};${script}`], { encoding: 'utf8' });
    expect([result.status, result.stdout.trim(), result.stderr]).toEqual([0, 'exit 0', '']);
  });
});

describe('environment variables', () => {
  const info = `const i = addon.runtimeInfo(); console.log(JSON.stringify(i))`;
  const infoWith = (env: Record<string, string>) => JSON.parse(run(info, env).stdout);

  it.each(runtimeInfo().available)('FLASHBOOK_ISA=%s is what plans run on', (isa) => {
    expect(run(`console.log(plan(1, 1).isa())`, { FLASHBOOK_ISA: isa })).toEqual(clean(isa));
    expect(infoWith({ FLASHBOOK_ISA: isa })).toMatchObject({ isa, problems: [] });
  });

  it('FLASHBOOK_ISA of another name is a problem to see and an error of plans', () => {
    expect(infoWith({ FLASHBOOK_ISA: 'avx3' }).problems).toEqual([
      expect.stringMatching(/FLASHBOOK_ISA=avx3 is not one of scalar/),
    ]);
    const script = `try { plan(1, 1) } catch (e) { console.log(e.code, e.message) }`;
    expect(run(script, { FLASHBOOK_ISA: 'avx3' }).stdout).toMatch(/^NATIVE FLASHBOOK_ISA=avx3/);
  });

  it('FLASHBOOK_THREADS sets the pool', () => {
    expect(infoWith({ FLASHBOOK_THREADS: '7' })).toMatchObject({ threads: 7, threadSource: 'FLASHBOOK_THREADS' });
    const wrong = infoWith({ FLASHBOOK_THREADS: 'many' });
    expect(wrong.problems).toEqual([expect.stringMatching(/FLASHBOOK_THREADS=many/)]);
    expect(wrong.threads).toBeGreaterThanOrEqual(1);
  });
});
