import { describe, expect, it } from 'vitest';
import { cpu, type TypedArray } from '../../src/native/index.js';
import { scalePlan } from './plans.js';

const device = cpu();

function detached(): Float32Array {
  const array = new Float32Array(4);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

/** Every array that native code must not see, and what the error says of it. */
const refused: [string, () => unknown, RegExp][] = [
  ['a detached buffer', detached, /detached ArrayBuffer/],
  ['shared memory', () => new Float32Array(new SharedArrayBuffer(16)), /SharedArrayBuffer/],
  [
    'resizable memory',
    () =>
      new Float32Array(
        new (ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(16, { maxByteLength: 64 }),
      ),
    /resizable/,
  ],
  ['too short', () => new Float32Array(3), /Float32Array\(4\) for .* received Float32Array\(3\)/],
  ['too long', () => new Float32Array(5), /received Float32Array\(5\)/],
  ['empty', () => new Float32Array(0), /received Float32Array\(0\)/],
  ['another dtype of equal bytes', () => new Int32Array(4), /received Int32Array\(4\)/],
  ['doubles', () => new Float64Array(4), /received Float64Array\(4\)/],
  ['a plain array', () => [1, 2, 3, 4], /received \[1, 2, 3, 4\]/],
  ['an ArrayBuffer', () => new ArrayBuffer(16), /received ArrayBuffer/],
  ['a look-alike', () => ({ __proto__: Float32Array.prototype }), /./],
  ['undefined', () => undefined, /received undefined/],
  ['null', () => null, /received null/],
];

describe.each(refused)('%s', (_, make, message) => {
  const plan = device.createPlan(scalePlan(4), device.createState([]));
  const state = device.createState([{ name: 'w', dtype: 'f32', shape: [4] }]);
  const good = () => new Float32Array(4);
  const wrong = expect.objectContaining({ message: expect.stringMatching(message) });

  it('is refused as an input', async () => {
    expect(() => plan.runSync([make() as TypedArray], [good()])).toThrow(wrong);
    await expect(plan.run([make() as TypedArray], [good()])).rejects.toThrow(wrong);
  });

  it('is refused as an output', async () => {
    if (make() !== undefined) expect(() => plan.output(0, make() as TypedArray)).toThrow(wrong);
    expect(() => plan.runSync([good()], [make() as TypedArray])).toThrow(wrong);
    await expect(plan.run([good()], [make() as TypedArray])).rejects.toThrow(wrong);
  });

  it('is refused as state', () => {
    expect(() => state.set('w', make() as TypedArray)).toThrow(wrong);
  });
});

it('refuses a wrong number of arrays', () => {
  const plan = device.createPlan(scalePlan(4), device.createState([]));
  const x = new Float32Array(4);
  expect(() => plan.runSync([])).toThrow(/array of 1 typed arrays \(x\) for inputs/);
  expect(() => plan.runSync([x, x])).toThrow(/for inputs/);
  expect(() => plan.runSync([x], [x, x])).toThrow(/for outputs/);
  expect(() => plan.runSync(x as never)).toThrow(/for inputs/);
  expect(() => plan.output(1)).toThrow(/for index/);
});

it('does not lose its mind over an array whose getters lie', () => {
  const plan = device.createPlan(scalePlan(4), device.createState([]));
  const liar = new Float32Array(2);
  Object.defineProperty(liar, 'length', { value: 4 });
  expect(() => plan.runSync([liar])).toThrow(/Float32Array\(4\) for input 'x' but received Float32Array\(2\)/);
  let asked = 0;
  const inputs = new Proxy([new Float32Array(4)], {
    get: (target, key) => (key === '0' && asked++ > 0 ? new Float32Array(1) : Reflect.get(target, key)),
  });
  expect(() => plan.runSync(inputs)).toThrow(expect.objectContaining({ code: 'SHAPE' }));
});
