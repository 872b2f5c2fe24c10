import { join } from 'node:path';
import { errnoOf, messageOf } from '../core/errors.ts';
import { formatBytes, MIB } from '../core/units.ts';
import { type Finding, ok, problem, warning } from './findings.ts';
import { freeAt, nearestFolder } from './space.ts';
import type { DoctorView } from './view.ts';

/** A record, a lock and a cache entry are a few KiB each. */
const NOTHING_FITS = MIB;
const NEARLY_FULL = 100 * MIB;

/** Can this user write to one of our folders, and to those below it that a run as another user may have left? */
export async function ownFolder(view: DoctorView, folder: string, below: readonly string[] = []): Promise<Finding> {
  const refused = await refusal(view, folder);
  if (refused !== undefined) return refused;
  for (const name of below) {
    const path = join(folder, name);
    const there = await view.files.stat(path).catch(() => undefined);
    const why = there === undefined ? undefined : await refusal(view, path);
    if (why !== undefined) return why;
  }
  const free = await freeAt(view, folder);
  const told = `${folder}, ${formatBytes(free)} free`;
  if (free < NOTHING_FITS) return problem(`The disk is full: ${told}.`, 'Free some space there.');
  if (free < NEARLY_FULL) return warning(`The disk is nearly full: ${told}.`, 'Free some space there.');
  return ok(`${told}.`);
}

async function refusal(view: DoctorView, folder: string): Promise<Finding | undefined> {
  try {
    const { path, exact } = await nearestFolder(view, folder);
    await (exact ? view.files.tryWrite(path) : view.files.mayWrite(path));
    return undefined;
  } catch (error) {
    return problem(`${folder} cannot be written: ${reasonOf(error)}.`, remedyFor(error, folder));
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this user is used up',
};

/** The system's reason in words. */
export function reasonOf(error: unknown): string {
  return REASONS[errnoOf(error) ?? ''] ?? messageOf(error);
}

function remedyFor(error: unknown, folder: string): string {
  const errno = errnoOf(error);
  if (errno === 'ENOSPC' || errno === 'EDQUOT')
    return 'Free some space there, or move our folders with GEMMA_PROVISION_HOME.';
  if (errno === 'EACCES' || errno === 'EPERM') {
    return `Give the folder to this user (a run with sudo may have made it): sudo chown -R "$USER" ${folder}`;
  }
  return 'Put our folders elsewhere with GEMMA_PROVISION_HOME.';
}
