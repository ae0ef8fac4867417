import { checkOptions, finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { onnxScalar } from '../onnx-lowering.js';
import { columns, f32, type Operation } from '../operation.js';
import { expectColumns, expectShape } from '../shape.js';

/**
 * y = clamp((x − mean) · inverseStd, −clip, clip), column by column; NaN stays NaN.
 * x (…, F), mean (F), inverseStd (F) → y (…, F). The first operation of an exported model: raw features come in.
 * No gradient: it is for inputs.
 */
export const standardizeOperation: Operation<{ clip: number }> = {
  name: 'standardize',
  operands: ['x', 'mean', 'inverseStd'],
  results: ['y'],
  infer([x, mean, inverseStd], { clip }) {
    finite('clip of standardize', clip, 0);
    expectColumns('standardize', 'x', x, columns(mean.shape), 'one column a mean');
    expectShape('standardize', 'mean', mean, [columns(x.shape)], 'one a column of x');
    expectShape('standardize', 'inverseStd', inverseStd, mean.shape, 'that of mean');
    return [f32(x.shape)];
  },
  reference([x, mean, inverseStd], { clip }, [y]) {
    const n = columns(x.shape);
    const limit = Math.fround(clip);
    for (let i = 0; i < y.data.length; i++) {
      const z = (x.data[i] - mean.data[i % n]) * inverseStd.data[i % n];
      y.data[i] = z > limit ? limit : Math.max(z, -limit);
    }
  },
  onnx(builder, { attrs: { clip } }, [x, mean, inverseStd]) {
    const [centred] = builder.emit('Sub', [x, mean]);
    const [scaled] = builder.emit('Mul', [centred, inverseStd]);
    return builder.emit('Clip', [scaled, onnxScalar(builder, 'minus_clip', -clip), onnxScalar(builder, 'clip', clip)]);
  },
  inPlace: () => [0],
};

export function standardize(x: Tensor, mean: Tensor, inverseStd: Tensor, options: { clip?: number } = {}): Tensor {
  checkOptions('standardize', options, ['clip']);
  const { clip = 10 } = options;
  return x.graph.apply(standardizeOperation, [x, mean, inverseStd], { clip })[0];
}
