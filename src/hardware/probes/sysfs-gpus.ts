import { GIB } from '../../core/units.ts';
import { type ProbeContext, readOptional } from '../probe-context.ts';
import type { HostProfile } from '../schema.ts';
import type { Controller } from './controllers.ts';
import type { DrmCard } from './drm.ts';
import { type FoundGpu, igpuBackend, kindByName, visibleDevices } from './gpu-kinds.ts';

export const AMD_PCI_VENDOR = '0x1002';
/** No APU is sold with a larger fixed share that does not also have a name we know (Strix Halo). */
const LARGEST_UNNAMED_CARVE_OUT = 4 * GIB;

/** AMD GPUs by sysfs: exact bytes, where systeminformation only has the size of a PCI window. */
export async function probeAmd(
  context: ProbeContext,
  cards: readonly DrmCard[],
  controllers: readonly Controller[],
  memory: HostProfile['memory'],
): Promise<FoundGpu[]> {
  const { env } = context.options;
  const amd = cards.filter(({ vendor }) => vendor === AMD_PCI_VENDOR);
  const numbered = amd.map((card, ordinal) => ({ card, ordinal, uuid: '' }));
  const variable = env.ROCR_VISIBLE_DEVICES ?? env.HIP_VISIBLE_DEVICES;
  const { devices } = visibleDevices(numbered, variable);
  if (devices.length < amd.length) {
    context.warnings.push(
      `ROCR_VISIBLE_DEVICES or HIP_VISIBLE_DEVICES hides ${amd.length - devices.length} of ${amd.length} AMD GPUs.`,
    );
  }
  return Promise.all(devices.map(({ card }) => readGpu(context, card, controllers, memory)));
}

async function readGpu(
  context: ProbeContext,
  card: DrmCard,
  controllers: readonly Controller[],
  memory: HostProfile['memory'],
): Promise<FoundGpu> {
  const product = await readOptional(context, `${card.folder}/product_name`);
  const [vramTotal, vramUsed, gttTotal, gttUsed] = await Promise.all(
    ['vram_total', 'vram_used', 'gtt_total', 'gtt_used'].map((name) =>
      readBytes(context, `${card.folder}/mem_info_${name}`),
    ),
  );
  const listed = controllers.find(({ bus }) => bus !== undefined && bus === card.bus);
  const name = product?.trim() || listed?.model || `AMD GPU (PCI device ${card.device})`;
  const source = `sysfs ${card.folder}`;
  const common = { vendor: 'amd', model: name, ...(card.driver !== undefined && { driver: card.driver }) } as const;
  if (vramTotal === undefined) {
    context.warnings.push(
      `${name} does not report its memory size (driver ${card.driver ?? 'unknown'}), so it is not used.`,
    );
    return { gpu: { ...common, memoryKind: kindByName(name) ?? 'dedicated', backend: 'none' }, source };
  }
  const free = Math.max(0, vramTotal - (vramUsed ?? 0));
  if (kindOf(name, vramTotal, gttTotal) === 'dedicated') {
    return { gpu: { ...common, memoryKind: 'dedicated', vramTotal, vramFree: free, backend: 'rocm' }, source };
  }
  const shared = gttTotal ?? 0;
  const sharedFree = Math.min(Math.max(0, shared - (gttUsed ?? 0)), memory.usable);
  return {
    gpu: {
      ...common,
      memoryKind: 'unified',
      vramTotal: vramTotal + shared,
      vramFree: free + sharedFree,
      backend: igpuBackend(context, name),
    },
    source: `${source}: fixed share and GTT; free: GTT up to memory.usable`,
  };
}

function kindOf(name: string, vramTotal: number, gttTotal: number | undefined): 'dedicated' | 'unified' {
  const known = kindByName(name);
  if (known !== undefined) return known;
  return vramTotal <= LARGEST_UNNAMED_CARVE_OUT && (gttTotal ?? 0) > vramTotal ? 'unified' : 'dedicated';
}

async function readBytes(context: ProbeContext, path: string): Promise<number | undefined> {
  const digits = (await readOptional(context, path))?.trim() ?? '';
  return /^\d+$/.test(digits) ? Number(digits) : undefined;
}

export const INTEL_PCI_VENDOR = '0x8086';

/** Intel GPUs on Linux. The kernel shows no size that could be trusted, so none of them is counted on. */
export function intelGpus(
  context: ProbeContext,
  cards: readonly DrmCard[],
  controllers: readonly Controller[],
): FoundGpu[] {
  return cards
    .filter(({ vendor }) => vendor === INTEL_PCI_VENDOR)
    .map((card) => {
      const listed = controllers.find(({ bus }) => bus !== undefined && bus === card.bus);
      const model = listed?.model ?? `Intel GPU (PCI device ${card.device})`;
      const memoryKind = kindByName(model) ?? 'unified';
      const driver = card.driver === undefined ? {} : { driver: card.driver };
      const source = `sysfs ${card.folder}`;
      if (memoryKind === 'unified') {
        return {
          gpu: { vendor: 'intel', model, memoryKind, ...driver, backend: igpuBackend(context, model) },
          source,
        };
      }
      context.warnings.push(`The memory size of ${model} is not known, so it is not used.`);
      return { gpu: { vendor: 'intel', model, memoryKind, ...driver, backend: 'none' }, source };
    });
}
