import { ProvisionError } from '../core/errors.ts';
import { parseDocument } from '../core/parse.ts';
import { formatBytes, GIB, TIB } from '../core/units.ts';
import { Cpu, Disk, Gpu, HostProfile, Memory } from './schema.ts';

const KNOWN_FIELDS = [HostProfile, HostProfile.shape.os, Cpu, Memory, Gpu, Disk].flatMap((schema) =>
  Object.keys(schema.shape),
);
const SUGGESTIONS = ['Write a profile with `gemma-provision hardware --save FILE`.'];
/** More than any machine has: a larger number is a slip of units. */
const MOST_MEMORY = 64 * TIB;

/**
 * Reads a saved profile. `name` is the file as the user knows it. Throws `bad-profile` for text that is not JSON,
 * for wrong and unknown fields with their paths, and for numbers that no machine can have.
 */
export function parseProfile(text: string, name: string): HostProfile {
  const document = { name, code: 'bad-profile', suggestions: SUGGESTIONS } as const;
  const profile = parseDocument(HostProfile, text, document, [...new Set(KNOWN_FIELDS)]);
  const absurd = absurdities(profile);
  if (absurd.length === 0) return profile;
  throw new ProvisionError('bad-profile', `${name} is not valid:\n${absurd.map((line) => `  ${line}`).join('\n')}`, {
    suggestions: SUGGESTIONS,
  });
}

function absurdities({ memory, cpu, gpus, disks }: HostProfile): string[] {
  const found = [
    ...moreThan('memory.available', memory.available, 'memory.total', memory.total),
    ...moreThan('memory.usable', memory.usable, 'memory.available', memory.available),
    ...moreThan('memory.cgroupHeadroom', memory.cgroupHeadroom, 'memory.cgroupLimit', memory.cgroupLimit),
    ...moreThan('memory.usable', memory.usable, 'memory.cgroupHeadroom', memory.cgroupHeadroom),
    ...gpus.flatMap((gpu, index) => moreThan(`gpus[${index}].vramFree`, gpu.vramFree, 'vramTotal', gpu.vramTotal)),
    ...disks.flatMap((disk, index) => moreThan(`disks[${index}].free`, disk.free, 'total', disk.total)),
    ...moreThan('memory.total', memory.total, 'any machine has', MOST_MEMORY),
    ...gpus.flatMap((gpu, index) => moreThan(`gpus[${index}].vramTotal`, gpu.vramTotal, 'any GPU has', TIB)),
  ];
  if (memory.total < GIB / 16) found.push(`memory.total: ${memory.total} is too small; sizes are in bytes`);
  for (const [index, gpu] of gpus.entries()) {
    if (gpu.vramTotal !== undefined && gpu.vramTotal < GIB / 16) {
      found.push(`gpus[${index}].vramTotal: ${gpu.vramTotal} is too small; sizes are in bytes`);
    }
  }
  if (cpu.physicalCores > cpu.logicalCores) found.push('cpu.physicalCores: more than cpu.logicalCores');
  return found;
}

function moreThan(path: string, value: number | undefined, limitName: string, limit: number | undefined): string[] {
  if (value === undefined || limit === undefined || value <= limit) return [];
  return [`${path}: ${formatBytes(value)} is more than ${limitName} (${formatBytes(limit)})`];
}
