import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { ProvisionError } from '../../core/errors.ts';
import { type Disk, SHARE_BYTES } from '../../disk/disk.ts';
import type { StorableFile, TransferPlan, TransferWay } from '../contract.ts';
import { isElsewhere } from '../storable.ts';
import { blobPath, INCOMPLETE, isLinkable, sizeOf } from './blob.ts';

/** Manifests, and what the file system adds. */
const OVERHEAD = 1.02;

export interface PlanBlob {
  readonly disk: Disk;
  readonly folder: string;
  readonly file: StorableFile;
  readonly way?: TransferWay;
}

/** How `putBlob` would get a file in. A file that is still to be fetched counts as lying where its path says. */
export async function planBlob({ disk, folder, file, way: wanted }: PlanBlob): Promise<TransferPlan> {
  const peakBytes = Math.ceil(file.sizeBytes * OVERHEAD);
  if (file.digest !== undefined && (await sizeOf(disk, blobPath(folder, file.digest))) === file.sizeBytes)
    return { way: 'present', why: 'the embedded runtime has these bytes', peakBytes: 0 };
  const ways: TransferPlan[] = [];
  if (isElsewhere(file)) {
    ways.push({ way: 'stream', why: 'the bytes are streamed from their source into the data folder', peakBytes });
  } else {
    const sameVolume = (await deviceOf(disk, file.path)) === (await deviceOf(disk, folder));
    const shares = sameVolume && (await sharesBytes(disk, folder));
    if (sameVolume && (isLinkable(file) || wanted === 'hard-link'))
      ways.push({ way: 'hard-link', why: 'the data folder accepts a hard link: nothing is copied', peakBytes: 0 });
    if (shares) ways.push({ way: 'reflink', why: 'the file system clones the file: nothing is copied', peakBytes: 0 });
    ways.push({ way: 'copy', why: 'one copy in the data folder', peakBytes });
  }
  const plan = ways.find(({ way }) => wanted === undefined || way === wanted);
  if (plan !== undefined) return plan;
  const possible = ways.map(({ way }) => way).join(', ');
  throw new ProvisionError('bad-usage', `The embedded runtime cannot store this file by ${wanted}.`, {
    suggestions: [`Leave the method open, or choose one of: ${possible}.`],
  });
}

/** The volume of a file or folder, or of the nearest folder above one that is not there yet. */
async function deviceOf(disk: Disk, path: string): Promise<bigint | undefined> {
  for (let at = path, above = dirname(at); ; at = above, above = dirname(at)) {
    const facts = await disk.stat(at, { bigint: true }).catch(() => undefined);
    if (facts !== undefined) return facts.dev;
    if (above === at) return undefined;
  }
}

/** Tried with a file of a few bytes, where the folder exists; otherwise the answer is not known, and counts as no. */
async function sharesBytes(disk: Disk, folder: string): Promise<boolean> {
  const [one, other] = [0, 1].map(() => join(folder, `${INCOMPLETE}${randomUUID()}`));
  if (one === undefined || other === undefined) return false;
  try {
    const handle = await disk.open(one, 'wx');
    await handle.write(Buffer.from(one), 0, 1).finally(() => handle.close());
    await disk.copyFile(one, other, SHARE_BYTES);
    return true;
  } catch {
    return false;
  } finally {
    for (const path of [one, other]) await disk.rm(path, { force: true }).catch(() => undefined);
  }
}
