import { FlashbookError } from '../core/errors.js';
import { type Init, Parameter, type ParameterInfo } from './parameter.js';

/**
 * A part of a model: parameters, submodules, and a `forward` that adds operations to the graph of its operands. A module holds
 * no data and no graph: it may be traced any number of times, with any shapes.
 *
 *   class FeedForward extends Module {
 *     readonly expand = this.child('expand', new Linear(128, 1024));
 *     forward(x: Tensor) { return this.expand.forward(x).gelu(); }
 *   }
 */
export abstract class Module {
  #parent: Module | undefined;
  #localName = '';
  readonly #children = new Map<string, Module>();
  readonly #parameters = new Map<string, Parameter>();

  /** Place in the model: encoder.0.attention; '' for the model itself. */
  get path(): string {
    const above = this.#parent?.path ?? '';
    return above === '' ? this.#localName : `${above}.${this.#localName}`;
  }

  /** All parameters and buffers, submodules' included, in order of declaration. */
  parameters(): ParameterInfo[] {
    const own = [...this.#parameters.values()].map(({ name, shape, init, decay, trainable }) => {
      return { name, shape, init, decay, trainable };
    });
    return [...own, ...[...this.#children.values()].flatMap((child) => child.parameters())];
  }

  /** Number of learnt numbers. */
  parameterCount(): number {
    return this.parameters()
      .filter(({ trainable }) => trainable)
      .reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  }

  /** Declares a submodule. */
  protected child<M extends Module>(name: string, module: M): M {
    this.#checkName(name);
    if (module.#parent !== undefined) {
      throw new FlashbookError('OPTION', `module '${name}' is already a part of '${module.path}'`, { name });
    }
    module.#parent = this;
    module.#localName = name;
    this.#children.set(name, module);
    return module;
  }

  /** Declares numbered submodules: name.0, name.1 … */
  protected children<M extends Module>(name: string, modules: readonly M[]): readonly M[] {
    for (const [i, module] of modules.entries()) this.child(`${name}.${i}`, module);
    return modules;
  }

  /** Declares a parameter. */
  protected parameter(name: string, shape: readonly number[], init: Init, { decay = false } = {}): Parameter {
    this.#checkName(name);
    const parameter = new Parameter(this, name, shape, init, decay);
    this.#parameters.set(name, parameter);
    return parameter;
  }

  /** Declares a buffer: kept, saved and loaded as a parameter, but not learnt. */
  protected buffer(name: string, shape: readonly number[], init: Init): Parameter {
    this.#checkName(name);
    const buffer = new Parameter(this, name, shape, init, false, false);
    this.#parameters.set(name, buffer);
    return buffer;
  }

  #checkName(name: string): void {
    if (this.#children.has(name) || this.#parameters.has(name)) {
      throw new FlashbookError('OPTION', `module '${this.path}' already has a part '${name}'`, { name });
    }
  }
}
