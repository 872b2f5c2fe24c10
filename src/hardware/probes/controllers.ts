import * as z from 'zod';
import { MIB } from '../../core/units.ts';
import type { ProbeContext } from '../probe-context.ts';
import { attempt } from '../probe-context.ts';
import type { Gpu } from '../schema.ts';
import type { DrmCard } from './drm.ts';
import type { FoundGpu } from './gpu-kinds.ts';
import { igpuBackend, kindByName } from './gpu-kinds.ts';

const SystemController = z.object({
  vendor: z.string().nullish(),
  model: z.string().nullish(),
  busAddress: z.string().nullish(),
  /** MiB on every platform, whatever the documentation says. */
  vram: z.number().nonnegative().nullish().catch(undefined),
});
const SystemGraphics = z.object({ controllers: z.array(SystemController) });

/** A graphics controller in systeminformation's words. */
export interface Controller {
  readonly vendor: Gpu['vendor'];
  readonly model: string;
  readonly bus: string | undefined;
  readonly vramMiB: number | undefined;
}

/** Adapters of virtual machines, remote desktops and server boards: they draw, they do not compute. */
const DRAWING_ONLY =
  /virtual|svga|qxl|cirrus|basic (render|display)|aspeed|matrox|bochs|virtio|hyper-v|remote display|parsec|device 008e/i;

export async function listControllers(context: ProbeContext): Promise<Controller[]> {
  const found = await attempt(context, 'Asking systeminformation for the GPUs', async () =>
    SystemGraphics.parse(await context.probes.systemInformation.graphics()),
  );
  return (found?.controllers ?? []).flatMap((controller) => {
    const model = controller.model?.trim() ?? '';
    const words = `${controller.vendor ?? ''} ${model}`;
    if (words.trim() === '' || DRAWING_ONLY.test(words)) return [];
    const bus = controller.busAddress?.toLowerCase().replace(/^[0-9a-f]{4,}:(?=.*:)/, '');
    return [{ vendor: vendorOf(words), model: model || words.trim(), bus, vramMiB: controller.vram ?? undefined }];
  });
}

/**
 * GPUs that no better probe has seen: those of Windows, Intel ones, and others. Their free memory is not known, and
 * on Linux their size is not either: systeminformation only has the size of a PCI window there.
 */
export function otherGpus(
  context: ProbeContext,
  controllers: readonly Controller[],
  seen: { readonly nvidia: boolean; readonly cards: readonly DrmCard[] },
): FoundGpu[] {
  const { platform, architecture } = context.options;
  return controllers.flatMap((controller) => {
    const { vendor, bus } = controller;
    if (vendor === 'nvidia' && seen.nvidia) return [];
    if (vendor === 'apple' || (platform === 'darwin' && architecture === 'arm64')) return [];
    if (bus !== undefined && seen.cards.some((card) => card.bus === bus)) return [];
    return [{ gpu: gpuOf(context, controller), source: 'systeminformation graphics()' }];
  });
}

function gpuOf(context: ProbeContext, { vendor, model, vramMiB }: Controller): FoundGpu['gpu'] {
  const memoryKind = kindByName(model) ?? (vendor === 'intel' || vendor === 'other' ? 'unified' : 'dedicated');
  if (memoryKind === 'unified') return { vendor, model, memoryKind, backend: igpuBackend(context, model) };
  const sizeKnown = context.options.platform === 'win32' && vramMiB !== undefined && vramMiB > 0;
  context.warnings.push(
    sizeKnown
      ? `The free memory of ${model} is not known.`
      : `The memory size of ${model} is not known, so it is not used.`,
  );
  const vram = sizeKnown ? { vramTotal: Math.round(vramMiB * MIB) } : {};
  return { vendor, model, memoryKind, ...vram, backend: sizeKnown ? backendOf(vendor) : 'none' };
}

function backendOf(vendor: Gpu['vendor']): Gpu['backend'] {
  if (vendor === 'nvidia') return 'cuda';
  return vendor === 'amd' ? 'rocm' : 'vulkan';
}

function vendorOf(words: string): Gpu['vendor'] {
  if (/nvidia|geforce|quadro|tesla/i.test(words)) return 'nvidia';
  if (/\bamd\b|advanced micro|radeon|\bati\b/i.test(words)) return 'amd';
  if (/apple/i.test(words)) return 'apple';
  return /intel/i.test(words) ? 'intel' : 'other';
}
