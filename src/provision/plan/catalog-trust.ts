/** Signatures of catalog files, with the real files of this host. */

import { basename, join } from 'node:path';
import * as z from 'zod';
import {
  type CatalogTrust,
  checkExpiry,
  checkSignature,
  signaturePathOf,
  statusOf,
  versionedCatalog,
} from '../../catalog/trust.ts';
import { digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { realDisk } from '../../disk/disk.ts';
import { type Locker, withLock } from '../../disk/lock.ts';
import { jsonKind, requireOutput } from '../../disk/output-file.ts';
import { checkVersion, type SeenVersions, signManifest } from '../../trust/index.ts';
import { type SeenKind, seenVersions } from '../../trust/seen-store.ts';
import type { Paths } from '../paths.ts';
import { openPrivateKey, openPublicKeys } from './keys.ts';

/** `key`: SHA-256 of the public key's PEM text, in hex. */
export const CatalogSignData = z.strictObject({
  file: z.string(),
  signature: z.string(),
  key: z.string(),
  /** What the file says of itself. */
  version: z.int().positive().optional(),
  expires: z.string().optional(),
});
export type CatalogSignData = z.infer<typeof CatalogSignData>;

/** `keyFile`: the one of the trusted keys that the signature holds by. */
export const CatalogVerifyData = CatalogSignData.extend({ keyFile: z.string() });
export type CatalogVerifyData = z.infer<typeof CatalogVerifyData>;

export interface TrustContext {
  readonly paths: Paths;
  readonly signal: AbortSignal;
  locker(): Promise<Locker>;
  /** Tells the user something, beside the answer. */
  warn(message: string): void;
}

export interface TrustOptions {
  /** Paths of public keys. */
  readonly keys: readonly string[];
  readonly allowUnsigned: boolean;
}

/** What catalog files must prove in this run. */
export async function catalogTrust({ keys, allowUnsigned }: TrustOptions, app: TrustContext): Promise<CatalogTrust> {
  return {
    keys: await openPublicKeys(keys),
    allowUnsigned,
    seen: seenHere(app, 'catalogs'),
    now: new Date(),
    warn: app.warn,
  };
}

export interface SignOptions {
  /** Path of the private key. */
  readonly keyFile: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Replaces a file at the signature's place that is not a signature. */
  readonly force: boolean;
}

const SIGNATURE = jsonKind('a signature', 'family.json.sig', ['mediaType', 'verificationMaterial']);

/** The signature goes beside the file. */
export async function signCatalog(file: string, { keyFile, env, force }: SignOptions): Promise<CatalogSignData> {
  const signature = signaturePathOf(file);
  const path = await requireOutput(realDisk, { typed: signature, kind: SIGNATURE, force });
  const text = await realDisk.readFile(file, 'utf8');
  const key = await openPrivateKey({ env }, keyFile);
  const files = [{ name: '.', digest: digestOf(text) }];
  await realDisk.replaceOutput(path, signManifest({ subject: basename(file), files }, key));
  return { file, signature, key: key.hint, ...publishedStatus(text) };
}

/** Checks a catalog file as loading it would, and remembers nothing. Throws `untrusted` and `stale-catalog`. */
export async function verifyCatalog(
  file: string,
  keyFiles: readonly string[],
  app: TrustContext,
): Promise<CatalogVerifyData> {
  if (keyFiles.length === 0) {
    throw new ProvisionError('bad-usage', 'no key was given to verify the signature', {
      suggestions: ['Use --key FILE to specify the public key of the publisher.'],
    });
  }
  const keys = await openPublicKeys(keyFiles);
  const text = await realDisk.readFile(file, 'utf8');
  const signature = await realDisk.readText(signaturePathOf(file));
  const key = await checkSignature({ path: file, text, signature }, { keys, allowUnsigned: false, warn: app.warn });
  if (key === undefined) throw new TypeError('a signature is checked where there are keys');
  const document = documentOf(text);
  checkExpiry(file, document, new Date());
  const versioned = versionedCatalog({ path: file, text }, document);
  if (versioned !== undefined) checkVersion(versioned, key, await seenHere(app, 'catalogs').read());
  return { file, signature: signaturePathOf(file), key: key.hint, keyFile: key.name, ...publishedStatus(text) };
}

function publishedStatus(text: string): Pick<CatalogSignData, 'version' | 'expires'> {
  const { id: _id, ...status } = statusOf(documentOf(text));
  return status;
}

/** The file was checked before; editors on Windows like to write a byte order mark, which JSON does not allow. */
function documentOf(text: string): unknown {
  return JSON.parse(text.replace(/^\uFEFF/, ''));
}

/** What of a kind was accepted on this host. */
export function seenHere({ paths, signal, locker }: TrustContext, kind: SeenKind): SeenVersions {
  const files = {
    readText: realDisk.readText,
    replaceText: realDisk.replaceText,
    locked: async <Result>(task: () => Promise<Result>) => withLock(await locker(), 'trust', signal, task),
  };
  return seenVersions(files, join(paths.data, 'trust.json'), kind);
}
