import type { ProbeContext } from '../probe-context.ts';
import { readOptional, runWithTimeout } from '../probe-context.ts';

const ROOT = '/sys/class/drm';

/** A graphics card as the Linux kernel shows it. */
export interface DrmCard {
  /** `/sys/class/drm/card0/device`. */
  readonly folder: string;
  /** PCI vendor, `0x1002`. */
  readonly vendor: string;
  /** PCI device, `0x744c`. */
  readonly device: string;
  /** `03:00.0`, without the domain. */
  readonly bus: string | undefined;
  readonly driver: string | undefined;
}

/** Every PCI graphics card by /sys/class/drm; connectors (`card0-DP-1`) are not cards. */
export async function listDrmCards(context: ProbeContext): Promise<DrmCard[]> {
  if (context.options.platform !== 'linux') return [];
  const names = await runWithTimeout(context, () => context.probes.listDir(ROOT));
  if (names.status !== 'done') return [];
  const cards = names.value.filter((name) => /^card\d+$/.test(name)).toSorted(byNumber);
  return (await Promise.all(cards.map((name) => readCard(context, `${ROOT}/${name}/device`)))).flat();
}

async function readCard(context: ProbeContext, folder: string): Promise<DrmCard[]> {
  const [vendor, device, uevent] = await Promise.all(
    ['vendor', 'device', 'uevent'].map((name) => readOptional(context, `${folder}/${name}`)),
  );
  if (vendor === undefined) return [];
  return [
    {
      folder,
      vendor: vendor.trim().toLowerCase(),
      device: device?.trim().toLowerCase() ?? '',
      bus: /^PCI_SLOT_NAME=(?:[0-9a-f]{4,}:)?(\S+)$/m.exec(uevent ?? '')?.[1],
      driver: /^DRIVER=(\S+)$/m.exec(uevent ?? '')?.[1],
    },
  ];
}

function byNumber(a: string, b: string): number {
  return Number(a.slice(4)) - Number(b.slice(4));
}
