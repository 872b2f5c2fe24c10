import type { Policy, Tier, UseCase, UseCaseId } from '../../catalog/schema.ts';
import { GIB } from '../../core/units.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import type { Device } from '../memory/devices.ts';
import { totalRam } from '../memory/margins.ts';

/** What the card says for this host and use. */
export interface Advice {
  readonly tier?: Tier;
  readonly useCase?: UseCase;
}

/** Cards report less than their name: 8188 MiB for 8 GB, 15360 MiB for a T4's 16 GB, 23034 MiB for an L4's 24 GB. */
const NOMINAL_SHARE = 0.93;

/** True where a card or the catalog recommends anything for this host or use. */
export function hasAdvice({ tier, useCase }: Advice): boolean {
  return tier !== undefined || useCase !== undefined;
}

/** How strongly the card names a quant: 0 for this use case (or this tier when no use case was given), 1 for this tier only, 2 not at all. */
export function adviceRank(quant: string, { tier, useCase }: Advice): 0 | 1 | 2 {
  if (useCase?.quants.includes(quant)) return 0;
  if (!tier?.quants.includes(quant)) return 2;
  return useCase === undefined ? 0 : 1;
}

/** Position in the card's own order; larger for quants that it does not name. */
export function adviceOrder(quant: string, { tier, useCase }: Advice): number {
  const order = [...(useCase?.quants ?? []), ...(tier?.quants ?? [])];
  const position = order.indexOf(quant);
  return position === -1 ? order.length : position;
}

export function adviceFor(
  policy: Policy,
  profile: HostProfile,
  device: Device | undefined,
  useCase: UseCaseId | undefined,
): Advice {
  const tier = tierFor(policy, profile, device);
  const named = policy.useCases.find(({ id }) => id === useCase);
  return { ...(tier !== undefined && { tier }), ...(named !== undefined && { useCase: named }) };
}

/** The tier of the best GPU's memory; without a GPU `edge` where RAM is within its bound, else `cpu`. */
export function tierFor(policy: Policy, profile: HostProfile, device: Device | undefined): Tier | undefined {
  if (device !== undefined) return policy.tiers.find(({ when }) => when.device === 'gpu' && holds(when, device));
  const ram = totalRam(profile) / GIB;
  const edge = policy.tiers.find(({ when }) => when.device === 'edge' && ram <= when.maxRamGiB);
  return edge ?? policy.tiers.find(({ when }) => when.device === 'cpu');
}

function holds(
  when: { readonly minVramGiB: number; readonly maxVramGiB?: number | undefined },
  { totalBytes }: Device,
): boolean {
  const vram = totalBytes / GIB / NOMINAL_SHARE;
  return vram >= when.minVramGiB && (when.maxVramGiB === undefined || vram < when.maxVramGiB);
}
