import { join } from 'node:path';
import { errnoOf } from '../../core/errors.ts';
import { formatDuration } from '../../core/units.ts';
import { LockHolder } from '../../registry/schema.ts';
import { defineCheck } from '../contract.ts';
import { type Finding, merged, ok, warning } from '../findings.ts';
import type { DoctorView } from '../view.ts';

/** A holder gives a sign of life every 2 s; after 10 s without one it is told as dead. The next run looks more closely. */
const STALE_MS = 10_000;

/** Runs that hold a lock now, and locks that a dead run left behind. */
export const locks = defineCheck({
  id: 'locks',
  title: 'Locks',
  async run(view) {
    const folder = join(view.paths.data, 'locks');
    const names = await view.files.list(folder).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    });
    const held = names.filter((name) => name.endsWith('.lock'));
    const findings = await Promise.all(held.map((name) => findingFor(view, folder, name)));
    const [first, ...rest] = findings.filter((finding) => finding !== undefined);
    return first === undefined ? ok('No other run is in the way.') : merged([first, ...rest]);
  },
});

async function findingFor(view: DoctorView, folder: string, name: string): Promise<Finding | undefined> {
  const path = join(folder, name);
  const facts = await view.files.stat(path).catch(() => undefined);
  if (facts === undefined) return undefined;
  const who = await holderOf(view, path);
  if (who === undefined) return undefined;
  const silent = view.now() - facts.modifiedMs;
  if (silent <= STALE_MS) {
    return warning(
      `${who} holds a lock now; an install waits up to 15 s for it and then ends with exit code 15.`,
      'Wait until that run has ended.',
    );
  }
  return warning(
    `${who} died ${formatDuration(silent)} ago with its lock in hand.`,
    `The next install takes it over by itself; if that fails, remove ${path}.`,
  );
}

/** Undefined for a lock that nobody holds. */
async function holderOf(view: DoctorView, path: string): Promise<string | undefined> {
  try {
    const text = await view.files.readText(path);
    if (text.startsWith('released')) return undefined;
    const { command, pid } = LockHolder.parse(JSON.parse(text));
    return `gemma-provision ${command} (process ${pid})`;
  } catch {
    return 'A run that left no name';
  }
}
