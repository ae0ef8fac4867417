import { FlashbookError, invalid } from '../core/errors.js';
import { finite } from '../core/options.js';
import { log, softmax, type Tensor } from '../graph/index.js';
import { type ForwardOptions, Module, type ReturnForecast } from '../nn/index.js';

/** A model of windows with one head of logits a horizon: what an ensemble is made of, and is. */
export interface Classifier extends Module {
  readonly options: object;
  forward(x: Tensor, options?: ForwardOptions): Tensor[];
}

/**
 * Several models as one: for each horizon h the mean of the members' probabilities,
 *
 *     p_h = Σ_m w[h][m] · softmax(z_{h,m}),   logits z_h = log p_h,   Σ_m w[h][m] = 1, w ≥ 0
 *
 * (softmax of log p is p). One graph, so one artefact and one predictor. Source: the linear opinion pool of Stone 1961, "The
 * Opinion Pool"; soft voting.
 *
 * Where all members tell of returns, so does the ensemble, with the same weights: location_h = Σ_m w[h][m] · location_{h,m}, and quantile by
 * quantile the weighted mean, where all have them. That is narrower than the quantiles of the mixture of their distributions, and better calibrated
 * (Lichtendahl, Grushka-Cockayne & Winkler 2013, "Is It Better to Average Probabilities or Quantiles?"; averaging goes back to Vincent 1912).
 *
 * Parameters are those of the members under `members.<m>.`. A model belongs to one ensemble only: make its own instance.
 */
export class Ensemble extends Module {
  readonly members: readonly Classifier[];
  readonly weights: readonly (readonly number[])[];
  /** Those of the members, flat: members.0.dModel …, and the weights: weights.<horizon>.<member>. */
  readonly options: Readonly<Record<string, number | string | boolean>> & {
    readonly steps: number;
    readonly features: number;
  };

  /**
   * @param members at least one, which take the same windows and have the same horizons and classes
   * @param weights one list a horizon, one weight a member; equal ones by default for `horizons` horizons
   */
  constructor(members: readonly Classifier[], weights: readonly (readonly number[])[]) {
    super();
    if (members.length === 0) throw invalid('members', 'at least one model', members);
    this.members = this.children('members', members);
    this.weights = weights.map((list, h) => checkedWeights(list, h, members.length));
    const { steps, features } = members[0].options as { steps?: unknown; features?: unknown };
    for (const [m, { options }] of members.entries()) {
      const other = options as { steps?: unknown; features?: unknown };
      if (other.steps !== steps || other.features !== features) {
        throw new FlashbookError(
          'OPTION',
          `expected members that take the same windows but member ${m} takes ${other.steps} × ${other.features}, not ${steps} × ${features}`,
          { member: m },
        );
      }
    }
    const flat: Record<string, number | string | boolean> = { model: 'ensemble' };
    for (const [m, { options }] of members.entries()) {
      for (const [name, value] of Object.entries(options)) {
        flat[`members.${m}.${name}`] = typeof value === 'object' ? JSON.stringify(value) : value;
      }
    }
    for (const [h, list] of this.weights.entries()) for (const [m, w] of list.entries()) flat[`weights.${h}.${m}`] = w;
    this.options = { ...flat, steps: steps as number, features: features as number };
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor[] {
    const told = this.members.map((): ReturnForecast[] => []);
    const logits = this.members.map((member, m) =>
      member.forward(x, { ...options, returns: options.returns && told[m] }),
    );
    if (logits.some((heads) => heads.length !== this.weights.length)) {
      throw invalid('weights', `one list for each of ${logits[0].length} horizons`, this.weights.length);
    }
    options.returns?.push(...this.#joinReturns(told));
    return this.weights.map((weights, h) => {
      const shares = logits.map((heads, m) => softmax(heads[h]).scale(weights[m]));
      return log(shares.reduce((sum, share) => sum.add(share)));
    });
  }

  /** One a horizon; none where a member tells nothing of returns. */
  #joinReturns(told: readonly (readonly ReturnForecast[])[]): ReturnForecast[] {
    if (told.some(({ length }) => length !== this.weights.length)) return [];
    return this.weights.map((weights, h) => {
      const mean = (tensors: readonly Tensor[]) =>
        tensors.map((tensor, m) => tensor.scale(weights[m])).reduce((sum, part) => sum.add(part));
      const quantiles = told.flatMap((own) => own[h].quantiles ?? []);
      return {
        location: mean(told.map((own) => own[h].location)),
        ...(quantiles.length === told.length && { quantiles: mean(quantiles) }),
      };
    });
  }
}

/** The parameters of an ensemble out of its members' own. */
export function ensembleParameters(members: readonly ReadonlyMap<string, Float32Array>[]): Map<string, Float32Array> {
  return new Map(
    members.flatMap((parameters, m) =>
      [...parameters].map(([name, values]): [string, Float32Array] => [`members.${m}.${name}`, values]),
    ),
  );
}

/** What `ensembleParameters` has put together, apart again. */
export function memberParameters(parameters: ReadonlyMap<string, Float32Array>): Map<string, Float32Array>[] {
  const members: Map<string, Float32Array>[] = [];
  for (const [name, values] of parameters) {
    const [, member, own] = /^members\.(\d+)\.(.+)$/.exec(name)!;
    members[Number(member)] ??= new Map();
    members[Number(member)].set(own, values);
  }
  return members;
}

/** The same weight for every member, for each horizon. */
export function equalWeights(horizons: number, members: number): number[][] {
  return Array.from({ length: horizons }, () => new Array<number>(members).fill(1 / members));
}

function checkedWeights(list: readonly number[], h: number, members: number): number[] {
  if (!Array.isArray(list) || list.length !== members) {
    throw invalid(`weights[${h}]`, `a list of ${members} numbers, one a member`, list);
  }
  for (const [m, weight] of list.entries()) finite(`weights[${h}][${m}]`, weight, 0, 1);
  const sum = list.reduce((a, b) => a + b, 0);
  if (Math.abs(sum - 1) > 1e-6) throw invalid(`weights[${h}]`, 'weights that add up to 1', list);
  return [...list];
}
