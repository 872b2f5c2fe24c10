import type { Gpu, HostProfile } from '../../hardware/schema.ts';
import type { Engine } from '../schema.ts';
import { traitsOf } from './engines.ts';

/** A GPU that the engine would use, with the memory that counts. */
export interface Device {
  readonly gpu: Gpu;
  /** GPU and CPU draw from one pool. */
  readonly unified: boolean;
  /** What the device has; for unified memory what the system lets a GPU use. */
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Set when a number had to be assumed. */
  readonly caution?: string;
}

export interface DeviceChoice {
  readonly device?: Device;
  /** Why other GPUs are not used, one sentence each. */
  readonly ignored: readonly string[];
}

export interface UsableDevices {
  /** In the profile's order. */
  readonly devices: readonly Device[];
  /** Why the others are not used, one sentence each. */
  readonly ignored: readonly string[];
}

/** Share of RAM that macOS lets Metal use at least; newer systems and larger Macs allow up to 0.84. */
const METAL_SHARE = 0.67;

/** Every GPU that the engine uses. */
export function usableDevices(profile: HostProfile, engine: Engine): UsableDevices {
  const devices: Device[] = [];
  const ignored: string[] = [];
  for (const gpu of profile.gpus) {
    const found = deviceOf(gpu, profile, engine);
    if (typeof found === 'string') ignored.push(found);
    else devices.push(found);
  }
  return { devices, ignored };
}

/** The GPU with most free memory among those that the engine uses; the first of equals. */
export function bestDevice(profile: HostProfile, engine: Engine): DeviceChoice {
  const { devices, ignored } = usableDevices(profile, engine);
  let best: Device | undefined;
  for (const device of devices) if (best === undefined || device.freeBytes > best.freeBytes) best = device;
  return { ...(best !== undefined && { device: best }), ignored };
}

/** The device, or why it is none. */
function deviceOf(gpu: Gpu, profile: HostProfile, engine: Engine): Device | string {
  const traits = traitsOf(engine);
  if (gpu.backend === 'none') return `${gpu.model} is not used: no compute backend was found for it.`;
  if (traits.metalOnly && gpu.backend !== 'metal')
    return `${gpu.model} is not used: ${traits.title} runs on the CPU here.`;
  if (gpu.memoryKind === 'unified') return unifiedDevice(gpu, profile, engine);
  const totalBytes = gpu.vramTotal ?? gpu.vramFree;
  if (totalBytes === undefined) return `${gpu.model} is not used: the size of its memory could not be read.`;
  if (gpu.vramFree !== undefined) return { gpu, unified: false, totalBytes, freeBytes: gpu.vramFree };
  const caution = `the free memory of ${gpu.model} could not be read, so all of it is assumed to be free`;
  return { gpu, unified: false, totalBytes, freeBytes: totalBytes, caution };
}

function unifiedDevice(gpu: Gpu, profile: HostProfile, engine: Engine): Device | string {
  const traits = traitsOf(engine);
  if (gpu.vendor === 'apple') {
    const totalBytes = gpu.vramTotal ?? Math.round(profile.memory.total * METAL_SHARE);
    return { gpu, unified: true, totalBytes, freeBytes: Math.min(totalBytes, gpu.vramFree ?? totalBytes) };
  }
  if (gpu.backend !== 'cuda' && !traits.usesIntegratedGpu) {
    return `${gpu.model} is not used: ${traits.title} does not use integrated GPUs.`;
  }
  const totalBytes = gpu.vramTotal ?? profile.memory.total;
  return { gpu, unified: true, totalBytes, freeBytes: Math.min(totalBytes, profile.memory.usable) };
}
