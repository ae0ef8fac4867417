/** Rows of the operations of convolutional models: windows that slide, and the norms of channels and weights. */
import {
  batchNorm,
  batchNormFrozen,
  conv1d,
  conv2d,
  maxPool2d,
  type Shape,
  unfold,
  type WindowOptions,
  weightNorm,
} from '../../src/graph/index.js';
import { windowAttributes } from '../../src/graph/sliding-window.js';
import { type OperationCase, raw, size } from './case.js';

interface WindowCase {
  /** (B, H, W, C) */
  image: [number, number, number, number];
  kernel: [number, number];
  outputs: number;
  options: WindowOptions;
}

const WINDOWS: readonly WindowCase[] = [
  { image: [1, 1, 1, 1], kernel: [1, 1], outputs: 1, options: {} },
  { image: [2, 3, 4, 2], kernel: [2, 2], outputs: 3, options: {} },
  { image: [2, 5, 6, 3], kernel: [3, 2], outputs: 4, options: { stride: [2, 1], padding: [1, 0, 0, 2] } },
  { image: [1, 4, 7, 2], kernel: [2, 3], outputs: 5, options: { dilation: [2, 2], padding: 3 } },
  { image: [1, 1, 9, 5], kernel: [1, 3], outputs: 2, options: { dilation: [1, 4], padding: [0, 0, 8, 0] } },
  { image: [2, 2, 3, 4], kernel: [2, 5], outputs: 3, options: { padding: 4, stride: 3 } },
  // The layers of DeepLOB: pairs of columns, four steps, all levels.
  { image: [1, 9, 40, 1], kernel: [1, 2], outputs: 32, options: { stride: [1, 2] } },
  { image: [2, 20, 5, 32], kernel: [4, 1], outputs: 32, options: {} },
  { image: [2, 30, 10, 33], kernel: [1, 10], outputs: 17, options: {} },
  // A block of a temporal network, and many windows of one tap.
  { image: [3, 1, 100, 64], kernel: [1, 3], outputs: 65, options: { dilation: [1, 8], padding: [0, 0, 16, 0] } },
  { image: [2, 17, 23, 48], kernel: [1, 1], outputs: 40, options: {} },
  { image: [1, 70, 80, 3], kernel: [3, 3], outputs: 8, options: { padding: 1 } },
];

function label({ image, kernel, outputs, options }: WindowCase): string {
  const moves = Object.entries(options).map(([name, value]) => ` ${name} ${value}`);
  return `(${image.join(', ')}) by ${kernel.join(' × ')} → ${outputs}${moves.join(',')}`;
}

function convolutions(): OperationCase[] {
  return WINDOWS.flatMap((row): OperationCase[] => {
    const { image, kernel, outputs, options } = row;
    const name = label(row);
    const weight = { shape: [outputs, ...kernel, image[3]] };
    const patch = kernel[0] * kernel[1] * image[3];
    const attrs = { ...windowAttributes('case', options) };
    const height = outSize(image[1], kernel[0], attrs.strideH, attrs.dilationH, attrs.top + attrs.bottom);
    const width = outSize(image[2], kernel[1], attrs.strideW, attrs.dilationW, attrs.left + attrs.right);
    const dy = { shape: [image[0], height, width, outputs] };
    const windows = image[0] * height * width;
    const products = (precision?: 'bf16'): OperationCase[] => [
      {
        operation: 'conv2d',
        name,
        inputs: [{ shape: image }, weight, { shape: [outputs] }],
        apply: ([x, w, bias]) => [
          conv2d(x, w, bias, { ...options, precision }),
          conv2d(x, w, undefined, { ...options, precision }),
        ],
        differentiable: size(image) <= 60 && size(weight.shape) <= 120,
        ulps: 8 + Math.sqrt(patch),
      },
      {
        operation: 'conv2d_grad_input',
        name,
        inputs: [dy, weight],
        apply: raw('conv2d_grad_input', {
          ...attrs,
          height: image[1],
          width: image[2],
          ...(precision && { precision }),
        }),
        differentiable: false,
        ulps: 16 + Math.sqrt(outputs * kernel[0] * kernel[1]),
      },
      {
        operation: 'conv2d_grad_weight',
        name,
        inputs: [dy, { shape: image }],
        apply: raw('conv2d_grad_weight', {
          ...attrs,
          kernelH: kernel[0],
          kernelW: kernel[1],
          ...(precision && { precision }),
        }),
        differentiable: false,
        ulps: 16 + Math.sqrt(windows),
      },
    ];
    return [
      ...products(),
      ...products('bf16').map(
        (product): OperationCase => ({ ...product, name: `${name}, bf16`, differentiable: false }),
      ),
      {
        operation: 'unfold',
        name,
        inputs: [{ shape: image }],
        apply: ([x]) => [unfold(x, kernel, options)],
        differentiable: false,
        ulps: 0,
      },
    ];
  });
}

function outSize(length: number, kernel: number, stride: number, dilation: number, padding: number): number {
  return Math.floor((length + padding - dilation * (kernel - 1) - 1) / stride) + 1;
}

