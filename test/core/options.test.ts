import { describe, expect, it } from 'vitest';
import { FlashbookError, invalid, describe as show } from '../../src/core/errors.js';
import { checkOptions, finite, integer, nearest, oneOf } from '../../src/core/options.js';

describe('options', () => {
  it('names the right option for a misspelt one', () => {
    expect(() => checkOptions('train', { lerningRate: 1 }, ['learningRate', 'steps'])).toThrow(
      "train has no option 'lerningRate'; did you mean 'learningRate'?",
    );
  });

  it('lists the options when nothing is near', () => {
    expect(() => checkOptions('train', { zzzzzz: 1 }, ['steps', 'seed'])).toThrow('known options are steps, seed');
  });

  it('accepts undefined and known names', () => {
    checkOptions('train', undefined, []);
    checkOptions('train', { seed: 1 }, ['seed']);
  });

  it('says expected, name, value and type in one sentence', () => {
    expect(() => integer('batch', 2.5, 1)).toThrow(
      'expected an integer of at least 1 for batch but received 2.5 of type number',
    );
    expect(() => finite('dropout', Number.NaN, 0, 1)).toThrow('between 0 and 1 for dropout but received NaN');
    expect(() => oneOf('backend', 'natve', ['native', 'onnx'])).toThrow("did you mean 'native'?");
    expect(invalid('x', 'a tensor', new Float32Array(3)).message).toBe(
      'expected a tensor for x but received Float32Array(3)',
    );
  });

  it('keeps a stable code', () => {
    const error = invalid('x', 'y', 1);
    expect(error).toBeInstanceOf(FlashbookError);
    expect(error.code).toBe('OPTION');
  });

  it('finds the nearest name only when it is near', () => {
    expect(nearest('horizens', ['horizons', 'levels'])).toBe('horizons');
    expect(nearest('abc', ['horizons', 'levels'])).toBeUndefined();
  });

  it('shows values short', () => {
    expect(show('a'.repeat(100))).toHaveLength("'' of type string".length + 58);
    expect(show([1, 2, 3, 4, 5, 6, 7, 8, 9])).toBe('[1, 2, 3, 4, 5, 6, 7, 8, …]');
  });
});
