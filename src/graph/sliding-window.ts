/** The geometry that convolution, pooling and unfold share: a window that slides over height and width. */
import { invalid } from '../core/errors.js';
import { checkOptions, integer } from '../core/options.js';
import type { TensorType } from './operation.js';
import { expectRank, shapeError } from './shape.js';

/** How the window moves; the padding is zeros (for pooling: nothing) around x. */
export type WindowAttributes = {
  strideH: number;
  strideW: number;
  dilationH: number;
  dilationW: number;
  top: number;
  bottom: number;
  left: number;
  right: number;
};

/** The same for callers: one number for both axes, or [height, width]; padding one number or [top, bottom, left, right]. */
export interface WindowOptions {
  stride?: number | readonly [number, number];
  dilation?: number | readonly [number, number];
  padding?: number | readonly [number, number, number, number];
}

export interface WindowSizes extends WindowAttributes {
  batch: number;
  height: number;
  width: number;
  channels: number;
  kernelH: number;
  kernelW: number;
  outHeight: number;
  outWidth: number;
  /** Elements of one window. */
  patch: number;
  /** Windows of all samples. */
  rows: number;
}

export function windowAttributes(where: string, options: WindowOptions): WindowAttributes {
  checkOptions(where, options, ['stride', 'dilation', 'padding']);
  const { stride = 1, dilation = 1, padding = 0 } = options;
  const pair = (name: string, value: number | readonly number[]) => {
    const list = typeof value === 'number' ? [value, value] : value;
    if (list.length !== 2) throw invalid(`${name} of ${where}`, 'a number or [height, width]', value);
    return list;
  };
  const [strideH, strideW] = pair('stride', stride);
  const [dilationH, dilationW] = pair('dilation', dilation);
  const sides = typeof padding === 'number' ? [padding, padding, padding, padding] : padding;
  if (sides.length !== 4) throw invalid(`padding of ${where}`, 'a number or [top, bottom, left, right]', padding);
  const [top, bottom, left, right] = sides;
  return { strideH, strideW, dilationH, dilationW, top, bottom, left, right };
}

/** Checks x (B, H, W, C) and the window, and counts what comes out. */
export function windowSizes(
  operation: string,
  x: TensorType,
  [kernelH, kernelW]: readonly number[],
  attrs: WindowAttributes,
): WindowSizes {
  expectRank(operation, 'x', x, 4, '(B, H, W, C)');
  for (const name of ['strideH', 'strideW', 'dilationH', 'dilationW'] as const) {
    integer(`${name} of ${operation}`, attrs[name], 1);
  }
  for (const name of ['top', 'bottom', 'left', 'right'] as const) integer(`${name} of ${operation}`, attrs[name], 0);
  integer(`kernelH of ${operation}`, kernelH, 1);
  integer(`kernelW of ${operation}`, kernelW, 1);
  const [batch, height, width, channels] = x.shape;
  const { strideH, strideW, dilationH, dilationW, top, bottom, left, right } = attrs;
  const outHeight = Math.floor((height + top + bottom - dilationH * (kernelH - 1) - 1) / strideH) + 1;
  const outWidth = Math.floor((width + left + right - dilationW * (kernelW - 1) - 1) / strideW) + 1;
  if (outHeight < 1 || outWidth < 1) {
    const least = `${dilationH * (kernelH - 1) + 1 - top - bottom} × ${dilationW * (kernelW - 1) + 1 - left - right}`;
    throw shapeError(operation, 'x', `height × width of at least ${least}, what the window spans`, x.shape);
  }
  const geometry = { batch, height, width, channels, kernelH, kernelW, outHeight, outWidth };
  return { ...attrs, ...geometry, patch: kernelH * kernelW * channels, rows: batch * outHeight * outWidth };
}

/**
 * Calls visit for every element of every window that lies inside x: `row` the window, `tap` its position in the window,
 * `from` the index of x's first channel there.
 */
export function forEachTap(s: WindowSizes, visit: (row: number, tap: number, from: number) => void): void {
  for (let row = 0; row < s.rows; row++) {
    const outColumn = row % s.outWidth;
    const outRow = Math.floor(row / s.outWidth) % s.outHeight;
    const sample = Math.floor(row / (s.outWidth * s.outHeight));
    for (let i = 0; i < s.kernelH; i++) {
      for (let j = 0; j < s.kernelW; j++) {
        const h = outRow * s.strideH + i * s.dilationH - s.top;
        const w = outColumn * s.strideW + j * s.dilationW - s.left;
        if (h < 0 || h >= s.height || w < 0 || w >= s.width) continue;
        visit(row, i * s.kernelW + j, ((sample * s.height + h) * s.width + w) * s.channels);
      }
    }
  }
}
