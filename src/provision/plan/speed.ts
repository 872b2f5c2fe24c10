import { join } from 'node:path';
import { MeasuredRam, type RamBandwidth, ramBandwidth, ramMeasureOptions } from '../../hardware/bandwidth-ram.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import type { Registry } from '../../registry/index.ts';
import type { RuntimeIdentity } from '../../runtimes/contract.ts';
import type { Paths } from '../paths.ts';
import type { PlanningInputs } from './contract.ts';

/** A measurement beside other programs is tried again after this time: the host may be quiet by then. Milliseconds. */
const BUSY_AGAIN_MS = 10 * 60_000;

interface Places {
  readonly paths: Pick<Paths, 'cache'>;
  registry(): Promise<Registry>;
}

interface SpeedParts {
  readonly profile: HostProfile;
  /** The model would be in the RAM of this machine as it is: only then is anything measured. */
  readonly usesThisRam: boolean;
  /** The runtime that was asked; absent where the plan is for another machine. */
  readonly identity?: RuntimeIdentity;
  readonly app: Places;
}

/** What is known of speed on this host: how fast its RAM is, and how fast models were that ran here. */
export async function speedInputs({
  profile,
  usesThisRam,
  identity,
  app,
}: SpeedParts): Promise<Pick<PlanningInputs, 'ram' | 'measured'>> {
  const [ram, measured] = await Promise.all([
    usesThisRam ? ramOf(profile, join(app.paths.cache, 'ram-bandwidth.json')) : undefined,
    identity === undefined ? undefined : measuredIn(identity, app),
  ]);
  return { ...(ram !== undefined && { ram }), ...(measured !== undefined && { measured }) };
}

async function ramOf(profile: HostProfile, file: string): Promise<RamBandwidth> {
  const kept = await readKept(file);
  const again = kept === undefined || (kept.busy && Date.now() - Date.parse(kept.at) > BUSY_AGAIN_MS);
  if (!again) return ramBandwidth(profile, kept);
  const { measureRam } = await import('../../hardware/measure-ram.ts');
  const now = await measureRam(ramMeasureOptions(profile));
  // What was read beside other programs is a lower bound, so the larger value is the better one.
  const best =
    kept !== undefined && (now?.bytesPerSecond ?? 0) < kept.bytesPerSecond ? { ...kept, at: now?.at ?? kept.at } : now;
  if (best !== undefined) await keep(file, best);
  return ramBandwidth(profile, best);
}

/** A file that is absent or broken counts as no measurement. */
async function readKept(file: string): Promise<MeasuredRam | undefined> {
  const { realDisk } = await import('../../disk/disk.ts');
  try {
    return MeasuredRam.safeParse(JSON.parse((await realDisk.readText(file)) ?? 'null')).data;
  } catch {
    return undefined;
  }
}

/** A cache that cannot be written costs the next run another measurement, nothing more. */
async function keep(file: string, measured: MeasuredRam): Promise<void> {
  const { realDisk } = await import('../../disk/disk.ts');
  await realDisk.replaceText(file, JSON.stringify(measured)).catch(() => undefined);
}

/** The smoke test of an install measures the speed of the answer. */
async function measuredIn(
  { kind, endpoint }: RuntimeIdentity,
  app: Places,
): Promise<NonNullable<PlanningInputs['measured']>> {
  const { readRecords } = await import('../../registry/index.ts');
  const { records } = await readRecords(await app.registry());
  const here = records.filter(({ runtime }) => runtime.kind === kind && runtime.endpoint === endpoint);
  return (modelId, quant) => {
    const ran = here
      .filter((record) => record.model === modelId && record.quant === quant)
      .toSorted((a, b) => b.installedAt.localeCompare(a.installedAt))
      .find(({ smoke }) => smoke?.tokensPerSecond !== undefined);
    const rate = ran?.smoke?.tokensPerSecond;
    return ran === undefined || rate === undefined ? undefined : { tokensPerSecond: rate, at: ran.installedAt };
  };
}
