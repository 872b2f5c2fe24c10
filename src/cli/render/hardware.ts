import { formatBytes } from '../../core/units.ts';
import type { Gpu, HostProfile } from '../../hardware/schema.ts';
import { pairs } from './table.ts';

/** The host profile as `label  value` lines, each with where the fact came from when asked. */
export function hardwareText(profile: HostProfile, withSources: boolean): string {
  const { os, cpu, memory } = profile;
  const lines: [string, string][] = [
    ['Host', profile.name],
    ['System', [`${os.distribution} ${os.release}`.trim(), ...surroundings(profile)].join(', ')],
    ['CPU', `${cpu.model}, ${cpu.physicalCores} cores (${cpu.logicalCores} threads), ${cpu.architecture}`],
    ['Vector', cpu.vectorFlags.join(' ') || 'none reported'],
    ['Memory', memoryText(memory)],
    ...gpuLines(profile.gpus),
    ...profile.disks.map((disk): [string, string] => [
      `Disk (${disk.purpose})`,
      `${formatBytes(disk.free)} free of ${formatBytes(disk.total)} at ${disk.path}`,
    ]),
  ];
  const parts = [pairs(lines)];
  if (withSources) parts.push(`\nSources\n${pairs(Object.entries(profile.sources))}`);
  for (const warning of profile.warnings) parts.push(`! ${warning}`);
  return parts.join('\n');
}

function surroundings({ os }: HostProfile): string[] {
  return [
    ...(os.wsl ? ['WSL'] : []),
    ...(os.container === undefined ? [] : [`in a container (${os.container})`]),
    ...(os.virtualMachine === undefined ? [] : [`in a virtual machine (${os.virtualMachine})`]),
  ];
}

function memoryText(memory: HostProfile['memory']): string {
  const text = `${formatBytes(memory.usable)} usable of ${formatBytes(memory.total)}`;
  return memory.cgroupLimit === undefined ? text : `${text}, cgroup limit ${formatBytes(memory.cgroupLimit)}`;
}

function gpuLines(gpus: readonly Gpu[]): [string, string][] {
  if (gpus.length === 0) return [['GPU', 'none found; models run on the CPU']];
  return gpus.map((gpu) => [`GPU ${gpu.index}`, gpuText(gpu)]);
}

function gpuText(gpu: Gpu): string {
  const shared = gpu.memoryKind === 'unified' ? ', shares RAM' : '';
  if (gpu.vramTotal === undefined) return `${gpu.model}, VRAM unknown${shared}`;
  const free = gpu.vramFree === undefined ? '' : `${formatBytes(gpu.vramFree)} free of `;
  return `${gpu.model}, ${free}${formatBytes(gpu.vramTotal)} VRAM${shared} (${gpu.backend})`;
}
