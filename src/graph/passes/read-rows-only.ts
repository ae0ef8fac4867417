import { checkOptions } from '../../core/options.js';
import type { Graph, Node, Tensor } from '../ir.js';
import { addOperation } from '../ops/add.js';
import { type AttentionAttributes, attentionOperation } from '../ops/attention.js';
import { concatOperation } from '../ops/concat.js';
import { dropPathOperation } from '../ops/drop-path.js';
import { dropoutOperation } from '../ops/dropout.js';
import { expertsOperation } from '../ops/experts.js';
import { geluOperation } from '../ops/gelu.js';
import { layerNormOperation } from '../ops/layer-norm.js';
import { linearOperation } from '../ops/linear.js';
import { mulOperation } from '../ops/mul.js';
import { qlinearOperation } from '../ops/qlinear.js';
import { qlinearStaticOperation } from '../ops/qlinear-static.js';
import { reluOperation } from '../ops/relu.js';
import { reshape } from '../ops/reshape.js';
import { routeOperation } from '../ops/route.js';
import { scaleOperation } from '../ops/scale.js';
import { selectStep, selectStepOperation } from '../ops/select-step.js';
import { sliceOperation } from '../ops/slice.js';
import { softmaxOperation } from '../ops/softmax.js';
import { standardizeOperation } from '../ops/standardize.js';
import { liveNodes, type Rewriter, rewriteGraph } from '../rewrite.js';
import { sameShape } from '../shape.js';

/** Operations that treat each row alone, with the operands that have the rows; the others are shared by all rows. */
const ROW_WISE = new Map<unknown, (node: Node) => readonly number[] | undefined>([
  [linearOperation, () => [0, 3]],
  [qlinearOperation, (node) => (node.inputs[5] === undefined && !node.attrs.peaks ? [0, 4] : undefined)],
  [qlinearStaticOperation, () => [0, 4]],
  [layerNormOperation, () => [0]],
  [standardizeOperation, () => [0]],
  [reluOperation, () => [0]],
  [geluOperation, () => [0]],
  [scaleOperation, () => [0]],
  [softmaxOperation, () => [0]],
  // It draws by sample, whatever the rows.
  [dropPathOperation, () => [0]],
  [sliceOperation, () => [0]],
  // With a capacity the rows compete for the experts.
  [routeOperation, (node) => (node.attrs.capacity === 0 ? [0] : undefined)],
  [expertsOperation, () => [0, 1]],
  [concatOperation, (node) => node.inputs.map((_, i) => i)],
  [addOperation, elementwise],
  [mulOperation, elementwise],
]);

export interface ReadRowsOnlyOptions {
  /**
   * Also moves through dropout. The mask is then drawn for the selected rows alone: equal in distribution, not in bits, to
   * that of the whole tensor. For training graphs, before differentiate(). Default false: results stay as they were.
   */
  throughDropout?: boolean;
}

/**
 * Computes only the rows that are read: moves select_step up through row-wise operations, and a select of the last step into
 * the attention before them as queries 'last'. In a model that reads one of T steps, the last layer's projection and
 * feed-forward then cost 1/T. A tensor that something else needs in full is not computed a second time.
 */
export function readRowsOnly(graph: Graph, options: ReadRowsOnlyOptions = {}): Graph {
  checkOptions('readRowsOnly', options, ['throughDropout']);
  const { throughDropout = false } = options;
  const full = neededInFull(graph, throughDropout);
  return rewriteGraph(graph, (node, rewriter) => {
    if ((node.operation as unknown) !== selectStepOperation) return undefined;
    const reader = new RowReader(rewriter, full, node.attrs.index as number, throughDropout);
    return [reader.row(node.inputs[0]!)];
  });
}

/** Operands of `node` of which row `index` suffices to compute row `index` of its result; undefined if there is no such way. */
function rowOperands(node: Node, index: number, throughDropout: boolean): readonly number[] | undefined {
  const operation: unknown = node.operation;
  if (operation === attentionOperation) {
    const { queries } = node.attrs as AttentionAttributes;
    return queries === 'all' && index === node.inputs[0]!.shape[1] - 1 ? [] : undefined;
  }
  if (operation === dropoutOperation) return throughDropout ? [0] : undefined;
  return ROW_WISE.get(operation)?.(node);
}

/** The tensors of which more than selected rows is needed, found from the results backwards. */
function neededInFull(graph: Graph, throughDropout: boolean): Set<Tensor> {
  const full = new Set<Tensor>([...graph.outputs.values(), ...graph.updates.values()]);
  const rows = new Map<Tensor, Set<number>>();
  for (const node of [...liveNodes(graph)].reverse()) {
    const selects =
      (node.operation as unknown) === selectStepOperation && node.outputs.some((output) => full.has(output));
    const indices = selects ? [node.attrs.index as number] : [...(rows.get(node.outputs[0]) ?? [])];
    const byRow = selects ? [[0]] : indices.map((index) => rowOperands(node, index, throughDropout));
    const whole = (!selects && node.outputs.some((output) => full.has(output))) || byRow.includes(undefined);
    if (whole) for (const output of node.outputs) full.add(output);
    for (const [i, input] of node.inputs.entries()) {
      if (input === undefined) continue;
      if (whole || input.index > 0 || !byRow.every((operands) => operands?.includes(i))) full.add(input);
      else for (const index of indices) rows.set(input, (rows.get(input) ?? new Set()).add(index));
    }
  }
  return full;
}

/** Builds, in the new graph, the row `index` (B, ·) of tensors (B, T, ·) of the old one. */
class RowReader {
  readonly #rows = new Map<Tensor, Tensor>();

  constructor(
    readonly rewriter: Rewriter,
    readonly full: ReadonlySet<Tensor>,
    readonly index: number,
    readonly throughDropout: boolean,
  ) {}

  row(tensor: Tensor): Tensor {
    let row = this.#rows.get(tensor);
    if (row === undefined) {
      row = this.full.has(tensor) ? selectStep(this.rewriter.get(tensor), this.index) : this.#moved(tensor.node);
      this.#rows.set(tensor, row);
    }
    return row;
  }

  /** The row of the node's first result, computed from rows. */
  #moved(node: Node): Tensor {
    const { target } = this.rewriter;
    if ((node.operation as unknown) === attentionOperation) {
      // The mask of dropout is drawn by step: that of the one query stays what it was.
      const [batch, , packed] = node.inputs[0]!.shape;
      const inputs = node.inputs.map((input) => input && this.rewriter.get(input));
      const attrs = { ...(node.attrs as AttentionAttributes), queries: 'last' as const };
      const [o] = target.apply(attentionOperation, inputs, attrs);
      return reshape(o, [batch, packed / 3]);
    }
    const moved = rowOperands(node, this.index, this.throughDropout)!;
    const inputs = node.inputs.map((input, i) => {
      if (input === undefined) return undefined;
      return moved.includes(i) ? this.row(input) : this.rewriter.get(input);
    });
    return target.apply(node.operation, inputs, node.attrs)[0];
  }
}

/** Both operands, or the first alone if the second is one row for all; a second operand with steps of its own stays put. */
function elementwise(node: Node): readonly number[] | undefined {
  const [a, b] = node.inputs as readonly Tensor[];
  if (sameShape(a.shape, b.shape)) return [0, 1];
  return b.shape.length < 2 ? [0] : undefined;
}
