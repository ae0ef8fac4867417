import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { type Activation, normals } from '../kernels/matrix.js';
import { runStep, sameBits } from '../kernels/one-step.js';
import { buildDriver, KernelScript, launches, traffic } from './driver.js';
import { unavailable } from './simulator.js';

interface Case {
  m: number;
  n: number;
  k: number;
  activation?: Activation;
  bias?: boolean;
  residual?: boolean;
  packed?: boolean;
}

function operands(c: Case, seed: number) {
  const random = new Random(seed * 7919 + c.m * 31 + c.n * 17 + c.k);
  const x = normals(random, c.m * c.k);
  return {
    x,
    wq: Int8Array.from({ length: c.n * c.k }, () => random.below(256) - 128),
    wscale: Float32Array.from({ length: c.n }, () => 0.001 + 0.01 * random.float()),
    bias: c.bias ? normals(random, c.n) : undefined,
    residual: c.residual ? normals(random, c.m * c.n) : undefined,
  };
}
type Operands = ReturnType<typeof operands>;

function add(script: KernelScript, c: Case, o: Operands): Float32Array {
  const result = new Float32Array(c.m * c.n);
  const out = script.alloc(result.byteLength);
  script.call('qgemm', {
    m: c.m,
    n: c.n,
    k: c.k,
    activation: c.activation ?? 'none',
    packed: c.packed ? 1 : 0,
    x: script.load(o.x),
    w: script.load(o.wq),
    wscale: script.load(o.wscale),
    bias: o.bias && script.load(o.bias),
    residual: o.residual && script.load(o.residual),
    y: out,
  });
  script.save(out, result);
  return result;
}

/** The plain kernel of the CPU, which its own tests hold to the definition: all instruction sets agree with it to the bit. */
const onCpu = (c: Case, o: Operands): Float32Array =>
  runStep(
    {
      kernel: 'qlinear',
      inputs: [
        { shape: [c.m, c.k], data: o.x },
        { shape: [c.n, c.k], data: o.wq },
        { shape: [c.n], data: o.wscale },
        o.bias ? { shape: [c.n], data: o.bias } : null,
        o.residual ? { shape: [c.m, c.n], data: o.residual } : null,
      ],
      outputs: [{ shape: [c.m, c.n] }],
      attrs: { activation: c.activation ?? 'none' },
    },
    { isa: 'scalar' },
  )[0] as Float32Array;

const sizes: [m: number, n: number, k: number][] = [
  [1, 1, 1],
  [5, 3, 7],
  [64, 64, 64],
  [65, 67, 33],
  [63, 130, 100],
  [17, 40, 144],
  [130, 9, 66],
  [3, 200, 1024],
  [66, 70, 1100],
  [10, 1030, 48],
  [4097, 70, 20], // more blocks of rows than a device needs: each goes over all columns
];
const epilogues: Partial<Case>[] = [
  {},
  { bias: true, activation: 'gelu' },
  { bias: true, activation: 'relu', residual: true, packed: true },
];

describe.skipIf(unavailable !== undefined)('CUDA qgemm', () => {
  beforeAll(buildDriver, 900_000);

  it('gives the bits of the CPU: ragged sizes, every epilogue, fused and in two kernels', () => {
    for (const seed of [1, 2, 3]) {
      const script = new KernelScript();
      const cases = sizes.map(([m, n, k], i) => ({ m, n, k, ...epilogues[(i + seed) % 3] }));
      const pairs = cases.map((c) => ({ c, o: operands(c, seed) }));
      for (const { c, o } of pairs) {
        // Rows that quantisation treats apart.
        if (c.m < 9) continue;
        o.x.fill(0, 0, c.k);
        o.x[2 * c.k] = Number.NaN;
        o.x[3 * c.k + c.k - 1] = Number.NEGATIVE_INFINITY;
        o.x.fill(1e-40, 4 * c.k, 5 * c.k);
        o.x.fill(3.4e38, 5 * c.k, 6 * c.k);
      }
      const got = pairs.map(({ c, o }) => add(script, c, o));
      const report = script.run(seed);
      pairs.forEach(({ c, o }, i) => {
        expect(sameBits(got[i], onCpu(c, o)), `${c.m}×${c.n}×${c.k}`).toBe(true);
      });
      expect(launches(report, 'qgemm_fused')).toBe(9);
      expect(launches(report, 'qgemm_tensor')).toBe(2);
    }
  }, 300_000);

  it('runs a large product in large tiles', () => {
    const c: Case = { m: 260, n: 2700, k: 80, bias: true };
    const o = operands(c, 4);
    const script = new KernelScript();
    const got = add(script, c, o);
    const report = script.run();
    expect(sameBits(got, onCpu(c, o))).toBe(true);
    expect(Object.keys(report.kernels).some((kernel) => /qgemm_tensor.*Li128E/.test(kernel))).toBe(true);
  }, 300_000);

  it('is exact where every product is the largest', () => {
    for (const k of [1024, 5000]) {
      const c: Case = { m: 2, n: 3, k };
      const o = operands(c, 5);
      o.x.fill(-3);
      o.wscale.fill(1);
      o.wq.fill(-128);
      const script = new KernelScript();
      const got = add(script, c, o);
      script.run();
      expect(new Set(got)).toEqual(new Set([Math.fround(Math.fround(127 * 128 * k) * Math.fround(3 / 127))]));
    }
  }, 300_000);

  it('quantises rows to the bits of the CPU', () => {
    const random = new Random(6);
    for (const k of [1, 4, 31, 128, 130, 300]) {
      const x = normals(random, 9 * k, 10 ** (random.below(60) - 30));
      x[2 * k] = Number.NaN;
      x.fill(0, 3 * k, 4 * k);
      for (let i = 0; i < k; i++) x[4 * k + i] = i - 100.5;
      const q = new Int8Array(9 * k);
      const scale = new Float32Array(9);
      const script = new KernelScript();
      const [toQ, toScale] = [script.alloc(q.byteLength), script.alloc(scale.byteLength)];
      script.call('quantise', { rows: 9, k, x: script.load(x), q: toQ, scale: toScale });
      script.save(toQ, q);
      script.save(toScale, scale);
      script.run();
      const want = runStep(
        {
          kernel: 'quantise_rows',
          inputs: [{ shape: [9, k], data: x }],
          outputs: [{ shape: [9, k], dtype: 'i8' }, { shape: [9] }],
        },
        { isa: 'scalar' },
      );
      expect(sameBits(q, want[0]), `k ${k}`).toBe(true);
      expect(sameBits(scale, want[1]), `k ${k}`).toBe(true);
    }
  }, 300_000);

  it('has no bank conflicts and reads whole sectors', () => {
    for (const c of [
      { m: 128, n: 256, k: 256, bias: true },
      { m: 128, n: 128, k: 2048 },
    ] as Case[]) {
      const script = new KernelScript();
      add(script, c, operands(c, 8));
      const { wavefronts, idealWavefronts, sectors, idealSectors } = traffic(script.run());
      expect(wavefronts).toBe(idealWavefronts);
      expect(sectors / idealSectors).toBeLessThanOrEqual(1.1);
    }
  }, 300_000);
});
