/**
 * Whom a catalog file comes from and whether it is the newest one: decided from the file, its signature beside it
 * (`<file>.sig`, OpenSSF model signing), the keys that are trusted and what was seen before. No network.
 */
import { basename } from 'node:path';
import * as z from 'zod';
import { digestOf } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { matchFiles, type PublicKey, type SeenVersions, verifySignature } from '../trust/index.ts';
import { Family } from './schema.ts';

export interface CatalogTrust {
  /** Without any, no signature is asked for. */
  readonly keys: readonly PublicKey[];
  /** `--allow-unsigned`: a file without a signature is accepted, with a warning; a signature that does not hold never is. */
  readonly allowUnsigned: boolean;
  readonly seen: SeenVersions;
  readonly now: Date;
  readonly warn: (message: string) => void;
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
 * The key that a catalog file is signed with; undefined where none is asked for or its absence is excused. Throws
 * `untrusted`. Called before the file's content is looked at.
 */
export async function checkSignature(
  { path, text, signature }: Candidate,
  { keys, allowUnsigned, warn }: Pick<CatalogTrust, 'keys' | 'allowUnsigned' | 'warn'>,
): Promise<PublicKey | undefined> {
  if (keys.length === 0) return undefined;
  if (signature === undefined) {
    if (!allowUnsigned) throw unsigned(path);
    warn(`The catalog file ${path} is not signed; --allow-unsigned accepts it.`);
    return undefined;
  }
  const signed = verifySignature(signature, { name: signaturePathOf(path), keys });
  // The reference calls a file that is signed alone `.`, the specification calls it by its name.
  const name = signed.files[0]?.name === basename(path) ? basename(path) : '.';
  matchFiles(signed, [{ name, digest: digestOf(text) }], { name: path });
  return signed.key;
}

function unsigned(path: string): ProvisionError {
  const message = `the catalog file ${path} is not signed: ${signaturePathOf(path)} does not exist`;
  return new ProvisionError('untrusted', message, {
    suggestions: [
      'Ask its author for the signature.',
      `Sign your own with: gemma-provision catalog sign ${path} --key KEY`,
      'Accept it anyway with --allow-unsigned.',
    ],
  });
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

/** What of a catalog file has a version; undefined for a file that is about no family. */
export function versionedCatalog({ path, text }: Pick<Candidate, 'path' | 'text'>, document: unknown) {
  const { id, version } = statusOf(document);
  return id === undefined ? undefined : { subject: `the catalog file ${path}`, id, version, digest: digestOf(text) };
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
