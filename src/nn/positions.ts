import type { Tensor } from '../graph/index.js';

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
