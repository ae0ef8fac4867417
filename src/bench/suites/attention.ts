/** Flash attention forward and backward, against plain attention that writes its scores to memory. */
import {
  add,
  attention,
  concat,
  Graph,
  matmul,
  OPERATIONS,
  type Precision,
  scale,
  slice,
  softmax,
  type Tensor,
} from '../../graph/index.js';
import type { BenchCase, Contender, Expected } from '../case.js';
import { bytesOfPlan, type GraphCase, nativeContender, onnxContender } from '../graph-contenders.js';
import { normals, places } from '../random-values.js';
import { once, type SuiteOptions } from '../suite.js';

interface Sizes {
  batch: number;
  steps: number;
  heads: number;
  headDim: number;
  causal: boolean;
  /** Every head sees so many steps back alone. */
  window?: number;
  precision?: Precision;
}

const CHECKED_ROWS = 8;

export function attentionCases({ threads }: SuiteOptions): BenchCase[] {
  const cases: BenchCase[] = [];
  for (const causal of [true, false]) {
    cases.push(
      forward({ batch: 1, steps: 100, heads: 4, headDim: 32, causal }, threads),
      forward({ batch: 64, steps: 100, heads: 4, headDim: 32, causal }, threads),
      forward({ batch: 1, steps: 512, heads: 8, headDim: 64, causal }, threads),
      forward({ batch: 1, steps: 2048, heads: 8, headDim: 64, causal }, threads),
      forwardBackward({ batch: 64, steps: 100, heads: 4, headDim: 32, causal }, threads),
      forwardBackward({ batch: 1, steps: 2048, heads: 8, headDim: 64, causal }, threads),
    );
  }
  const long = { batch: 1, steps: 2048, heads: 8, headDim: 64, causal: true };
  // The cost of a window falls with it: compare with the whole sequence above.
  for (const window of [512, 128]) {
    cases.push(forward({ ...long, window }, threads), forwardBackward({ ...long, window }, threads));
  }
  cases.push(
    forward({ ...long, precision: 'bf16' }, threads),
    forwardBackward({ ...long, precision: 'bf16' }, threads),
  );
  return cases;
}

const nameOf = ({ batch, steps, heads, headDim, causal, window, precision }: Sizes): string =>
  `${batch > 1 ? `${batch} × ` : ''}${heads} × ${steps} × ${headDim} ${causal ? 'causal' : 'full'}` +
  `${window === undefined ? '' : `, window ${window}`}${precision === undefined ? '' : `, ${precision}`}`;

/** Products of queries and keys that are needed. */
function pairs(sizes: Sizes): number {
  const { batch, steps, heads } = sizes;
  let seen = 0;
  for (let query = 0; query < steps; query++) seen += endKey(sizes, query) - firstKey(sizes, query);
  return batch * heads * seen;
}

/** The keys that a query sees: firstKey … endKey − 1. */
const firstKey = ({ window = 0 }: Sizes, query: number): number => (window === 0 ? 0 : Math.max(0, query - window + 1));
const endKey = ({ steps, causal, window = 0 }: Sizes, query: number): number =>
  causal ? query + 1 : window === 0 ? steps : Math.min(steps, query + window);

const attentionOptions = ({ heads, causal, window, precision }: Sizes) => ({
  heads,
  causal,
  ...(window !== undefined && { windows: Array<number>(heads).fill(window) }),
  ...(precision !== undefined && { precision }),
});

/** bf16 keeps 8 bits of each operand. */
const toleranceOf = ({ precision }: Sizes, f32: number): number => (precision === 'bf16' ? 0.03 : f32);

function forward(sizes: Sizes, threads: number): BenchCase {
  const { batch, steps, heads, headDim, window, precision } = sizes;
  const width = heads * headDim;
  const qkv = once(() => normals(batch * steps * 3 * width, 1));
  const graphCase = (graph: Graph): GraphCase => ({ graph, inputs: { qkv: qkv() }, state: new Map() });
  const flash = () => graphCase(flashGraph(sizes));
  const contenders: Contender[] = [
    nativeContender(flash, { role: 'fast', name: 'flashbook', tolerance: toleranceOf(sizes, 1e-5), threads }),
  ];
  if (batch === 1 && window === undefined && precision === undefined) {
    const plain = () => graphCase(plainGraph(sizes));
    contenders.push(nativeContender(plain, { role: 'plain', name: 'unfused', tolerance: 1e-5, threads }));
  }
  if (precision === undefined) contenders.push(onnxContender(flash, { tolerance: 1e-5, threads }));
  return {
    suite: 'attention',
    name: `forward ${nameOf(sizes)}`,
    threads,
    bound: sizes.precision ?? 'f32',
    operations: pairs(sizes) * 4 * headDim,
    bytes: 4 * batch * steps * 4 * width,
    contenders,
    expected: () => someRows(qkv(), sizes),
  };
}

