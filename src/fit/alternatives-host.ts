import type { Gpu, HostProfile } from '../hardware/schema.ts';
import type { LoadedModel } from './choice-request.ts';
import { totalRam } from './margins.ts';

/** The host with more of one GPU's memory free, never more than it has. */
export function withFreeVram(profile: HostProfile, gpu: Gpu, bytes: number): HostProfile {
  const gpus = profile.gpus.map((one) => {
    if (one !== gpu || one.vramFree === undefined) return one;
    return { ...one, vramFree: Math.min(one.vramFree + bytes, one.vramTotal ?? one.vramFree + bytes) };
  });
  return { ...profile, gpus };
}

/** The host with more RAM free, never more than it has. */
export function withFreeRam(profile: HostProfile, bytes: number): HostProfile {
  const { memory } = profile;
  const available = Math.min(memory.available + bytes, memory.total);
  const usable = Math.min(memory.usable + bytes, totalRam(profile));
  return { ...profile, memory: { ...memory, available, usable } };
}

/** The host without the models that are loaded; what they take of a GPU is given back to the first that has room for it. */
export function withoutLoaded(profile: HostProfile, loaded: readonly LoadedModel[]): HostProfile {
  const ram = sum(loaded.map(({ ramBytes }) => ramBytes));
  const vram = sum(loaded.map(({ gpuBytes }) => gpuBytes));
  const gpu = profile.gpus.find(
    ({ memoryKind, vramTotal, vramFree }) => memoryKind === 'dedicated' && (vramTotal ?? 0) - (vramFree ?? 0) >= vram,
  );
  if (gpu !== undefined) return withFreeVram(withFreeRam(profile, ram), gpu, vram);
  const shared = profile.gpus.some(({ memoryKind }) => memoryKind === 'unified');
  return withFreeRam(profile, shared ? ram + vram : ram);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
