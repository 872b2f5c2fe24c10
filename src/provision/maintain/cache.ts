/** The `cache` commands. */
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { type Registry, readRecords } from '../../registry/index.ts';
import type { CacheContents, CachePruning, CacheVerification } from '../../sources/cache/schema.ts';
import type { AppContext } from '../context.ts';

export interface PruneFlags {
  readonly apply: boolean;
  readonly all: boolean;
  /** `30d`, `12h`, `45m`. */
  readonly olderThan?: string | undefined;
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

export async function listCache(app: AppContext): Promise<CacheContents> {
  const { cache } = await app.bytes();
  return cache.list();
}

export async function verifyCache(app: AppContext, remove: boolean): Promise<Work<CacheVerification>> {
  const { cache } = await app.bytes();
  return cache.verify({ remove }, app.options.signal);
}

/** Throws `bad-usage`; `bad-record` where removing could take away what an unreadable record needs. */
export async function pruneCache(app: AppContext, flags: PruneFlags): Promise<Work<CachePruning>> {
  const olderThanMs = flags.olderThan === undefined ? undefined : parseAge(flags.olderThan);
  const [{ cache }, registry] = await Promise.all([app.bytes(), app.registry()]);
  const { digests, broken } = await digestsInUse(registry);
  if (broken !== undefined && flags.apply && !flags.all) throw broken;
  const { apply, all } = flags;
  const options = { inUse: digests, apply, all, ...(olderThanMs !== undefined && { olderThanMs }) };
  return cache.prune(options, app.options.signal);
}

/** Digests that installed models, and the versions kept for a rollback, came from. `broken`: a record that cannot be read. */
export async function digestsInUse(
  registry: Registry,
): Promise<{ digests: ReadonlySet<Digest>; broken?: ProvisionError }> {
  const { records, broken } = await readRecords(registry);
  const all = records.flatMap((record) => [record, ...(record.previous === undefined ? [] : [record.previous])]);
  const digests = new Set(all.flatMap(({ source }) => (source.digest === undefined ? [] : [source.digest])));
  const [first] = broken;
  return { digests, ...(first && { broken: first.error }) };
}

function parseAge(text: string): number {
  const [, count, unit] = /^(\d{1,5})\s*([mhdw])$/i.exec(text.trim()) ?? [];
  const step = UNIT_MS[unit?.toLowerCase() ?? ''];
  if (count !== undefined && step !== undefined) return Number(count) * step;
  throw new ProvisionError('bad-usage', `${JSON.stringify(text)} is not an age.`, {
    suggestions: ['Write minutes, hours, days or weeks: 45m, 12h, 30d, 2w.'],
  });
}
