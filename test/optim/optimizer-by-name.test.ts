import { expect, test } from 'vitest';
import {
  adamW,
  centralised,
  clippedByValue,
  ema,
  lamb,
  lookahead,
  optimizerFrom,
  sam,
  sgd,
  swa,
} from '../../src/optim/index.js';

test('plain data make the optimiser that the functions make', () => {
  expect(optimizerFrom().config).toEqual(adamW().config);
  expect(optimizerFrom({ optimizer: 'sgd', momentum: 0.8, nesterov: true, clipNorm: 2 }).config).toEqual(
    sgd({ momentum: 0.8, nesterov: true, clipNorm: 2 }).config,
  );
  expect(optimizerFrom({ optimizer: 'lamb', centralise: true, lookahead: 5 }).config).toEqual(
    lookahead(centralised(lamb())).config,
  );
  expect(optimizerFrom({ sam: 0.1, clipValue: 2, ema: 0.9, swa: 7 }).config).toEqual(
    swa(ema(sam(clippedByValue(adamW(), { limit: 2 }), { rho: 0.1 }), { decay: 0.9 }), { start: 7 }).config,
  );
  expect(optimizerFrom({ sam: 1, adaptiveSam: true }).config).toMatchObject({ optimizer: 'asam', rho: 1 });
});

test('what is misspelt is named', () => {
  expect(() => optimizerFrom({ optimizer: 'lam' as 'lamb' })).toThrowError(/did you mean 'lamb'/);
  expect(() => optimizerFrom({ lookahed: 5 } as never)).toThrowError(/did you mean 'lookahead'/);
});

test('what would have no effect is refused', () => {
  expect(() => optimizerFrom({ nesterov: true })).toThrowError(/'sgd' with it for nesterov/);
  expect(() => optimizerFrom({ optimizer: 'lamb', momentum: 0.8 })).toThrowError(/'sgd' with it for momentum/);
  expect(() => optimizerFrom({ adaptiveSam: true })).toThrowError(/a radius sam with it for adaptiveSam/);
  expect(optimizerFrom({ nesterov: false, adaptiveSam: false }).config).toEqual(adamW().config);
});
