import type { HostProfile } from '../hardware/schema.ts';
import { bestDevice, usableDevices } from './devices.ts';
import { gpuMargin, PROCESS_BYTES, ramBudget, totalRam, UNIFIED_RESERVE_BYTES } from './margins.ts';
import type { Engine, FitVerdict, FreeNeeded, Limits, MemoryEstimate } from './schema.ts';

/** What of the free RAM is left alone: for the system, and for the process that runs the model. */
function ramMargin(profile: HostProfile): number {
  return profile.memory.usable - ramBudget(profile) + PROCESS_BYTES;
}

/** Free memory that must be there for a candidate to run where its verdict says; for one that does not run, on the CPU. */
export function needsFree(
  memory: MemoryEstimate,
  verdict: FitVerdict,
  engine: Engine,
  profile: HostProfile,
): FreeNeeded {
  const { device } = bestDevice(profile, engine);
  const onCpu = { ramBytes: Math.ceil(memory.cpuBytes + ramMargin(profile)) };
  if (device === undefined || verdict === 'cpu' || verdict === 'no') return onCpu;
  const gpus = Math.max(1, memory.deviceBytes?.filter((bytes) => bytes > 0).length ?? 1);
  const gpuBytes = memory.gpuBytes + gpus * gpuMargin(engine, profile);
  return device.unified
    ? { gpuBytes, ramBytes: Math.ceil(memory.totalBytes + UNIFIED_RESERVE_BYTES) }
    : { gpuBytes, ...onCpu };
}

/** The memory of this host as a candidate meets it. */
export function limitsOf(profile: HostProfile, engine: Engine): Limits {
  const { devices } = usableDevices(profile, engine);
  const shared = devices.some(({ unified }) => unified);
  return {
    gpus: devices.map(({ gpu, unified, totalBytes, freeBytes }) => ({
      name: gpu.model,
      unified,
      totalBytes,
      freeBytes,
      marginBytes: gpuMargin(engine, profile),
    })),
    ram: {
      totalBytes: totalRam(profile),
      freeBytes: profile.memory.usable,
      marginBytes: Math.ceil(shared ? UNIFIED_RESERVE_BYTES : ramMargin(profile)),
    },
  };
}
