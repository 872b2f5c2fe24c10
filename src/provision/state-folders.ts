/** What is checked of this tool's own folders before anything in them is read or written. */

import { dirname, resolve } from 'node:path';
import { errnoOf, ProvisionError } from '../core/errors.ts';
import type { Disk } from '../disk/disk.ts';
import { tighten } from '../disk/folders.ts';
import { findForeign } from '../disk/foreign.ts';
import type { Paths } from './paths.ts';

/**
 * Takes the rights of other users on our folders away. Throws `bad-configuration` for a path that cannot be a folder, and
 * `file-access` as root where another user owns one of them or a folder above it: with a link that user leads what root
 * writes anywhere. `uid`: who runs this tool; undefined on Windows, which has no such numbers.
 */
export async function prepareStateFolders(paths: Paths, disk: Disk, uid: number | undefined): Promise<void> {
  for (const folder of [paths.data, paths.cache, paths.config]) {
    await requireFolder(folder, disk);
    if (uid === 0) await requireRoots(folder, disk);
  }
  for (const folder of [paths.data, paths.cache]) await tighten(disk, folder);
}

/** The nearest path above that exists must be a folder. */
async function requireFolder(path: string, disk: Disk): Promise<void> {
  for (let at = resolve(path); ; at = dirname(at)) {
    const found = await disk.stat(at, { bigint: true }).catch((cause: unknown) => errnoOf(cause) ?? 'unknown');
    if (typeof found === 'string') {
      // Below a file, or absent: the folder above tells. What cannot be read is reported where it is used.
      if (dirname(at) !== at && ['ENOENT', 'ENOTDIR'].includes(found)) continue;
      return;
    }
    if (found.isDirectory()) return;
    throw new ProvisionError('bad-configuration', `${path} cannot be a folder of this tool: ${at} is not a folder.`, {
      suggestions: ['Set GEMMA_PROVISION_HOME to a folder, or unset it.'],
    });
  }
}

async function requireRoots(folder: string, disk: Disk): Promise<void> {
  const foreign = await findForeign(folder, disk);
  if (foreign === undefined) return;
  const name = await userName(foreign.uid, disk);
  throw new ProvisionError(
    'file-access',
    `This command runs as root, but ${foreign.path} belongs to ${name}, who could redirect what is written in ${folder}.`,
    {
      suggestions: [
        `Run it as that user: sudo -u '${name}' -H gemma-provision …`,
        'Or use a folder of root: set GEMMA_PROVISION_HOME, for example to /var/lib/gemma-provision.',
      ],
    },
  );
}

/** `#1000`, as sudo understands it, for a user without a name. */
async function userName(uid: number, disk: Disk): Promise<string> {
  const text = await disk.readFile('/etc/passwd', 'utf8').catch(() => '');
  const fields = text.split('\n').map((line) => line.split(':'));
  return fields.find(([, , number]) => number === String(uid))?.[0] ?? `#${uid}`;
}
