/**
 * Whom a catalog file comes from and whether it is the newest one: decided from the file, its signature beside it
 * (`<file>.sig`, OpenSSF model signing), the keys that are trusted and what was seen before. No network.
 */
import * as z from 'zod';
import { Digest, digestOf } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { type PublicKey, verifyManifest } from '../trust/index.ts';
import { Family } from './schema.ts';

/** A signed catalog that was accepted on this host. */
export const SeenCatalog = z.strictObject({
  /** SHA-256 of the public key, in hex. */
  key: z.string(),
  /** The family that the file is about. */
  id: z.string(),
  version: z.int().positive(),
  digest: Digest,
});
export type SeenCatalog = z.infer<typeof SeenCatalog>;

/** What was accepted before, per key and family the newest. */
export interface SeenCatalogs {
  read(): Promise<readonly SeenCatalog[]>;
  /** Keeps what is newer than what was kept. */
  keep(seen: readonly SeenCatalog[]): Promise<void>;
}

export interface CatalogTrust {
  /** Without any, no signature is asked for. */
  readonly keys: readonly PublicKey[];
  /** `--allow-unsigned`: files are taken as if there were no key. */
  readonly allowUnsigned: boolean;
  readonly seen: SeenCatalogs;
  readonly now: Date;
}

/** One file with what lies beside it. */
export interface Candidate {
  readonly path: string;
  readonly text: string;
  /** Text of `<path>.sig`; undefined where there is none. */
  readonly signature: string | undefined;
}

export function signaturePathOf(path: string): string {
  return `${path}.sig`;
}

/**
 * The key that a catalog file is signed with; undefined where none is asked for. Throws `untrusted`. Called before the
 * file's content is looked at.
 */
export async function checkSignature(
  { path, text, signature }: Candidate,
  { keys, allowUnsigned }: Pick<CatalogTrust, 'keys' | 'allowUnsigned'>,
): Promise<PublicKey | undefined> {
  if (keys.length === 0 || allowUnsigned) return undefined;
  if (signature === undefined) {
    throw new ProvisionError(
      'untrusted',
      `the catalog file ${path} is not signed: ${signaturePathOf(path)} does not exist`,
      {
        suggestions: [
          'Ask its author for the signature.',
          `Sign your own with: gemma-provision catalog sign ${path} --key KEY`,
          'Accept it anyway with --allow-unsigned.',
        ],
      },
    );
  }
  const against = { name: signaturePathOf(path), keys };
  const { key } = await verifyManifest(signature, against, async () => [{ name: '.', digest: digestOf(text) }]);
  return key;
}

/** Throws `stale-catalog` for a file that has expired. */
export function checkExpiry(path: string, document: unknown, now: Date): void {
  const { expires } = statusOf(document);
  if (expires === undefined || now.getTime() < Date.parse(expires)) return;
  throw stale(`the catalog file ${path} expired at ${expires}; the time is now ${now.toISOString()}`, [
    'Get the current file from its publisher.',
    'If the clock of this host is wrong, correct it.',
  ]);
}

/**
 * Holds a signed file against what was seen of the same key about the same family. Returns what is to be kept, if
 * anything is new. Throws `stale-catalog` for an older file, for one without a version after one that had one, and for
 * other content under a version that was seen.
 */
export function checkVersion(
  { path, text }: Pick<Candidate, 'path' | 'text'>,
  document: unknown,
  key: PublicKey,
  seen: readonly SeenCatalog[],
): SeenCatalog | undefined {
  const { id, version } = statusOf(document);
  if (id === undefined) return undefined;
  const before = seen.find((each) => each.key === key.hint && each.id === id);
  const digest = digestOf(text);
  if (before === undefined) return version === undefined ? undefined : { key: key.hint, id, version, digest };
  if (version === undefined || version < before.version) {
    const found = version === undefined ? 'has no version' : `is version ${version}`;
    throw stale(`the catalog file ${path} ${found}, but version ${before.version} of ${id} was accepted here before`, [
      'Get the current file from its publisher; this one may be an old file that is being replayed.',
    ]);
  }
  if (version > before.version) return { key: key.hint, id, version, digest };
  if (digest === before.digest) return undefined;
  throw stale(
    `the catalog file ${path} is version ${version} of ${id}, which was accepted here before with different content`,
    ['Ask its publisher to increase the version with every change.'],
  );
}

const Status = z
  .object({ id: Family.shape.id, version: Family.shape.version, expires: Family.shape.expires })
  .partial();

/** What of the three can be read; the rest of the file is checked elsewhere. */
export function statusOf(document: unknown): z.infer<typeof Status> {
  const { data } = Status.safeParse(document);
  return data ?? {};
}

function stale(message: string, suggestions: readonly string[]): ProvisionError {
  return new ProvisionError('stale-catalog', message, { suggestions });
}
