/**
 * A decimal number as an integer count of 10^−decimals: '61800.20' with one decimal is 618002. NaN for what is no such
 * number, is negative, or has digits beyond the decimals that are not 0. Digit by digit, so exact.
 */
export function scaledDecimal(text: string, decimals: number): number {
  let value = 0;
  let places = -1;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === POINT) {
      if (places >= 0 || i === 0) return Number.NaN;
      places = 0;
      continue;
    }
    const digit = c - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    if (places >= 0 && ++places > decimals) {
      if (digit !== 0) return Number.NaN;
      continue;
    }
    value = value * 10 + digit;
  }
  if (text.length === 0 || places === 0) return Number.NaN;
  for (let place = Math.max(places, 0); place < decimals; place++) value *= 10;
  return value;
}

/** Digits behind the point that are needed: '61800.20' needs one. */
export function decimalsOf(text: string): number {
  const point = text.indexOf('.');
  return point < 0 ? 0 : text.slice(point + 1).replace(/0+$/, '').length;
}

const POINT = 46;
const ZERO = 48;
