import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlashbookError } from '../../src/core/errors.js';
import { cpu } from '../../src/native/index.js';
import { acceptsOrRefuses, readStatePlan, scalePlan } from './plans.js';

const device = cpu();

describe('a wrong specification', () => {
  /** A place in the good specification, the value put there, and what the error says. */
  const cases: [string, unknown, RegExp][] = [
    ['version', 2, /plan\.version/],
    ['arenaBytes', 100, /multiple of 64.*arenaBytes/],
    ['arenaBytes', -64, /arenaBytes/],
    ['arenaBytes', 0.5, /plan\.arenaBytes/],
    ['arenaBytes', 64, /tensor 1 'y'.*received 64/],
    ['arenaBytes', 2 ** 46, /no memory for an arena/],
    ['tensors', undefined, /plan\.tensors/],
    ['tensors.1.offset', 68, /multiple of 64.*tensor 1 'y'/],
    ['tensors.1.offset', -64, /received -64/],
    ['tensors.1.offset', Number.MAX_SAFE_INTEGER - 63, /tensor 1 'y'/],
    ['tensors.1.offset', 2 ** 53, /plan\.tensors\[1\]\.offset/],
    ['tensors.0.shape', [0], /at least 1/],
    ['tensors.0.shape', [-3, -1], /at least 1/],
    ['tensors.0.shape', [2 ** 32, 2 ** 32], /2\^46/],
    ['tensors.0.shape', Array(9).fill(1), /at most 8 dimensions/],
    ['tensors.0.dtype', 'f16', /plan\.tensors\[0\]\.dtype/],
    ['tensors.0.space', 'gpu', /plan\.tensors\[0\]\.space/],
    ['tensors.2.name', 'v', /state has no such buffer/],
    ['tensors.2.shape', [3, 1], /f32 \(3\).*received f32 \(3, 1\)/],
    ['tensors.2.dtype', 'i32', /f32 \(3\).*received i32 \(3\)/],
    ['tensors.2.offset', 64, /offset 0/],
    ['steps.0.inputs', [3], /step 0 \(scale\).*received 3/],
    ['steps.0.inputs', [-2], /received -2/],
    ['steps.0.inputs', [-1], /step 0 \(scale\): input 0 is absent/],
    ['steps.0.outputs', [], /step 0 \(scale\).*output/],
    ['steps.0.attrs', {}, /attribute 'factor' is absent/],
    ['steps.0.attrs.factor', '2', /number for attribute 'factor'/],
    ['steps.0.attrs.factor', [], /number for attribute 'factor'/],
    ['steps.0.attrs.factor', ['2'], /attrs\.factor/],
    ['steps.0.kernel', '', /no such kernel/],
    ['steps.0.kernel', 'scal', /step 0 \(scal\).*did you mean 'scale'/],
    ['inputs', [2], /arena for input 0/],
    ['inputs', [0, 0], /inputs 0 and 1 overlap/],
    ['inputs', [9], /input 0 but received 9/],
    ['outputs', [-1], /output 0 but received -1/],
  ];

  it.each(cases)('%s = %j', (path, value, message) => {
    const state = device.createState([{ name: 'w', dtype: 'f32', shape: [3] }]);
    const spec = readStatePlan(3);
    device.createPlan(spec, state).runSync([]); // good before it is spoilt
    const keys = path.split('.');
    const last = keys.pop() as string;
    const parent = keys.reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, spec as never);
    parent[last] = value;
    const error = thrownBy(() => device.createPlan(spec, state));
    expect(error).toBeInstanceOf(FlashbookError);
    expect((error as Error).message).toMatch(message);
  });

  it('with an output over half of its input', () => {
    const spec = scalePlan(32);
    spec.tensors[1].offset = 64;
    expect(() => device.createPlan(spec, device.createState([]))).toThrow(/'y' overlaps tensor 0 'x'/);
    spec.tensors[1].offset = 0; // in place is the kernel's choice
    device.createPlan(spec, device.createState([])).runSync([new Float32Array(32)]);
  });

  it.each([undefined, null, 1, 'plan', [], {}, new Float32Array(3)])('that is %s', (spec) => {
    expect(() => device.createPlan(spec as never, device.createState([]))).toThrow(FlashbookError);
  });

  it('for a state of another kind', () => {
    expect(() => device.createPlan(scalePlan(3), {} as never)).toThrow(/state of the device cpu/);
  });
});

/** Any place in a plain object, with a way to put another value there. */
function places(value: unknown, put: (v: unknown) => void): ((v: unknown) => void)[] {
  if (value === null || typeof value !== 'object') return [put];
  const inner = Object.entries(value).flatMap(([key, child]) =>
    places(child, (v) => {
      (value as Record<string, unknown>)[key] = v;
    }),
  );
  return [put, ...inner];
}

const strange = fc.oneof(
  fc.integer({ min: -3, max: 200 }),
  fc.constantFrom(
    64,
    128,
    2 ** 31,
    2 ** 32,
    2 ** 46,
    2 ** 53,
    -(2 ** 31),
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -0,
  ),
  fc.constantFrom<unknown>('', 'f32', 'i8', 'state', 'arena', 'scale', 'w', null, undefined, true),
  fc.array(fc.integer({ min: -2, max: 9 }), { maxLength: 10 }),
  fc.constant({}),
);

/** What `body` throws, if anything. */
function thrownBy(body: () => void): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
}

describe('fuzz', () => {
  it('a spoilt specification is refused or runs, and never crashes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(
          () => scalePlan(3),
          () => readStatePlan(3),
          () => scalePlan(40, 2, 3),
        ),
        fc.array(fc.tuple(fc.nat(), strange), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        (make, spoils, frozen) => {
          const spec = make();
          for (const [where, value] of spoils) {
            const all = places(spec, () => {});
            all[where % all.length](value);
          }
          acceptsOrRefuses(spec, frozen);
        },
      ),
      { numRuns: 3000, seed: 1 },
    );
  });
});
