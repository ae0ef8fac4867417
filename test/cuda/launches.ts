/**
 * The launches that bench/cuda.mjs tells the cost of and dynamic.test.ts holds to bounds: steps of a small transformer through the plan
 * engine, and the products of the tensor cores, in every precision, through their launchers.
 */
import type { Launch, Work } from './dynamic.child.js';

interface Bounds {
  name: string;
  /** The peak that its arithmetic is held against. */
  unit?: 'f32' | 'tf32' | 'bf16' | 'int8';
  /** Global sectors against the ideal, and shared-memory wavefronts against the ideal, at most. */
  sectors: number;
  wavefronts: number;
}

export interface StepLaunch extends Bounds, Launch {
  /** Warp instructions a thousand useful flops, at most. */
  perKiloFlop: number;
}

/** A command of driver/, all buffers of float32 but those of `int8`. */
export interface ProductLaunch extends Bounds {
  command: 'gemm' | 'qgemm' | 'attention' | 'attention_grad';
  sizes: Record<string, number | string>;
  reads: Record<string, number>;
  writes: Record<string, number>;
  int8?: string[];
  work: Work;
  /** Warp instructions a useful mma, at most. */
  perProduct: number;
}

export type BoundLaunch = StepLaunch | ProductLaunch;

/** Flops of one mma.sync: 16 × 8 × 32 bytes of K. */
export const FLOPS_OF_PRODUCT = { f32: Number.NaN, tf32: 2048, bf16: 4096, int8: 8192 };

const RNG = 'u32:4';
const plain = { sectors: 1.1, wavefronts: 1 };

const STEPS: StepLaunch[] = [
  {
    name: 'add 64×100×128',
    kernel: 'add',
    inputs: ['6400x128', '6400x128'],
    outputs: ['6400x128'],
    ...plain,
    perKiloFlop: 700,
  },
  { name: 'gelu 640×512', kernel: 'gelu', inputs: ['640x512'], outputs: ['640x512'], ...plain, perKiloFlop: 65 },
  {
    name: 'dropout_add 640×128',
    kernel: 'dropout_add',
    inputs: ['640x128', '640x128', RNG],
    outputs: ['640x128'],
    attrs: { p: 0.1, stream: 3 },
    ...plain,
    perKiloFlop: 1300,
  },
  {
    name: 'layer_norm 640×128',
    kernel: 'layer_norm',
    inputs: ['640x128', '128', '128'],
    outputs: ['640x128', '640', '640'],
    attrs: { eps: 1e-5 },
    ...plain,
    perKiloFlop: 300,
  },
  {
    name: 'layer_norm_grad 640×128',
    kernel: 'layer_norm_grad',
    inputs: ['640x128', '640x128', '128', '640', '640'],
    outputs: ['640x128', '128', '128'],
    ...plain,
    perKiloFlop: 225,
  },
  {
    name: 'softmax_cross_entropy 640×3',
    kernel: 'softmax_cross_entropy',
    inputs: ['640x3', 'i32:640'],
    outputs: ['1', '640x3'],
    attrs: { smoothing: 0.1 },
    sectors: 1.3,
    wavefronts: 1,
    perKiloFlop: 6000,
  },
  { name: 'sum_rows 640×512', kernel: 'sum_rows', inputs: ['640x512'], outputs: ['512'], ...plain, perKiloFlop: 750 },
  {
    name: 'transpose 100×96',
    kernel: 'transpose',
    inputs: ['4x100x96'],
    outputs: ['4x96x100'],
    sectors: 1.3,
    wavefronts: 1,
    perKiloFlop: 1e9,
  },
  {
    name: 'update_adam 66k',
    kernel: 'update_adam',
    inputs: ['512x128', '512x128', '512x128', '512x128', '128', '128', '128', '128', '2x8', '1'],
    outputs: ['=0', '=2', '=3', '=4', '=6', '=7'],
    ...plain,
    perKiloFlop: 75,
  },
];

function gemm(precision: 'bf16' | 'f16' | 'tf32', m: number, n: number, k: number, perProduct: number): ProductLaunch {
  return {
    name: `gemm ${precision} ${m}×${n}×${k}`,
    command: 'gemm',
    unit: precision === 'tf32' ? 'tf32' : 'bf16',
    sizes: { m, n, k, transB: 1, precision, activation: 'none' },
    reads: { a: m * k, b: n * k, bias: n },
    writes: { c: m * n },
    work: { flops: 2 * m * n * k, bytes: 4 * (m * k + n * k + n + m * n) },
    ...plain,
    perProduct,
  };
}

function qgemm(m: number, n: number, k: number, perProduct: number): ProductLaunch {
  return {
    name: `gemm int8 ${m}×${n}×${k}`,
    command: 'qgemm',
    unit: 'int8',
    sizes: { m, n, k, activation: 'none' },
    reads: { x: m * k, w: n * k, wscale: n, bias: n },
    int8: ['w'],
    writes: { y: m * n },
    work: { flops: 2 * m * n * k, bytes: 4 * m * k + n * k + 8 * n + 4 * m * n },
    ...plain,
    perProduct,
  };
}

function attention(grad: boolean, steps: number, heads: number, dim: number, perProduct: number): ProductLaunch {
  const [rows, elements] = [heads * steps, steps * heads * dim];
  return {
    name: `attention${grad ? '_grad' : ''} bf16 ${steps} steps, ${heads} × ${dim}`,
    command: grad ? 'attention_grad' : 'attention',
    unit: 'bf16',
    sizes: { batch: 1, heads, steps, queries: steps, dim, causal: 0, precision: 'bf16' },
    reads: { qkv: 3 * elements, ...(grad && { o: elements, lse: rows, do: elements }) },
    writes: grad ? { dqkv: 3 * elements } : { o: elements, lse: rows },
    work: {
      flops: (grad ? 10 : 4) * heads * steps * steps * dim,
      bytes: 4 * ((grad ? 8 : 4) * elements + rows),
    },
    ...plain,
    perProduct,
  };
}

/**
 * The bounds follow from what a warp does by construction, counted in PTX instructions. A stage of the large tile is 64 mma, 16 ldmatrix,
 * 8 copies and a hundred for addresses, buffers and the loop: 3 a product; of the small tile, which loads as much for 16 products, 6. Packing
 * and epilogue cost as much again at K = 512, in tf32, whose products are half as deep, less. A tile of 64 keys in attention's forward
 * pass is 64 mma, 32 ldmatrix, 8 copies and 5½ instructions for each of 32 scores: 7 a product; the backward pass computes scores and their
 * gradients twice, 7 products for 5 useful ones.
 */
const PRODUCTS: ProductLaunch[] = [
  gemm('bf16', 1024, 1024, 512, 6),
  gemm('f16', 1024, 1024, 512, 6),
  gemm('tf32', 1024, 1024, 256, 6),
  gemm('bf16', 256, 256, 512, 12),
  qgemm(1024, 2048, 1088, 6),
  qgemm(256, 512, 512, 50),
  attention(false, 512, 2, 64, 12),
  attention(false, 512, 2, 32, 18),
  attention(true, 512, 2, 64, 16),
  attention(true, 512, 2, 32, 24),
];

export const LAUNCHES: BoundLaunch[] = [...STEPS, ...PRODUCTS];
