import { type FeatureSet, resolveFeatures } from './definition.js';

/** A feature row in the mirror: column c is `sign[c]` times column `from[c]` of the row itself. */
export interface Mirror {
  readonly from: Int32Array;
  readonly sign: Float32Array;
}

/**
 * The mirror of a feature set: what its columns would be had every buyer been a seller and every price p been −p. A book has no
 * preferred side, so a row and its mirror image, whose up is the other's down, are two examples out of one.
 *
 * The mirror of the mirror is the row.
 *
 * @throws FlashbookError `OPTION` for a feature set that does not fit a book of `levels` levels
 */
export function featureMirror(set: FeatureSet, levels: number): Mirror {
  const from: number[] = [];
  const sign: number[] = [];
  for (const { kind, from: first, to } of resolveFeatures(set, levels)) {
    const blocks = kind.perLevel ? to - first + 1 : 1;
    for (let block = 0; block < blocks; block++) {
      const start = from.length;
      for (const image of kind.mirror) {
        const odd = image.startsWith('-');
        from.push(start + kind.columns.indexOf(odd ? image.slice(1) : image));
        sign.push(odd ? -1 : 1);
      }
    }
  }
  return { from: Int32Array.from(from), sign: Float32Array.from(sign) };
}

/** The mirror images of rows of columns, row by row. */
export function mirrorRows(values: Float32Array, { from, sign }: Mirror): Float32Array {
  const columns = from.length;
  const out = new Float32Array(values.length);
  for (let row = 0; row < values.length; row += columns) {
    for (let c = 0; c < columns; c++) out[row + c] = sign[c] * values[row + from[c]];
  }
  return out;
}
