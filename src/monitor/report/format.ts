/** Numbers as people read them: shared by the report and the closing table. */

/** 0.4632 → '46.3 %'. */
export function percent(share: number, digits = 1): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(digits)} %` : '–';
}

/** 1022601 → '1,022,601'. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** 4194304 → '4.19 MB' (decimal units, as disks are sold). */
export function bytes(value: number): string {
  if (value < 1e3) return `${value} B`;
  if (value < 1e6) return `${(value / 1e3).toFixed(1)} kB`;
  if (value < 1e9) return `${(value / 1e6).toFixed(2)} MB`;
  return `${(value / 1e9).toFixed(2)} GB`;
}

/** Three digits of a time in milliseconds: 0.4321 → '0.432 ms'; 0.00056 → '0.560 µs'; 1234 → '1.23 s'. */
export function milliseconds(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value !== 0 && value < 0.01) return `${(1000 * value).toPrecision(3)} µs`;
  return value < 999.5 ? `${value.toPrecision(3)} ms` : `${(value / 1000).toPrecision(3)} s`;
}

/** 754 → '12 min 34 s'; 3.21 → '3.2 s'. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Shares of a whole, such as a class balance: '33.1 / 33.4 / 33.5 %'. */
export function balance(shares: readonly number[]): string {
  return `${shares.map((share) => (100 * share).toFixed(1)).join(' / ')} %`;
}

/** 0.000012 → '1.2e-5'. */
export function scientific(value: number): string {
  return Number.isFinite(value) ? value.toExponential(1) : '–';
}
