import { formatBytes } from '../../core/units.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import { defineCheck } from '../contract.ts';
import { ok, warning } from '../findings.ts';
import type { Loaded } from '../replies.ts';
import type { DoctorView } from '../view.ts';
import { withServer } from '../with-server.ts';

/** An `expires_at` that lies further ahead than this means "never": Ollama writes a date centuries from now. */
const NEVER_MS = 365 * 86_400_000;

/** Models that are in memory now, and whether they leave room for another. */
export const loadedModels = defineCheck({
  id: 'loaded-models',
  title: 'Loaded models',
  run: (view) =>
    withServer(view, async () => {
      const models = await view.loaded();
      if (models.length === 0) return ok('No model is in memory.');
      const detail = `In memory: ${models.map(told).join('; ')}.`;
      const remedy = `Free the memory: ollama stop ${models.map(({ name }) => name).join(' ')}`;
      const staying = models.filter((model) => staysForGood(model, view.now()));
      if (staying.length > 0) {
        return warning(`${detail} ${staying.map(({ name }) => name).join(' and ')} never leaves by itself.`, remedy);
      }
      const short = await shortage(view);
      return short === undefined ? ok(detail) : warning(`${detail} ${short}`, remedy);
    }),
});

function told({ name, size, size_vram }: Loaded): string {
  if (size === undefined) return name;
  const onGpu = size_vram === undefined || size_vram === 0 ? '' : `, ${formatBytes(size_vram)} of it on GPUs`;
  return `${name} with ${formatBytes(size)}${onGpu}`;
}

function staysForGood({ expires_at }: Loaded, now: number): boolean {
  return Date.parse(expires_at ?? '') - now > NEVER_MS;
}

/** A sentence when what is free now does not hold the model's weights; undefined when it does, or nobody knows. */
async function shortage(view: DoctorView): Promise<string | undefined> {
  if (!view.local()) return undefined;
  const [profile, { label, smallest }] = await Promise.all([view.profile(), view.subject()]);
  const free = freeMemory(profile);
  if (free >= smallest.bytes) return undefined;
  return `${formatBytes(free)} of memory are left, ${label} needs ${formatBytes(smallest.bytes)} for its weights alone.`;
}

function freeMemory({ memory, gpus }: HostProfile): number {
  const dedicated = gpus.filter(({ memoryKind }) => memoryKind === 'dedicated');
  return dedicated.reduce((sum, { vramFree = 0 }) => sum + vramFree, memory.usable);
}
