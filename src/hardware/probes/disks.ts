import { posix, win32 } from 'node:path';
import { errnoOf, messageOf } from '../../core/errors.ts';
import type { DiskFolder } from '../port.ts';
import type { ProbeContext } from '../probe-context.ts';
import { failureText, runWithTimeout } from '../probe-context.ts';
import type { HostProfile } from '../schema.ts';

type Disk = HostProfile['disks'][number];

/** Free space where the folders are or will be: a folder that is not there yet counts as its nearest parent that is. */
export async function probeDisks(context: ProbeContext): Promise<Disk[]> {
  const disks = await Promise.all(context.options.folders.map((folder) => probeDisk(context, folder)));
  return disks.filter((disk) => disk !== undefined);
}

async function probeDisk(context: ProbeContext, { purpose, path }: DiskFolder): Promise<Disk | undefined> {
  const { dirname } = context.options.platform === 'win32' ? win32 : posix;
  for (let folder = path; ; folder = dirname(folder)) {
    const outcome = await runWithTimeout(context, () => spaceAt(context, folder));
    if (outcome.status === 'done') {
      context.sources[`disks.${purpose}`] =
        folder === path ? `statfs ${folder}` : `statfs ${folder}, the nearest folder that exists`;
      const { free, total } = outcome.value;
      return { purpose, path, free: Math.min(free, total), total };
    }
    const absent = outcome.status === 'failed' && ['ENOENT', 'ENOTDIR'].includes(errnoOf(outcome.error) ?? '');
    if (!absent || dirname(folder) === folder) {
      const why = outcome.status === 'failed' ? messageOf(outcome.error) : failureText(context, 'statfs', outcome);
      context.warnings.push(`The free space of the ${purpose} folder ${path} is not known: ${why}`);
      return undefined;
    }
  }
}

async function spaceAt(context: ProbeContext, folder: string): Promise<{ free: number; total: number }> {
  const { free, total } = await context.probes.statfs(folder);
  if (Number.isSafeInteger(free) && Number.isSafeInteger(total) && free >= 0 && total >= 0) return { free, total };
  throw new Error(`statfs ${folder} reports impossible values: ${free} free of ${total}`);
}