function flashGraph(sizes: Sizes): Graph {
  const graph = new Graph();
  const { batch, steps, heads, headDim } = sizes;
  graph.output('o', attention(graph.input('qkv', [batch, steps, 3 * heads * headDim]), attentionOptions(sizes)));
  return graph;
}

function plainGraph(sizes: Sizes): Graph {
  const graph = new Graph();
  const { steps, heads, headDim } = sizes;
  graph.output('o', plainAttention(graph.input('qkv', [steps, 3 * heads * headDim]), sizes));
  return graph;
}

/** Bytes that a forward pass over 8 heads of 64 needs: q, k, v, the result, and scores or scratch memory. */
export function attentionMemory(steps: number, causal: boolean): { flash: number; unfused: number } {
  const sizes: Sizes = { batch: 1, steps, heads: 8, headDim: 64, causal };
  return { flash: bytesOfPlan(flashGraph(sizes)), unfused: bytesOfPlan(plainGraph(sizes)) };
}

/**
 * Attention as one writes it first: every head's scores as a matrix, softmax over its rows, times the values. Its products are
 * flashbook's own, so that what is compared is the fusion alone.
 */
function plainAttention(qkv: Tensor, { steps, heads, headDim, causal }: Sizes): Tensor {
  const { graph } = qkv;
  const width = heads * headDim;
  const future = causal ? graph.constant(`constant.future.${steps}`, [steps, steps], futureMask(steps)) : undefined;
  const outputs = Array.from({ length: heads }, (_, h) => {
    const part = (which: number) => slice(qkv, { start: which * width + h * headDim, length: headDim });
    const scores = scale(matmul(part(0), part(1), { transB: true }), 1 / Math.sqrt(headDim));
    return matmul(softmax(future === undefined ? scores : add(scores, future)), part(2));
  });
  return concat(outputs);
}

function futureMask(steps: number): Float32Array {
  const mask = new Float32Array(steps * steps);
  for (let i = 0; i < steps; i++) mask.fill(Number.NEGATIVE_INFINITY, i * steps + i + 1, (i + 1) * steps);
  return mask;
}

/** Forward and backward of one loss whose gradient is given. */
function forwardBackward(sizes: Sizes, threads: number): BenchCase {
  const { batch, steps, heads, headDim } = sizes;
  const width = heads * headDim;
  const data = once(() => ({
    qkv: normals(batch * steps * 3 * width, 1),
    dO: normals(batch * steps * width, 2),
  }));
  const graphCase = (): GraphCase => {
    const graph = new Graph();
    const qkv = graph.input('qkv', [batch, steps, 3 * width]);
    const dO = graph.input('dO', [batch, steps, width]);
    const o = attention(qkv, attentionOptions(sizes));
    const [, lse] = o.node.outputs;
    const attrs = o.node.attrs;
    graph.output('dqkv', graph.apply(OPERATIONS.get('attention_grad')!, [dO, qkv, o, lse], attrs)[0]);
    return { graph, inputs: data(), state: new Map() };
  };
  return {
    suite: 'attention',
    name: `forward + backward ${nameOf(sizes)}`,
    threads,
    bound: sizes.precision ?? 'f32',
    operations: pairs(sizes) * 14 * headDim,
    bytes: 4 * batch * steps * 12 * width,
    contenders: [
      nativeContender(graphCase, { role: 'fast', name: 'flashbook', tolerance: toleranceOf(sizes, 2e-5), threads }),
    ],
    expected: () => someGradients(data(), sizes),
  };
}

