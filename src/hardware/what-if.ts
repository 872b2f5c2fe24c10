import { ProvisionError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import { formatBytes, parseBytes } from '../core/units.ts';
import type { Gpu, HostProfile } from './schema.ts';

/** Sizes to suppose instead of the real ones. Bytes. */
export interface WhatIf {
  readonly vram?: number;
  readonly ram?: number;
}

const KEYS = ['vram', 'ram'] as const;
type Key = (typeof KEYS)[number];
const EXAMPLE = 'Write sizes like --what-if vram=16GiB,ram=32GiB; vram=0 assumes no GPU.';

/** Reads `vram=16GiB,ram=32GiB`; either may be left out. Throws `bad-usage`. */
export function parseWhatIf(text: string): WhatIf {
  const sizes: { [key in Key]?: number } = {};
  for (const part of text.split(',')) {
    const [name = '', size = ''] = part.split(/=(.*)/s).map((side) => side.trim());
    const key = KEYS.find((known) => known === name.toLowerCase());
    if (key === undefined)
      throw wrong(`--what-if does not support ${JSON.stringify(name)}`, [...didYouMean(name, KEYS), EXAMPLE]);
    if (sizes[key] !== undefined) throw wrong(`--what-if sets ${key} twice`);
    const bytes = parseBytes(size);
    if (bytes === undefined) throw badSize(key, size, text, part);
    if (key === 'ram' && bytes === 0) throw wrong('--what-if: no machine has ram=0');
    sizes[key] = bytes;
  }
  return sizes;
}

/**
 * The profile with other sizes. As much is supposed to be in use as is in use now, of less RAM the same share, since a
 * smaller machine runs less; a cgroup limit stays. `vram` is
 * for the first GPU with memory of its own and takes the others away; without one, a dedicated GPU is supposed.
 */
export function applyWhatIf(profile: HostProfile, whatIf: WhatIf): HostProfile {
  const said = whatIf.ram === undefined ? profile : withRam(profile, whatIf.ram);
  return whatIf.vram === undefined ? said : withVram(said, whatIf.vram);
}

function withRam(profile: HostProfile, total: number): HostProfile {
  const { memory } = profile;
  const used = memory.total - memory.available;
  const available = Math.floor(total - used * Math.min(1, total / memory.total));
  const usable = memory.cgroupHeadroom === undefined ? available : Math.min(available, memory.cgroupHeadroom);
  return {
    ...profile,
    memory: { ...memory, total, available, usable },
    gpus: profile.gpus.map((gpu) =>
      gpu.memoryKind === 'unified' ? withSharedRam(gpu, memory.total, total, usable) : gpu,
    ),
    sources: {
      ...profile.sources,
      'memory.total': '--what-if',
      'memory.available':
        total < memory.total ? '--what-if, less the share that is in use now' : '--what-if, less what is in use now',
    },
    warnings: [
      ...profile.warnings,
      `Assumed by --what-if: ${formatBytes(total)} of RAM, of which ${formatBytes(usable)} are free.`,
    ],
  };
}

/** A GPU that shares RAM keeps its share of it. */
function withSharedRam(gpu: Gpu, before: number, after: number, usable: number): Gpu {
  if (gpu.vramTotal === undefined) return gpu;
  const vramTotal = Math.floor((gpu.vramTotal / before) * after);
  return { ...gpu, vramTotal, vramFree: Math.min(vramTotal, usable) };
}

function withVram(profile: HostProfile, total: number): HostProfile {
  const dedicated = profile.gpus.find(({ memoryKind }) => memoryKind === 'dedicated');
  const gpus = total === 0 ? [] : [{ ...resized(dedicated, total), index: 0 }];
  const sources = Object.entries(profile.sources).filter(([fact]) => !fact.startsWith('gpus['));
  return {
    ...profile,
    gpus,
    sources: { ...Object.fromEntries(sources), ...(total === 0 ? { gpus: '--what-if' } : { 'gpus[0]': '--what-if' }) },
    warnings: [...profile.warnings, `Assumed by --what-if: ${describe(dedicated, total)}.`],
  };
}

function resized(gpu: Gpu | undefined, vramTotal: number): Gpu {
  if (gpu === undefined) {
    const model = 'NVIDIA GPU (supposed)';
    return {
      index: 0,
      vendor: 'nvidia',
      model,
      memoryKind: 'dedicated',
      vramTotal,
      vramFree: vramTotal,
      backend: 'cuda',
    };
  }
  const used = (gpu.vramTotal ?? 0) - (gpu.vramFree ?? gpu.vramTotal ?? 0);
  const backend = gpu.backend === 'none' ? 'vulkan' : gpu.backend;
  return { ...gpu, vramTotal, vramFree: Math.max(0, vramTotal - used), backend };
}

function describe(dedicated: Gpu | undefined, total: number): string {
  if (total === 0) return 'no GPU';
  const size = formatBytes(total);
  return dedicated === undefined
    ? `an NVIDIA GPU with ${size} that this machine does not have`
    : `${dedicated.model} with ${size}`;
}

/** `vram=16` and `vram=16g` can only mean GiB: as bytes, no machine has so little. */
function badSize(key: Key, size: string, text: string, part: string): ProvisionError {
  const number = /^(\d+(?:\.\d+)?)\s*g?$/i.exec(size)?.[1];
  if (number === undefined) return wrong(`--what-if: ${JSON.stringify(size)} is not a valid size for ${key}`);
  return wrong(`--what-if: ${key}=${size} has no unit`, [
    `Did you mean --what-if ${text.replace(part, `${key}=${number}GiB`)}?`,
    'A GPU that is sold with 16 GB has 16 GiB; 16GB means 16 × 10^9 bytes, which is 14.9 GiB.',
  ]);
}

function wrong(message: string, suggestions: readonly string[] = [EXAMPLE]): ProvisionError {
  return new ProvisionError('bad-usage', message, { suggestions });
}
