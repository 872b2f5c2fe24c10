/**
 * Protection against replay: whoever signs raises a version, and a host that accepted one takes no older one by the same
 * key under the same name. Decided from what is signed and what was accepted before.
 */
import * as z from 'zod';
import { Digest } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import type { PublicKey } from './contract.ts';

/** Something signed that was accepted on this host. */
export const SeenVersion = z.strictObject({
  /** SHA-256 of the public key, in hex. */
  key: z.string(),
  /** What it is a version of: a family of the catalog, a name of a model. */
  id: z.string(),
  version: z.int().positive(),
  digest: Digest,
});
export type SeenVersion = z.infer<typeof SeenVersion>;

/** What was accepted before, per key and id the newest. */
export interface SeenVersions {
  read(): Promise<readonly SeenVersion[]>;
  /** Keeps what is newer than what was kept. */
  keep(seen: readonly SeenVersion[]): Promise<void>;
}

/** Something with a version, signed or not. */
export interface Versioned {
  /** How messages begin: `the catalog file a.json`. */
  readonly subject: string;
  readonly id: string;
  readonly version: number | undefined;
  readonly digest: Digest;
}

/**
 * Compares something signed with what was accepted of the same key and id. Returns what is to be kept, if anything is new.
 * Throws `stale-catalog` for an older version, for one without a version after one that had one, and for other content
 * under a version that was accepted.
 */
export function checkVersion(
  { subject, id, version, digest }: Versioned,
  key: PublicKey,
  seen: readonly SeenVersion[],
): SeenVersion | undefined {
  const before = newestOf(id, [key], seen);
  const fresh = version === undefined ? undefined : { key: key.hint, id, version, digest };
  if (before === undefined) return fresh;
  if (version === undefined || version < before.version) throw older(subject, version, before);
  if (version > before.version) return fresh;
  if (digest === before.digest) return undefined;
  throw stale(`${subject} is version ${version} of ${id}, which was accepted here before with different content`, [
    'Ask its publisher to increase the version with every change.',
  ]);
}

/** For something unsigned that is excused: it may have no version, but an older one than any of the keys signed is refused. */
export function checkUnsignedVersion(
  { subject, id, version }: Versioned,
  keys: readonly PublicKey[],
  seen: readonly SeenVersion[],
): undefined {
  const before = newestOf(id, keys, seen);
  if (before !== undefined && version !== undefined && version < before.version) throw older(subject, version, before);
}

function newestOf(id: string, keys: readonly PublicKey[], seen: readonly SeenVersion[]): SeenVersion | undefined {
  return seen
    .filter((each) => each.id === id && keys.some(({ hint }) => hint === each.key))
    .reduce<SeenVersion | undefined>((a, b) => (a !== undefined && a.version >= b.version ? a : b), undefined);
}

function older(subject: string, version: number | undefined, before: SeenVersion): ProvisionError {
  const found = version === undefined ? 'has no version' : `is version ${version}`;
  return stale(`${subject} ${found}, but version ${before.version} of ${before.id} was accepted here before`, [
    'Get the current file from its publisher; this one may be an old file that is being replayed.',
  ]);
}

function stale(message: string, suggestions: readonly string[]): ProvisionError {
  return new ProvisionError('stale-catalog', message, { suggestions });
}
