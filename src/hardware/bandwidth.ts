import { GIB } from '../core/units.ts';
import type { GpuRow, GpuTable, GpuVendor } from './bandwidth-schema.ts';
import data from './data/gpus.json' with { type: 'json' };

/** What is published about a GPU. */
export interface GpuFacts {
  /** As the table names it; `Laptop` behind it where it is one. */
  readonly name: string;
  readonly vendor: GpuVendor;
  /** What its memory gives at best. */
  readonly bytesPerSecond: number;
  /** 10^12 operations a second: FP16 where `matrixUnits` (not counting these), else FP32. */
  readonly teraflops?: number;
  readonly matrixUnits: boolean;
  readonly source: string;
  /** Set where the name means several parts and the slowest was taken, or where the memory is not that of the part. */
  readonly note?: string;
}

interface Part {
  readonly row: GpuRow;
  readonly vendor: GpuVendor;
  readonly laptop: boolean;
  readonly words: readonly string[];
}

let parts: readonly Part[] | undefined;
/** A ranking asks for the few GPUs of its host again and again. */
const known = new Map<string, GpuFacts | undefined>();

/** The built-in table. It is part of this package, so a test validates it against the schema, not every run. */
export function gpuTable(): GpuTable {
  return data as GpuTable;
}

/**
 * Looks a GPU up by the name that its driver or the PCI list gives. `memoryBytes` distinguishes cards that share a name:
 * the memory of the card, for Apple chips that of the whole Mac. Laptop parts are parts of their own. Undefined for what
 * the table does not have; it never answers with a similar part.
 */
export function lookUpGpu(model: string, memoryBytes?: number): GpuFacts | undefined {
  const key = `${memoryBytes} ${model}`;
  if (!known.has(key)) known.set(key, find(model, memoryBytes));
  return known.get(key);
}

function find(model: string, memoryBytes: number | undefined): GpuFacts | undefined {
  const names = namesIn(model);
  const found = names.flatMap(partsNamed);
  const stated = names.find(({ memory }) => memory !== undefined)?.memory;
  const memory = memoryBytes === undefined ? stated : memoryBytes / GIB;
  const fitting =
    memory === undefined ? [] : found.filter(({ row }) => row.memory?.some((size) => isSize(memory, size)));
  const left = fitting.length > 0 ? fitting : found;
  const slowest = left.toSorted((a, b) => a.row.bandwidth - b.row.bandwidth)[0];
  const unsure = memory !== undefined && fitting.length === 0 && slowest?.row.memory !== undefined;
  return slowest && factsOf(slowest, left, unsure ? `${memory.toFixed(0)} GiB of memory is unusual for it` : undefined);
}

/** The parts whose name matches in most words; several where they differ in memory only. */
function partsNamed({ words, laptop }: GpuName): readonly Part[] {
  parts ??= gpuTable().groups.flatMap(({ vendor, laptop: inLaptop, gpus }) =>
    gpus.map((row) => ({ row, vendor, laptop: inLaptop, words: gpuName(row.name).words })),
  );
  const matching = parts.filter((part) => part.laptop === laptop && namesPart(words, part.words));
  const most = Math.max(...matching.map((part) => part.words.length));
  return matching.filter((part) => part.words.length === most);
}

/** Cards report less than their name: 8188 MiB for 8 GB, 23034 MiB for 24 GB. */
function isSize(gib: number, nominal: number): boolean {
  return gib > nominal * 0.92 && gib < nominal * 1.03;
}

function factsOf({ row, vendor, laptop }: Part, among: readonly Part[], doubt?: string): GpuFacts {
  const several = new Set(among.map((each) => each.row.bandwidth)).size > 1;
  const notes = [
    ...(several ? [`the slowest of ${among.length} parts with this name`] : []),
    ...(doubt ? [doubt] : []),
  ];
  return {
    name: laptop ? `${row.name} Laptop` : row.name,
    vendor,
    bytesPerSecond: row.bandwidth * 1e9,
    ...(row.tflops !== undefined && { teraflops: row.tflops }),
    matrixUnits: row.matrix === true,
    source: row.source,
    ...(notes.length > 0 && { note: notes.join('; ') }),
  };
}

/** What a driver's name of a GPU says, in words that can be compared. */
export interface GpuName {
  readonly words: readonly string[];
  readonly laptop: boolean;
  /** GiB, if the name contains it: `A100-SXM4-80GB`. */
  readonly memory?: number;
}

/** Words that do not distinguish one part from another. */
const NOISE = new Set(
  'nvidia geforce amd ati radeon intel corporation tesla instinct graphics gpu series generation edition workstation r tm with design pcie sxm sxm2 sxm4 sxm5 nvl hbm2 hbm2e hbm3 hbm3e'.split(
    ' ',
  ),
);

/** A word after a model's number that makes another part of it. */
const VARIANTS = new Set('ti super xt xtx gre d m s x max pro ultra ada sff server blackwell'.split(' '));

const LAPTOP = /\b(laptop|mobile|notebook|max-?q)\b/g;

export function gpuName(text: string): GpuName {
  const plain = text.toLowerCase().replace(/\(r\)|\(tm\)|[®™]/g, ' ');
  const memory = /\b(\d{1,3})\s?gb\b/.exec(plain)?.[1];
  // There is a Max-Q edition of a workstation card, which is as fast as the other.
  const laptop = plain.match(LAPTOP) !== null && !plain.includes('workstation');
  const words = plain
    .replace(/\b\d{1,3}\s?gb\b/g, ' ')
    .replace(LAPTOP, ' ')
    .replace(/\b(rtx|gtx|rx)(\d)/g, '$1 $2')
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '' && !NOISE.has(word));
  return { words, laptop, ...(memory !== undefined && { memory: Number(memory) }) };
}

/**
 * The parts that a name may mean. The PCI list names a chip by all parts made with it:
 * `Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M]`, `AD107M [GeForce RTX 4060 Max-Q / Mobile]`.
 */
export function namesIn(text: string): GpuName[] {
  const listed = /\[([^\]]+)\]/.exec(text)?.[1];
  if (listed === undefined) return [gpuName(text)];
  const { laptop } = gpuName(listed);
  const parts = listed.split('/').map(gpuName);
  const first = parts[0]?.words ?? [];
  const series = first.slice(
    0,
    first.findIndex((word) => /\d/.test(word)),
  );
  return parts
    .filter(({ words }) => words.some((word) => /\d/.test(word)))
    .map((part) => ({
      ...part,
      laptop,
      words: /\d/.test(part.words[0] ?? '') ? [...series, ...part.words] : part.words,
    }));
}

/** Whether `words` name the part `wanted` and not a variant of it: `rtx 4070` is not in `rtx 4070 ti`, `l4` not in `l40`. */
export function namesPart(words: readonly string[], wanted: readonly string[]): boolean {
  return words.some(
    (_, at) =>
      wanted.every((word, offset) => words[at + offset] === word) && !VARIANTS.has(words[at + wanted.length] ?? ''),
  );
}
