import { invalid } from './errors.js';

/** The 128 bits of a generator's state, so that a run can be stopped and taken up again. */
export type RandomState = readonly [number, number, number, number];

const MASK64 = (1n << 64n) - 1n;

/**
 * SplitMix64 (Steele, Lea & Flood 2014; Vigna's splitmix64.c): a sequence of 64-bit words from a seed. Used only to
 * spread a seed over the state of the generator below.
 */
export function splitMix64(seed: bigint): () => bigint {
  let x = BigInt.asUintN(64, seed);
  return () => {
    x = (x + 0x9e3779b97f4a7c15n) & MASK64;
    let z = x;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK64;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK64;
    return z ^ (z >> 31n);
  };
}

/**
 * Seeded random numbers: xoshiro128** 1.1 (Blackman & Vigna, «Scrambled Linear Pseudorandom Number Generators», ACM TOMS
 * 2021), seeded through SplitMix64. Integer operations only, so a seed gives the same sequence on every machine.
 * Period 2¹²⁸ − 1. Not for secrets.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #spareNormal: number | undefined;

  /**
   * @param seed an integer; its low 64 bits count.
   * @param stream separates sequences of one seed that must not resemble each other (an epoch, a worker, a purpose).
   */
  constructor(seed: number | bigint, stream: number | bigint = 0) {
    // Word i of stream s comes from SplitMix64 seeded by a mix of seed and stream: stream 0 is the plain seeding.
    let start = wholeNumber('seed', seed);
    const lane = wholeNumber('stream', stream);
    if (lane !== 0n) start = splitMix64(start ^ splitMix64(lane)())();
    const next = splitMix64(start);
    const first = next();
    const second = next();
    this.#a = Number(first & 0xffffffffn) | 0;
    this.#b = Number(first >> 32n) | 0;
    this.#c = Number(second & 0xffffffffn) | 0;
    this.#d = Number(second >> 32n) | 0;
  }

  /** A generator that goes on from `state`. */
  static fromState(state: RandomState): Random {
    const words = Array.from(state);
    if (words.length !== 4 || !words.every((w) => Number.isInteger(w) && w >= 0 && w <= 0xffffffff)) {
      throw invalid('state', 'four integers of 32 bits', state);
    }
    if (words.every((w) => w === 0)) throw invalid('state', 'a state that is not all zeros', state);
    const random = new Random(0);
    [random.#a, random.#b, random.#c, random.#d] = words.map((w) => w | 0);
    return random;
  }

  /** The state, for `fromState`. A spare normal deviate is not part of it: `normal()` starts a new pair after that. */
  get state(): RandomState {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#d >>> 0];
  }

  /** 32 random bits as an integer in [0, 2³²). */
  uint32(): number {
    const scrambled = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    return scrambled;
  }

  /** Uniform in [0, 1) with 53 random bits. */
  float(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  /** Uniform in {0, …, bound − 1}, unbiased (draws that would favour small numbers are thrown away). bound ≤ 2³². */
  below(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 0x100000000) {
      throw invalid('bound', 'an integer between 1 and 4294967296', bound);
    }
    const limit = 0x100000000 - (0x100000000 % bound);
    let draw = this.uint32();
    while (draw >= limit) draw = this.uint32();
    return draw % bound;
  }

  /** Standard normal, by Box and Muller's transform (1958); two deviates a pair of uniforms. */
  normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.float()));
    const angle = 2 * Math.PI * this.float();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Exponential with the given rate (mean 1/rate), by inversion. */
  exponential(rate = 1): number {
    return -Math.log(1 - this.float()) / rate;
  }

  /** Shuffles in place, every order equally likely: Fisher and Yates, as in Knuth's algorithm P (TAOCP 3.4.2). */
  shuffle<T extends { length: number; [index: number]: unknown }>(values: T): T {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const swapped = values[i];
      values[i] = values[j];
      values[j] = swapped;
    }
    return values;
  }
}

function rotateLeft(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}

function wholeNumber(name: string, value: number | bigint): bigint {
  if (typeof value === 'bigint') return BigInt.asUintN(64, value);
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw invalid(name, 'an integer', value);
  }
  return BigInt.asUintN(64, BigInt(value));
}
