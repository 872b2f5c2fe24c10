import { GIB, MIB } from '../../core/units.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import type { Engine } from '../schema.ts';

/** What a process needs in RAM besides weights and buffers: program, tokenizer, allocator slack. */
export const PROCESS_BYTES = GIB / 2;

/** The same for one pool that GPU and CPU share; the display and the window server live in it too. */
export const UNIFIED_RESERVE_BYTES = 1.5 * GIB;

/** Free VRAM that WDDM does not really give (Windows keeps some for the desktop). A guess to be safe, not measured. */
const WINDOWS_VRAM_BYTES = 300 * MIB;

/**
 * Free VRAM that an engine leaves alone on a device.
 * - `ollama-a1`, `ollama-a2`: 457 MiB, 512 MiB with Metal (`MinimumMemory`, Ollama v0.20.0 `discover/`).
 * - `ollama-b`, `llama.cpp`, `embedded`: 1024 MiB (llama.cpp `--fit-target`, its default).
 */
export function gpuMargin(engine: Engine, profile: HostProfile): number {
  const windows = profile.os.platform === 'win32' ? WINDOWS_VRAM_BYTES : 0;
  if (engine !== 'ollama-a1' && engine !== 'ollama-a2') return 1024 * MIB + windows;
  return (profile.os.platform === 'darwin' ? 512 : 457) * MIB + windows;
}

/** RAM of the machine, or of the container if that is less. */
export function totalRam({ memory }: HostProfile): number {
  return Math.min(memory.total, memory.cgroupLimit ?? memory.total);
}

/**
 * RAM that a model may take: what is available less 1 GiB, or 10 % of all RAM if that is more. Ollama 0.30 and later no
 * longer checks this itself; a model that is too large is killed or makes the machine swap.
 */
export function ramBudget(profile: HostProfile): number {
  return profile.memory.usable - Math.max(GIB, Math.round(totalRam(profile) / 10));
}
