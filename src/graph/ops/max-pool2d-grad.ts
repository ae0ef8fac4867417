import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';
import { forEachTap } from '../sliding-window.js';
import { type PoolAttributes, poolSizes } from './max-pool2d.js';

/** dx: every window's dy, added to the first of the window's largest values (the first NaN, if there is one). */
export const maxPool2dGradOperation: Operation<PoolAttributes> = {
  name: 'max_pool2d_grad',
  operands: ['dy', 'x'],
  results: ['dx'],
  infer([dy, x], attrs) {
    const s = poolSizes('max_pool2d_grad', x, attrs);
    expectShape('max_pool2d_grad', 'dy', dy, [s.batch, s.outHeight, s.outWidth, s.channels], "max_pool2d's result");
    return [f32(x.shape)];
  },
  reference([dy, x], attrs, [dx]) {
    const s = poolSizes('max_pool2d_grad', x, attrs);
    const places = new Int32Array(dy.data.length).fill(-1);
    forEachTap(s, (row, _, from) => {
      for (let c = 0; c < s.channels; c++) {
        const best = places[row * s.channels + c];
        const value = x.data[from + c];
        const larger = best < 0 || value > x.data[best] || (Number.isNaN(value) && !Number.isNaN(x.data[best]));
        if (larger) places[row * s.channels + c] = from + c;
      }
    });
    dx.data.fill(0);
    for (const [i, place] of places.entries()) if (place >= 0) dx.data[place] += dy.data[i];
  },
};

export function maxPool2dGrad(dy: Tensor, x: Tensor, attrs: PoolAttributes): Tensor {
  return dy.graph.apply(maxPool2dGradOperation, [dy, x], attrs)[0];
}
