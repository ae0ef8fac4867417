/** The launches that bench/cuda.mjs tells the cost of and dynamic.test.ts holds to bounds: the shapes of a small transformer. */
import type { Launch } from './dynamic.child.js';

export interface BoundLaunch extends Launch {
  name: string;
  /** The peak that its arithmetic is held against. */
  unit?: 'f32' | 'bf16' | 'int8';
  /** Global sectors against the ideal, and shared-memory wavefronts against the ideal, at most. */
  sectors: number;
  wavefronts: number;
  /** Warp instructions a thousand useful flops, at most. */
  perKiloFlop: number;
}

const RNG = 'u32:4';
const plain = { sectors: 1.1, wavefronts: 1 };

export const LAUNCHES: BoundLaunch[] = [
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
