import type { ProbeContext } from '../probe-context.ts';
import type { Gpu, HostProfile } from '../schema.ts';
import { probeApple } from './apple.ts';
import { type Controller, listControllers, otherGpus } from './controllers.ts';
import { type DrmCard, listDrmCards } from './drm.ts';
import { numberGpus } from './gpu-kinds.ts';
import { type NvidiaFindings, probeNvidia } from './nvidia.ts';
import { AMD_PCI_VENDOR, INTEL_PCI_VENDOR, intelGpus, probeAmd } from './sysfs-gpus.ts';

/** Every GPU that could compute, by the best probe for each kind. */
export async function probeGpus(context: ProbeContext, memory: HostProfile['memory']): Promise<Gpu[]> {
  const [nvidia, cards, apple] = await Promise.all([
    probeNvidia(context, memory),
    listDrmCards(context),
    probeApple(context, memory),
  ]);
  const controllers = await controllersWhereNeeded(context, nvidia, cards);
  const amd = await probeAmd(context, cards, controllers, memory);
  const rest = otherGpus(context, controllers, { nvidia: nvidia.answered, cards: cards.filter(isReadBySysfs) });
  return numberGpus(
    [...nvidia.gpus, ...apple, ...amd, ...intelGpus(context, cards, controllers), ...rest],
    context.sources,
  );
}

function isReadBySysfs({ vendor }: DrmCard): boolean {
  return vendor === AMD_PCI_VENDOR || vendor === INTEL_PCI_VENDOR;
}

/**
 * systeminformation's graphics() is slow and itself runs nvidia-smi without any limit, in a way that blocks us: so
 * it is not asked when nvidia-smi hangs, nor when the other probes already know every card.
 */
async function controllersWhereNeeded(
  context: ProbeContext,
  nvidia: NvidiaFindings,
  cards: readonly DrmCard[],
): Promise<Controller[]> {
  const { platform, architecture } = context.options;
  if (nvidia.hung || (platform === 'darwin' && architecture === 'arm64')) return [];
  if (nvidia.answered && platform === 'linux' && !cards.some(isReadBySysfs)) return [];
  return listControllers(context);
}
