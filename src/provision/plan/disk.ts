/** Room on disk, known before the first byte moves: what each volume needs, and whether it has it. */
import { ProvisionError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import type { RuntimeFacts, TransferPlan, TransferWay } from '../../runtimes/contract.ts';
import type { DiskNeed } from '../install/schema.ts';
import type { PlanningInputs, SourceFile } from './contract.ts';

export type DiskInputs = Pick<
  PlanningInputs,
  'facts' | 'profile' | 'runtime' | 'planTransfer' | 'volumeOf' | 'toFetch'
>;

/** How the bytes get in, and the room that this takes. */
export interface TransferAndDisk {
  readonly transfer?: TransferPlan;
  readonly disk: readonly DiskNeed[];
}

/**
 * Chooses the way into the runtime and sums up what every volume needs. Where our cache lacks the room for a file on a web
 * server and the runtime's volume does not, the file goes straight from its source into the runtime. `wanted`: the only
 * way that may be taken.
 */
export async function planTransferAndDisk(
  file: SourceFile,
  wanted: TransferWay | undefined,
  inputs: DiskInputs,
): Promise<TransferAndDisk> {
  const planned = await planWay(file, wanted, inputs);
  if (wanted !== undefined || file.kind !== 'remote' || inputs.planTransfer === undefined) return planned;
  const short = planned.disk.find((need) => isShort(need));
  if (short === undefined) return planned;
  const streamed = await planWay(file, 'stream', inputs);
  if (streamed.transfer === undefined || streamed.disk.some((need) => isShort(need))) return planned;
  const why = `${streamed.transfer.why}: ${short.path} does not have enough space for a copy`;
  return { ...streamed, transfer: { ...streamed.transfer, why } };
}

async function planWay(file: SourceFile, way: TransferWay | undefined, inputs: DiskInputs): Promise<TransferAndDisk> {
  const transfer = await inputs.planTransfer?.(file, way);
  const passed = transfer?.way === 'stream' || transfer?.way === 'present';
  const fetch = passed ? undefined : await inputs.toFetch?.(file);
  const needs = [
    ...(fetch === undefined ? [] : [await seen(cacheNeed(fetch), inputs)]),
    await seen(storeNeed(file.sizeBytes, transfer, inputs), inputs),
  ];
  return { ...(transfer !== undefined && { transfer }), disk: perVolume(needs) };
}

function cacheNeed({ folder, bytes }: { folder: string; bytes: number }): DiskNeed {
  return { purpose: 'cache', path: folder, needBytes: bytes, why: 'the downloaded file, kept in the cache' };
}

export interface StoreInputs {
  readonly facts: Pick<RuntimeFacts, 'store' | 'diskFactor'>;
  readonly profile: Pick<HostProfile, 'disks'>;
  /** As messages name it. */
  readonly runtime: { readonly kind: string; readonly version: string; readonly endpoint: string };
}

/** What the runtime's folder must have free at the peak of the install. */
export function storeNeed(
  sizeBytes: number,
  transfer: TransferPlan | undefined,
  { facts, profile, runtime }: StoreInputs,
): DiskNeed {
  const { store, diskFactor } = facts;
  const needBytes = transfer?.peakBytes ?? Math.ceil(sizeBytes * diskFactor);
  const why = transfer === undefined ? whyFactor(diskFactor, runtime) : `${transfer.way}: ${transfer.why}`;
  if (store === undefined) return { purpose: 'models', path: `models folder of ${runtime.endpoint}`, needBytes, why };
  const { folder } = transfer ?? {};
  if (folder !== undefined && folder !== store.path) return { purpose: store.purpose, path: folder, needBytes, why };
  const disk = profile.disks.find(({ purpose }) => purpose === store.purpose);
  return { ...store, needBytes, why, ...(disk !== undefined && { freeBytes: disk.free }) };
}

function whyFactor(diskFactor: number, { kind, version }: StoreInputs['runtime']): string {
  // Below 1.5 it is one copy and its overhead.
  return diskFactor >= 1.5
    ? `${kind} ${version} rewrites the file on create: ${diskFactor} times its size at the peak`
    : 'one copy of the file';
}

interface SeenNeed {
  readonly need: DiskNeed;
  readonly device?: string;
}

/** A folder of the runtime on another host is not a path on this host. */
async function seen(need: DiskNeed, { facts, volumeOf }: Pick<DiskInputs, 'facts' | 'volumeOf'>): Promise<SeenNeed> {
  if (need.purpose === 'models' && facts.store === undefined) return { need };
  const volume = await volumeOf?.(need.path);
  if (volume === undefined) return { need };
  return { need: { ...need, freeBytes: volume.freeBytes }, device: volume.device };
}

/** Needs on one volume take each other's room: they become one. */
function perVolume(needs: readonly SeenNeed[]): DiskNeed[] {
  const sums: { need: DiskNeed; device: string | undefined }[] = [];
  for (const { need, device } of needs) {
    const same = device === undefined ? undefined : sums.find((sum) => sum.device === device);
    if (same === undefined) {
      sums.push({ need, device });
      continue;
    }
    const needBytes = same.need.needBytes + need.needBytes;
    const path = same.need.path === need.path ? need.path : `${same.need.path} and ${need.path}`;
    same.need = { ...need, path, needBytes, why: `${same.need.why}; ${need.why}` };
  }
  return sums.map(({ need }) => need);
}

/** What two files need together; one that no path can be named for counts by its words. */
export function addNeeds(needs: readonly DiskNeed[], more: readonly DiskNeed[]): DiskNeed[] {
  const sums = needs.map((need) => {
    const same = more.find(({ path, purpose }) => path === need.path && purpose === need.purpose);
    return same === undefined ? need : { ...need, needBytes: need.needBytes + same.needBytes };
  });
  return [
    ...sums,
    ...more.filter(({ path, purpose }) => !needs.some((need) => need.path === path && need.purpose === purpose)),
  ];
}

/** What the runtime's folder must have free, where no way into it was chosen: a pull from a library. */
export async function diskNeeds(
  sizeBytes: number,
  inputs: Pick<PlanningInputs, 'facts' | 'profile' | 'runtime' | 'volumeOf'>,
): Promise<DiskNeed[]> {
  const { need } = await seen(storeNeed(sizeBytes, undefined, inputs), inputs);
  return [need];
}

function isShort({ needBytes, freeBytes }: DiskNeed): boolean {
  return freeBytes !== undefined && freeBytes < needBytes;
}

/** One `disk-full` error for every volume that we can see and that is too small. */
export function diskObstacles(needs: readonly DiskNeed[]): ProvisionError[] {
  return needs.filter(isShort).map(({ path, needBytes, freeBytes = 0, why }) => {
    const message = `${path} has ${formatBytes(freeBytes)} free, but ${formatBytes(needBytes)} are needed (${why})`;
    return new ProvisionError('disk-full', message, {
      suggestions: ['Free some space there, or choose a smaller quant.'],
    });
  });
}
