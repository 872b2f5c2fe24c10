/** What a driver's name of a GPU says, in words that can be compared. */
export interface GpuName {
  readonly words: readonly string[];
  readonly laptop: boolean;
  /** GiB, where the name tells it: `A100-SXM4-80GB`. */
  readonly memory?: number;
}

/** Words that do not tell one part from another. */
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
