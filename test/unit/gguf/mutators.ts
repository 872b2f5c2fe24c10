/** Changes to byte strings, drawn by a random generator that a seed fixes. */
import { Buffer } from 'node:buffer';

/** A whole number from 0 to `below` - 1. */
export type Random = (below: number) => number;

/** Mulberry32: small, and good enough to choose bytes by. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Numbers at which sizes, counts and types turn from right to wrong. */
const NUMBERS: readonly bigint[] = [
  ...[
    0n,
    1n,
    2n,
    3n,
    4n,
    5n,
    7n,
    8n,
    9n,
    10n,
    12n,
    13n,
    31n,
    32n,
    63n,
    64n,
    255n,
    256n,
    1024n,
    1025n,
    65_535n,
    65_536n,
  ],
  ...[20n, 21n, 22n, 24n, 25n, 31n, 32n, 33n, 40n, 52n, 53n, 62n, 63n].flatMap((power) => [
    2n ** power - 1n,
    2n ** power,
    2n ** power + 1n,
  ]),
  2n ** 64n - 1n,
];

const WORDS = [
  'gemma3n',
  'gemma3',
  'llama',
  'general.architecture',
  'general.alignment',
  'general.type',
  'adapter',
  'split.count',
  'tokenizer.ggml.tokens',
  'blk.0.attn_q.weight',
  '__proto__',
  'block_count',
].map((word) => Buffer.from(word));

type Mutator = (bytes: Uint8Array, at: number, random: Random, other: Uint8Array) => Uint8Array;

const MUTATORS: readonly Mutator[] = [
  // One bit.
  (bytes, at, random) => write(bytes, at, [(bytes[at] ?? 0) ^ (1 << random(8))]),
  // One byte, up or down by little.
  (bytes, at, random) => write(bytes, at, [((bytes[at] ?? 0) + random(9) - 4) & 255]),
  (bytes, at, random) => write(bytes, at, [random(256)]),
  // A number that is just in or out of some bound.
  (bytes, at, random) => write(bytes, at, number(random, 4)),
  (bytes, at, random) => write(bytes, at, number(random, 8)),
  (bytes, at, random) => write(bytes, at, WORDS[random(WORDS.length)] ?? []),
  // Cut, doubled, taken from elsewhere, or filled.
  (bytes, at) => bytes.subarray(0, at),
  (bytes, at, random) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(64))]),
  (bytes, at, random) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - random(128)))]),
  (bytes, at, random, other) => {
    const from = random(other.length);
    return Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + random(256)), bytes.subarray(at)]);
  },
  (bytes, at, random, other) => Buffer.concat([bytes.subarray(0, at), other.subarray(random(other.length))]),
  (bytes, at, random) => write(bytes, at, new Uint8Array(random(32)).fill(random(2) * 255)),
];

/** A child of one of the parents, by one to three changes; what is spliced in comes from the donors. */
export function mutate(parents: readonly Uint8Array[], donors: readonly Uint8Array[], random: Random): Uint8Array {
  const pick = (from: readonly Uint8Array[]): Uint8Array => from[random(from.length)] ?? new Uint8Array(0);
  let child = pick(parents);
  for (let left = 1 + random(3); left > 0; left -= 1) {
    const mutator = MUTATORS[random(MUTATORS.length)];
    child = mutator?.(child, random(child.length + 1), random, pick(donors)) ?? child;
  }
  // Parents grow by being spliced; 32 KiB show all that there is to show.
  return child.subarray(0, 32_768);
}

/** A copy with `values` from `at` on, no longer than before. */
function write(bytes: Uint8Array, at: number, values: ArrayLike<number>): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let index = 0; index < values.length && at + index < copy.length; index += 1)
    copy[at + index] = values[index] ?? 0;
  return copy;
}

function number(random: Random, bytes: 4 | 8): Uint8Array {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(NUMBERS[random(NUMBERS.length)] ?? 0n);
  return buffer.subarray(0, bytes);
}
