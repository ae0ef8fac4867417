import {
  attentionLast,
  countUses,
  type Graph,
  linear,
  type Node,
  qlinear,
  qlinearStatic,
  type Rewriter,
  reshape,
  rewriteGraph,
  selectStep,
  sourceName,
  type Tensor,
} from '../graph/index.js';
import type { TypedArray } from '../native/plan-spec.js';

/** Projections of queries, keys and values side by side, and which of their operands have a row for each output column. */
const OUTPUT_OPERANDS: Readonly<Record<string, readonly number[]>> = {
  linear: [1, 2],
  qlinear: [1, 2, 3],
  qlinear_static: [1, 2, 3],
};

/**
 * Projects the queries that are read alone, for prediction: where an attention of queries 'last' takes its qkv straight from a linear or a quantised one,
 * that becomes one of keys and values for all steps and one of the query for the last step, a third of the projection less. Each row of
 * a product is summed by itself, so no result changes. The buffers of the projection, `a.b`, are cut into `a.q.b` and `a.kv.b` and
 * fall away. The arguments are left as they were.
 *
 * @param state contents of the graph's state buffers by name; a projection without content, or whose buffers something else reads too, stays.
 */
export function splitQueries(
  graph: Graph,
  state: ReadonlyMap<string, TypedArray>,
): { graph: Graph; state: Map<string, TypedArray> } {
  const uses = countUses(graph);
  const contents = new Map(state);
  const attentions = new Map<Node, Node>(); // by their projections
  for (const node of graph.nodes) {
    const projection = node.operation.name === 'attention' ? projectionOf(node, state, uses) : undefined;
    if (projection !== undefined) attentions.set(projection, node);
  }
  const projections = new Map([...attentions].map(([projection, node]) => [node, projection]));
  const rewritten = rewriteGraph(graph, (node, rewriter) => {
    // Its place in the order is that of attention: nothing else reads it.
    if (attentions.has(node)) return [];
    const projection = projections.get(node);
    if (projection === undefined) return undefined;
    const x = rewriter.get(projection.inputs[0]!);
    const kv = project(projection, x, 'kv', rewriter, contents);
    const q = project(projection, selectStep(x, -1), 'q', rewriter, contents);
    const { heads, precision, windows, strides, alibi } = node.attrs as Parameters<typeof attentionLast>[2];
    return [reshape(attentionLast(q, kv, { heads, precision, windows, strides, alibi }), node.outputs[0].shape)];
  });
  const kept = [...contents].filter(([name]) => rewritten.states.has(name));
  return { graph: rewritten, state: new Map(kept) };
}

/** The projection that gives an attention its qkv and can be split; undefined if there is none. */
function projectionOf(
  node: Node,
  state: ReadonlyMap<string, TypedArray>,
  uses: ReadonlyMap<Tensor, number>,
): Node | undefined {
  const [qkv, rng] = node.inputs as readonly [Tensor, Tensor | undefined];
  const { operation, inputs, attrs } = qkv.node;
  const operands = OUTPUT_OPERANDS[operation.name];
  const last = node.attrs.queries === 'last' && rng === undefined && !uses.has(node.outputs[1]);
  if (!last || operands === undefined || uses.get(qkv) !== 1) return undefined;
  const residual = inputs[operands.at(-1)! + 1];
  if (attrs.activation !== 'none' || residual !== undefined) return undefined;
  const owned = operands.every((i) => {
    const operand = inputs[i];
    const name = operand && sourceName(operand);
    return operand === undefined || (name !== undefined && state.has(name) && uses.get(operand) === 1);
  });
  return owned ? qkv.node : undefined;
}

/** The columns of one part of a projection of `x`, with the rows of its operands that make them. */
function project(
  { operation, inputs, attrs }: Node,
  x: Tensor,
  part: 'q' | 'kv',
  { target }: Rewriter,
  contents: Map<string, TypedArray>,
): Tensor {
  const [w, ...others] = OUTPUT_OPERANDS[operation.name].map((i) => {
    const operand = inputs[i];
    if (operand === undefined) return undefined;
    const source = sourceName(operand)!;
    const name = source.replace(/[^.]*$/, (last) => `${part}.${last}`);
    const [rows, ...rest] = operand.shape;
    const data = contents.get(source)!;
    const third = data.length / 3;
    contents.set(name, part === 'q' ? data.slice(0, third) : data.slice(third));
    return target.state(name, [part === 'q' ? rows / 3 : (2 * rows) / 3, ...rest], operand.dtype);
  });
  if (operation.name === 'qlinear_static') {
    const { xScale, xZero } = attrs as { xScale: number; xZero: number };
    return qlinearStatic(x, w!, others[0]!, others[1], { x: { scale: xScale, zero: xZero } });
  }
  if (operation.name === 'qlinear') return qlinear(x, w!, others[0]!, others[1]);
  return linear(x, w!, others[0], { precision: attrs.precision as 'f32' | 'bf16' | undefined });
}