function alongSteps(): OperationCase[] {
  return [
    { steps: 5, channels: 2, kernel: 3, options: { padding: [2, 0] } },
    { steps: 8, channels: 3, kernel: 2, options: { dilation: 4, padding: [4, 0] } },
    { steps: 9, channels: 1, kernel: 4, options: { stride: 2 } },
  ].map(({ steps, channels, kernel, options }) => ({
    operation: 'conv2d',
    name: `along ${steps} steps by ${kernel} ${JSON.stringify(options)}`,
    inputs: [{ shape: [2, steps, channels] }, { shape: [3, 1, kernel, channels] }, { shape: [3] }],
    apply: ([x, w, bias]) => [conv1d(x, w, bias, options as { padding: [number, number] })],
  }));
}

function pools(): OperationCase[] {
  const list: { image: Shape; kernel: [number, number]; options: WindowOptions }[] = [
    { image: [1, 1, 1, 1], kernel: [1, 1], options: {} },
    { image: [2, 5, 4, 3], kernel: [2, 2], options: { stride: 2 } },
    { image: [2, 6, 1, 17], kernel: [3, 1], options: { padding: [1, 1, 0, 0] } },
    { image: [1, 7, 9, 33], kernel: [2, 3], options: { dilation: [2, 1], padding: 1 } },
    { image: [2, 82, 1, 64], kernel: [3, 1], options: { padding: [1, 1, 0, 0] } },
  ];
  return list.flatMap(({ image, kernel, options }): OperationCase[] => {
    const name = `(${image.join(', ')}) by ${kernel.join(' × ')} ${JSON.stringify(options)}`;
    const make = (values: 'normal' | 'special' | 'int8'): OperationCase[] => [
      {
        operation: 'max_pool2d',
        name: `${name} ${values}`,
        inputs: [{ shape: image, values }],
        apply: ([x]) => [maxPool2d(x, kernel, options)],
        differentiable: values === 'normal' && size(image) <= 250,
        ulps: 0,
      },
      {
        operation: 'max_pool2d_grad',
        name: `${name} ${values}`, // int8: many are equal, and the first of them counts
        inputs: [{ shape: image, values }],
        apply: ([x]) => {
          const y = maxPool2d(x, kernel, options);
          const dy = x.graph.constant(
            'dy',
            y.shape,
            new Float32Array(size(y.shape)).map((_, i) => 1 + (i % 7)),
          );
          const attrs = { ...windowAttributes('case', options), kernelH: kernel[0], kernelW: kernel[1] };
          return raw('max_pool2d_grad', attrs)([dy, x]);
        },
        differentiable: false,
        ulps: 0,
      },
    ];
    return [...make('normal'), ...make('int8'), ...make('special')];
  });
}

function batchNorms(): OperationCase[] {
  const shapes: Shape[] = [
    [2, 1],
    [5, 3],
    [2, 3, 4],
    [3, 2, 5, 17],
    [130, 33],
    [700, 40],
  ];
  return shapes.flatMap((shape): OperationCase[] => {
    const c = shape.at(-1)!;
    const name = `(${shape.join(', ')})`;
    const small = size(shape) <= 30;
    const channel = { shape: [c] };
    const positive = { shape: [c], values: 'positive' as const };
    return [
      {
        operation: 'batch_norm',
        name,
        inputs: [{ shape }, channel, channel],
        apply: ([x, gamma, beta]) => {
          const { y, mean, variance } = batchNorm(x, gamma, beta, { eps: 1e-3 });
          return small ? [y] : [y, mean, variance]; // the gradient check sums all results, and these two have none
        },
        differentiable: small,
        ulps: 64,
      },
      {
        operation: 'batch_norm_grad',
        name,
        inputs: [{ shape }, { shape }, channel],
        apply: ([dy, x, gamma]) => {
          const beta = x.graph.constant('beta', [c], new Float32Array(c));
          const [, mean, variance] = raw('batch_norm', { eps: 1e-3 })([x, gamma, beta]);
          return raw('batch_norm_grad', { eps: 1e-3 })([dy, x, gamma, mean, variance]);
        },
        differentiable: false,
        ulps: 256,
      },
      {
        operation: 'batch_norm_frozen',
        name,
        inputs: [{ shape }, channel, channel, channel, positive],
        apply: ([x, gamma, beta, mean, variance]) => [batchNormFrozen(x, { gamma, beta, mean, variance })],
        differentiable: false,
        ulps: 32,
      },
    ];
  });
}

function weightNorms(): OperationCase[] {
  const shapes: Shape[] = [
    [1, 1],
    [3, 5],
    [4, 1, 3, 2],
    [65, 1, 3, 64],
  ];
  return shapes.flatMap((shape): OperationCase[] => {
    const name = `(${shape.join(', ')})`;
    const gain = { shape: [shape[0]] };
    return [
      {
        operation: 'weight_norm',
        name,
        inputs: [{ shape }, gain],
        apply: ([v, g]) => [weightNorm(v, g)],
        differentiable: size(shape) <= 60,
        ulps: 8,
      },
      {
        operation: 'weight_norm_grad',
        name,
        inputs: [{ shape }, { shape }, gain],
        apply: raw('weight_norm_grad'),
        differentiable: false,
        ulps: 32,
      },
    ];
  });
}

export const CONVOLUTION_CASES: readonly OperationCase[] = [
  ...convolutions(),
  ...alongSteps(),
  ...pools(),
  ...batchNorms(),
  ...weightNorms(),
];
