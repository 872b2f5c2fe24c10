import { realDisk } from '../../disk/disk.ts';
import { residentBelow } from '../../hardware/resident.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import type { Runtime } from '../../runtimes/contract.ts';
import { runtimeOf } from '../../runtimes/registry.ts';
import type { MemoryUse } from './effects.ts';

interface Watched {
  readonly runtime: Pick<Runtime, 'kind' | 'endpoint'>;
  /** The runtime runs on this machine. */
  readonly here: boolean;
  /** This host before anything was loaded. */
  readonly profile: HostProfile;
  /** Looks at the host again. */
  readonly look: () => Promise<HostProfile>;
}

/**
 * What the processes that run models hold: of RAM from /proc, of VRAM from the GPUs. It only observes, so
 * nothing but an abort is thrown.
 */
export async function memoryUse(watched: Watched, signal: AbortSignal): Promise<MemoryUse> {
  try {
    return watched.here ? await seen(watched, signal) : {};
  } catch {
    signal.throwIfAborted();
    return {};
  }
}

async function seen({ runtime, profile, look }: Watched, signal: AbortSignal): Promise<MemoryUse> {
  const pid = await runtimeOf(runtime.kind).processId(runtime.endpoint, signal);
  const residentBytes = pid === undefined ? undefined : await residentBelow(realDisk, pid);
  const vramBytes = vramUsed(profile) === undefined ? undefined : vramUsed(await look());
  return { ...(residentBytes !== undefined && { residentBytes }), ...(vramBytes !== undefined && { vramBytes }) };
}

/** Undefined where no GPU has memory of its own that can be read. */
function vramUsed({ gpus }: HostProfile): number | undefined {
  const sizes = gpus.flatMap(({ memoryKind, vramTotal, vramFree }) =>
    memoryKind !== 'unified' && vramTotal !== undefined && vramFree !== undefined ? [vramTotal - vramFree] : [],
  );
  return sizes.length === 0 ? undefined : sizes.reduce((sum, used) => sum + used, 0);
}
