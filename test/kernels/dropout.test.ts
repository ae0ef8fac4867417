import { describe, expect, it } from 'vitest';
import { philox4x32 } from '../../src/core/philox.js';
import type { Operation } from '../../src/graph/operation.js';
import { dropoutOperation } from '../../src/graph/ops/dropout.js';
import type { Isa } from '../../src/native/index.js';
import { runStep, type StepOperand, sameBits } from './one-step.js';
import { againstDefinition, drawn, f32, SETS, SPECIAL, u32 } from './oracle.js';

const operation = dropoutOperation as unknown as Operation<never>;
const ones = (n: number) => f32([n], new Float32Array(n).fill(1));
const run = (x: ReturnType<typeof f32>, rng: number[], attrs: { p: number; stream: number }, isa: Isa, threads = 1) =>
  runStep({ kernel: 'dropout', inputs: [x, u32([4], rng)], outputs: [{ shape: x.shape }], attrs }, { isa, threads })[0];

describe('dropout', () => {
  it.each([1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 100, 1023])(
    'is the definition for %i elements',
    (n) => {
      for (const p of [0, 0.1, 0.5, 0.9]) {
        againstDefinition(operation, [drawn([n], n), u32([4], [7, 0xfedcba98, 12345, 0])], {
          attrs: { p, stream: n },
          bound: (_, want) => 2 ** -24 * Math.abs(want),
          inPlace: [[0, 0]],
        });
      }
    },
  );

  // Random123 1.09, kat_vectors: philox4x32 with 10 rounds, counter 0 and key 0. Each word is the bits of two elements, the low
  // half first. The threshold ⌊p·2¹⁶ + ½⌋ tells them: an element stays for p = bits/2¹⁶ and goes for p = (bits + 1)/2¹⁶.
  it.each(SETS)('draws the published words on %s', (isa) => {
    const halves = [0xe8d5, 0x6627, 0xc58d, 0xe169, 0xac4c, 0xbc57, 0xdbd8, 0x9b00];
    halves.forEach((half, i) => {
      const at = (bits: number) => run(ones(8), [0, 0, 0, 0], { p: bits / 2 ** 16, stream: 0 }, isa)[i];
      expect(at(half)).toBe(Math.fround(2 ** 16 / (2 ** 16 - half)));
      expect(at(half + 1)).toBe(0);
    });
  });

  it.each(SETS)('uses every word of key and counter on %s', (isa) => {
    const out = new Uint32Array(4);
    for (const [low, high, step, stream] of [
      [0xffffffff, 0, 0, 0],
      [0, 0xffffffff, 0, 0],
      [0, 0, 0xffffffff, 0],
      [0, 0, 0, 0xffffffff],
      [0xa4093822, 0x299f31d0, 0x03707344, 0x13198a2e],
    ]) {
      const y = run(ones(100), [low, high, step, 0], { p: 0.5, stream }, isa);
      for (let e = 0; e < 100; e++) {
        philox4x32(Math.floor(e / 8), 0, stream, step, low, high, out);
        const bits = (out[Math.floor(e / 2) % 4] >>> (16 * (e % 2))) & 0xffff;
        expect(y[e], `element ${e}`).toBe(bits < 2 ** 15 ? 0 : 2);
      }
    }
  });

  it.each(SETS)('drops nothing at p = 0, everything at p = 1, on %s', (isa) => {
    const x = f32([SPECIAL.length], SPECIAL);
    expect([...run(x, [1, 2, 3, 0], { p: 0, stream: 0 }, isa)]).toEqual([...x.data]);
    expect([...run(x, [1, 2, 3, 0], { p: 1, stream: 0 }, isa)]).toEqual(SPECIAL.map(() => 0));
    const almost = run(ones(4096), [1, 2, 3, 0], { p: 1 - 2 ** -16, stream: 0 }, isa);
    expect(almost.every((y) => y === 0 || y === 2 ** 16)).toBe(true);
  });

  it.each(SETS)('keeps a NaN that is kept and forgets one that is dropped, on %s', (isa) => {
    const nan = f32([400], new Float32Array(400).fill(Number.NaN));
    const y = run(nan, [1, 2, 3, 0], { p: 0.5, stream: 0 }, isa);
    const mask = run(ones(400), [1, 2, 3, 0], { p: 0.5, stream: 0 }, isa);
    expect([...y].map(Number.isNaN)).toEqual([...mask].map((m) => m !== 0));
  });

  it('drops the share p, independently for neighbours, streams and steps', () => {
    const n = 400_000;
    const isa = SETS.at(-1) as Isa;
    const base = run(ones(n), [11, 0, 1, 0], { p: 0.1, stream: 1 }, isa, 2);
    const others = [
      run(ones(n), [11, 0, 2, 0], { p: 0.1, stream: 1 }, isa, 2),
      run(ones(n), [11, 0, 1, 0], { p: 0.1, stream: 2 }, isa, 2),
      run(ones(n), [12, 0, 1, 0], { p: 0.1, stream: 1 }, isa, 2),
      base.subarray(1),
    ];
    const share = (y: ArrayLike<number>) => Array.from(y).filter((v) => v === 0).length / y.length;
    // Five standard deviations of a binomial share.
    expect(Math.abs(share(base) - 0.1)).toBeLessThan(5 * Math.sqrt(0.09 / n));
    for (const other of others) {
      let both = 0;
      for (let i = 0; i < other.length; i++) both += Number(base[i] === 0 && other[i] === 0);
      expect(Math.abs(both / n - 0.01)).toBeLessThan(5 * Math.sqrt(0.0099 / n));
    }
    for (const threads of [1, 3, 8]) {
      expect(run(ones(n), [11, 0, 1, 0], { p: 0.1, stream: 1 }, isa, threads)).toEqual(base);
    }
  });

  it.each([1, 8, 15, 17, 32, 33, 47, 63, 65, 300_001])(
    'fused steps have the bits of the plain ones, %i elements',
    (n) => {
      const rng = u32([4], [3, 1, 4, 0]);
      const [x, other] = [drawn([n], n, 2), drawn([n], n + 1)];
      for (const isa of SETS) {
        for (const p of [0, 0.1, 1]) {
          const attrs = { p, stream: 9 };
          const step = (kernel: string, inputs: StepOperand[], threads = 1, inPlaceOf?: number) =>
            runStep({ kernel, inputs, outputs: [{ shape: [n], inPlaceOf }], attrs }, { isa, threads })[0];
          const then = (kernel: string, data: ArrayLike<number>, ...rest: StepOperand[]) =>
            step(kernel, [f32([n], data), ...rest]);
          const plain = {
            gelu_dropout: then('dropout', step('gelu', [x]), rng),
            gelu_dropout_grad: then('gelu_grad', step('dropout', [other, rng]), x),
            dropout_add: then('add', step('dropout', [x, rng]), other),
          };
          const slopes = runStep(
            { kernel: 'gelu_dropout_with_slope', inputs: [x, rng], outputs: [{ shape: [n] }, { shape: [n] }], attrs },
            { isa, threads: 2 },
          );
          const slope = then('gelu_grad', new Float32Array(n).fill(1), x);
          expect(sameBits(slopes[0], plain.gelu_dropout), `slope ${isa} p ${p}`).toBe(true);
          expect(sameBits(slopes[1], then('dropout', slope, rng)), `slope ${isa} p ${p}`).toBe(true);
          const operands = { gelu_dropout: [x], gelu_dropout_grad: [other, x], dropout_add: [x, other] };
          for (const [kernel, inputs] of Object.entries(operands)) {
            const want = plain[kernel as keyof typeof plain];
            for (const threads of [1, 3]) {
              expect(sameBits(step(kernel, [...inputs, rng], threads), want), `${kernel} ${isa} p ${p}`).toBe(true);
            }
            inputs.forEach((_, i) => {
              expect(sameBits(step(kernel, [...inputs, rng], 2, i), want), `${kernel} ${isa} in place of ${i}`).toBe(
                true,
              );
            });
          }
        }
      }
    },
  );

  it.each([
    [{ p: 1.5, stream: 0 }, [4], /expected a probability from 0 to 1 for attribute p but received 1\.5/],
    [{ p: 0.1, stream: -1 }, [4], /expected an integer from 0 to 4294967295 for attribute stream but received -1/],
    [{ p: 0.1, stream: 0.5 }, [4], /for attribute stream but received 0\.5/],
    [{ p: 0.1, stream: 0 }, [3], /expected u32 \(4\) for rng but received u32 \(3\)/],
  ] as const)('refuses %j with rng %j', (attrs, shape, message) => {
    const inputs = [ones(8), u32([...shape], new Uint32Array(shape[0]))];
    expect(() => runStep({ kernel: 'dropout', inputs, outputs: [{ shape: [8] }], attrs })).toThrow(message);
  });
});
