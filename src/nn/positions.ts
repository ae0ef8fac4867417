import { integer } from '../core/options.js';
import type { Tensor } from '../graph/index.js';
import { Module } from './module.js';

/**
 * The sinusoidal positions of Vaswani et al. 2017 (section 3.5), (steps, width) row-major:
 *   P[t, 2i] = sin(t / 10000^(2i/width)),  P[t, 2i+1] = cos(t / 10000^(2i/width)).
 */
export function sinusoidalPositions(steps: number, width: number): Float32Array {
  const positions = new Float32Array(steps * width);
  for (let t = 0; t < steps; t++) {
    for (let column = 0; column < width; column++) {
      const angle = t / 10000 ** ((column - (column % 2)) / width);
      positions[t * width + column] = column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return positions;
}

/** x + positions: (B, T, width). They are a constant of the graph, not a parameter. */
export function addPositions(x: Tensor): Tensor {
  const [, steps, width] = x.shape;
  return x.add(x.graph.constant(`positions.${steps}x${width}`, [steps, width], sinusoidalPositions(steps, width)));
}

/**
 * x + weight: one learnt vector a step (Gehring et al. 2017, arXiv:1705.03122), (B, steps, width). Starts normal with standard
 * deviation 0.02, as in GPT-2.
 */
export class LearnedPositions extends Module {
  readonly weight;

  constructor(
    readonly steps: number,
    readonly width: number,
  ) {
    super();
    integer('steps of learned positions', steps, 1);
    this.weight = this.parameter('weight', [steps, width], { kind: 'normal', std: 0.02 });
  }

  forward(x: Tensor): Tensor {
    return x.add(this.weight.in(x.graph));
  }
}