/** Some rows of the result in float64, from some heads of some windows. */
function someRows(qkv: Float32Array, sizes: Sizes): Expected {
  const { batch, steps, heads, headDim } = sizes;
  const at: number[] = [];
  const values: number[] = [];
  const weights = new Float64Array(steps);
  for (const place of places(CHECKED_ROWS, batch * heads * steps, 3)) {
    const [row, head, window] = [place % steps, Math.floor(place / steps) % heads, Math.floor(place / steps / heads)];
    const view = new Head(qkv, sizes, window, head);
    view.weights(row, weights);
    for (let d = 0; d < headDim; d++) {
      let sum = 0;
      for (let t = view.first(row); t < view.end(row); t++) sum += weights[t] * view.at(2, t, d);
      at.push((window * steps + row) * heads * headDim + head * headDim + d);
      values.push(sum);
    }
  }
  return { at, values };
}

/**
 * Some rows of dq, dk and dv of one head in float64: dv_j = Σ_i p_ij·dO_i, and with ds_ij = p_ij·(dO_i·v_j − dO_i·o_i)/√d
 * dq_i = Σ_j ds_ij·k_j, dk_j = Σ_i ds_ij·q_i.
 */
function someGradients({ qkv, dO }: { qkv: Float32Array; dO: Float32Array }, sizes: Sizes): Expected {
  const { batch, steps, heads, headDim } = sizes;
  const [window, head] = [batch - 1, heads - 1];
  const width = heads * headDim;
  const view = new Head(qkv, sizes, window, head);
  const gradient = (row: number, d: number) => dO[(window * steps + row) * width + head * headDim + d];
  const chosen = [...places(CHECKED_ROWS, steps, 4)];
  const sums = new Map<number, { dq: Float64Array; dk: Float64Array; dv: Float64Array }>();
  for (const row of chosen)
    sums.set(row, { dq: new Float64Array(headDim), dk: new Float64Array(headDim), dv: new Float64Array(headDim) });
  const weights = new Float64Array(steps);
  for (let i = 0; i < steps; i++) {
    view.weights(i, weights);
    let delta = 0; // dO_i · o_i
    for (let t = view.first(i); t < view.end(i); t++) {
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += gradient(i, d) * view.at(2, t, d);
      delta += weights[t] * dot;
    }
    const own = sums.get(i);
    const keys = own === undefined ? chosen : Array.from({ length: view.end(i) }, (_, t) => t);
    for (const j of keys) {
      if (j < view.first(i) || j >= view.end(i)) continue;
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += gradient(i, d) * view.at(2, j, d);
      const ds = (weights[j] * (dot - delta)) / Math.sqrt(headDim);
      const column = sums.get(j);
      for (let d = 0; d < headDim; d++) {
        if (own !== undefined) own.dq[d] += ds * view.at(1, j, d);
        if (column === undefined) continue;
        column.dk[d] += ds * view.at(0, i, d);
        column.dv[d] += weights[j] * gradient(i, d);
      }
    }
  }
  const at: number[] = [];
  const values: number[] = [];
  for (const [row, { dq, dk, dv }] of sums) {
    for (const [part, list] of [dq, dk, dv].entries()) {
      for (let d = 0; d < headDim; d++) {
        at.push((window * steps + row) * 3 * width + part * width + head * headDim + d);
        values.push(list[d]);
      }
    }
  }
  return { at, values };
}

/** One head of one window of packed queries, keys and values. */
class Head {
  constructor(
    readonly qkv: Float32Array,
    readonly sizes: Sizes,
    readonly window: number,
    readonly head: number,
  ) {}

  /** q (0), k (1) or v (2) at a step. */
  at(part: number, step: number, d: number): number {
    const { steps, heads, headDim } = this.sizes;
    const width = heads * headDim;
    return this.qkv[(this.window * steps + step) * 3 * width + part * width + this.head * headDim + d];
  }

  first(query: number): number {
    return firstKey(this.sizes, query);
  }

  end(query: number): number {
    return endKey(this.sizes, query);
  }

  weights(query: number, out: Float64Array): void {
    const { headDim } = this.sizes;
    let largest = Number.NEGATIVE_INFINITY;
    for (let t = this.first(query); t < this.end(query); t++) {
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += this.at(0, query, d) * this.at(1, t, d);
      out[t] = dot / Math.sqrt(headDim);
      largest = Math.max(largest, out[t]);
    }
    let sum = 0;
    for (let t = this.first(query); t < this.end(query); t++) sum += out[t] = Math.exp(out[t] - largest);
    for (let t = this.first(query); t < this.end(query); t++) out[t] /= sum;
  }
}
