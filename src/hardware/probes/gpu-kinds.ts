import type { ProbeContext } from '../probe-context.ts';
import type { Gpu } from '../schema.ts';

/** Marketing names and code names of graphics inside a CPU. */
const INTEGRATED = new RegExp(
  [
    String.raw`\bRadeon(\(TM\))? (\d{3}M|80[4-6]0S|Graphics)\b`,
    String.raw`\bVega \d{1,2} Graphics\b`,
    String.raw`\b(U?HD|Iris)\b.*\bGraphics\b`,
    String.raw`\bArc(\(TM\))? (Graphics|\d{3}[VT])\b`,
    String.raw`\b(Strix|Phoenix\d?|Hawk Point|HawkPoint\d?|Rembrandt|Cezanne|Renoir|Lucienne|Barcelo|Picasso|Raven)\b`,
    String.raw`\b(Raphael|Granite Ridge|Mendocino|Krackan|Van ?Gogh|Alder Lake|Raptor Lake|Meteor Lake|Tiger Lake)\b`,
  ].join('|'),
  'i',
);
/** Product lines of graphics cards with memory of their own. */
const DEDICATED =
  /\b(RX|WX|W[67]\d{3}|Pro (VII|Duo)|Instinct|FirePro|MI\d{2,3}X?|Arc|Battlemage|DG2|Navi [123]\d|GeForce|Quadro|RTX|Tesla)\b/i;
/** The one integrated AMD GPU (gfx1151) that Ollama 0.30 and later uses through ROCm by itself. */
const STRIX_HALO = /\b(80[4-6]0S|Strix Halo)\b/i;

/** Whether a GPU has memory of its own, by its name; undefined when the name does not say. */
export function kindByName(name: string): Gpu['memoryKind'] | undefined {
  if (INTEGRATED.test(name)) return 'unified';
  return DEDICATED.test(name) ? 'dedicated' : undefined;
}

/**
 * What computes on a GPU inside a CPU: nothing, unless it is one that Ollama takes by itself or
 * OLLAMA_IGPU_ENABLE=1 asks for it. Leaves a warning that says so.
 */
export function igpuBackend({ options, warnings }: ProbeContext, name: string): Gpu['backend'] {
  if (STRIX_HALO.test(name)) return 'rocm';
  if (options.env.OLLAMA_IGPU_ENABLE === '1') return 'vulkan';
  warnings.push(
    `${name} is integrated in the CPU: Ollama does not use such a GPU unless OLLAMA_IGPU_ENABLE=1 is set, so it is ignored.`,
  );
  return 'none';
}

/** What CUDA_VISIBLE_DEVICES and its kin leave of a list of GPUs. */
export interface VisibleDevices<T> {
  readonly devices: readonly T[];
  /** Entries that name no GPU; everything after the first of them is hidden, as CUDA does it. */
  readonly unknown: readonly string[];
}

export interface Identified {
  readonly ordinal: number;
  readonly uuid: string;
}

/**
 * The rules of CUDA: absent = all; empty or -1 = none; else a list of ordinals or starts of UUIDs, in that order,
 * cut at the first that names no GPU.
 */
export function visibleDevices<T extends Identified>(
  all: readonly T[],
  variable: string | undefined,
): VisibleDevices<T> {
  if (variable === undefined) return { devices: all, unknown: [] };
  const devices: T[] = [];
  for (const entry of variable.split(',').map((part) => part.trim())) {
    if (entry === '' || entry === '-1') break;
    const device = all.find(({ ordinal, uuid }) =>
      /^\d+$/.test(entry) ? ordinal === Number(entry) : uuid.toLowerCase().startsWith(entry.toLowerCase()),
    );
    if (device === undefined) return { devices, unknown: [entry] };
    if (!devices.includes(device)) devices.push(device);
  }
  return { devices, unknown: [] };
}

/** A GPU before the list is numbered, with where its facts came from. */
export interface FoundGpu {
  readonly gpu: Omit<Gpu, 'index'>;
  readonly source: string;
}

/** Gives unique numbers in the order found and writes down the sources as `gpus[0]`. */
export function numberGpus(found: readonly FoundGpu[], sources: Record<string, string>): Gpu[] {
  return found.map(({ gpu, source }, index) => {
    sources[`gpus[${index}]`] = source;
    return { index, ...gpu };
  });
}
