/** What a bundle or a published model must prove before anything of it is used: one rule for both. */

import { ProvisionError } from '../../core/errors.ts';
import type { PackageContents } from '../../package/contents.ts';
import {
  checkUnsignedVersion,
  checkVersion,
  matchFiles,
  type PublicKey,
  type SeenVersion,
  type SeenVersions,
  type SignedManifest,
  verifySignature,
} from '../../trust/index.ts';
import type { AppContext } from '../context.ts';
import { seenHere } from '../plan/catalog-trust.ts';
import { openPublicKeys } from '../plan/keys.ts';

export interface PackageTrust {
  /** Without any, no signature is asked for. */
  readonly keys: readonly PublicKey[];
  /** `--allow-unsigned`: excuses a missing signature, never one that does not hold. */
  readonly allowUnsigned: boolean;
  readonly seen: SeenVersions;
  readonly warn: (message: string) => void;
}

/** `--key`, else `bundle-key` of the configuration. Throws what reading a key throws. */
export async function packageTrust(app: AppContext, flag: readonly string[] | undefined): Promise<PackageTrust> {
  const files = flag ?? app.settings['bundle-key'] ?? [];
  return {
    keys: await openPublicKeys(files),
    allowUnsigned: app.options.allowUnsigned === true,
    seen: seenHere(app.trustContext(), 'models'),
    warn: (message) => app.warnOnce(message),
  };
}

export interface PackageToCheck {
  /** How messages call it: its path or reference. */
  readonly name: string;
  readonly contents: Pick<PackageContents, 'files' | 'lock' | 'digest'>;
  /** Texts of the signatures that came with it; one that holds is enough. */
  readonly signatures: readonly string[];
  /** The user named exactly this content (`--force`, a digest, a lock file): an older version is accepted, with a warning. */
  readonly mayBeOlder: boolean;
}

export interface CheckedPackage {
  /** Path of the trusted key that signed it. */
  readonly signedBy?: string;
  /** Remembers its version, once it is installed. */
  accept(): Promise<void>;
}

/** Throws `untrusted` and `stale-catalog`. */
export async function checkPackage(asked: PackageToCheck, trust: PackageTrust): Promise<CheckedPackage> {
  const { name, signatures } = asked;
  const { keys, warn } = trust;
  const nothing = { accept: async () => {} };
  if (keys.length === 0) {
    if (signatures.length > 0)
      warn(`${name} is signed, but the signature was not verified: use --key FILE, or set bundle-key in config.json.`);
    return nothing;
  }
  if (signatures.length === 0) {
    acceptUnsigned(name, trust);
    await forgiveOlder(asked, warn, async () =>
      checkUnsignedVersion(versionedOf(asked), keys, await trust.seen.read()),
    );
    return nothing;
  }
  const { key } = verifyAny(asked, keys);
  const fresh = await forgiveOlder(asked, warn, async () =>
    checkVersion(versionedOf(asked), key, await trust.seen.read()),
  );
  if (asked.contents.lock.version === undefined)
    warn(`${name} has no version, so an older one cannot be distinguished from it.`);
  return { signedBy: key.name, accept: async () => trust.seen.keep(fresh === undefined ? [] : [fresh]) };
}

/** The first signature that holds for exactly these files. Others may have signed them too, with keys that nobody here knows. */
function verifyAny({ name, contents, signatures }: PackageToCheck, keys: readonly PublicKey[]): SignedManifest {
  let failure: unknown;
  for (const text of signatures) {
    try {
      const signed = verifySignature(text, { name: `of ${name}`, keys });
      // A package has no file that its publisher left out.
      matchFiles({ ...signed, ignored: [] }, contents.files, { name });
      return signed;
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

function versionedOf({ name, contents }: PackageToCheck) {
  const { lock, digest } = contents;
  return { subject: name, id: lock.name, version: lock.version, digest };
}

async function forgiveOlder(
  { mayBeOlder }: PackageToCheck,
  warn: PackageTrust['warn'],
  check: () => Promise<SeenVersion | undefined>,
): Promise<SeenVersion | undefined> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof ProvisionError) || error.code !== 'stale-catalog') throw error;
    if (mayBeOlder) {
      warn(`${error.message}; accepted, because exactly this one was asked for.`);
      return undefined;
    }
    const suggestions = [...error.suggestions, 'Install it anyway with --force.'];
    throw new ProvisionError(error.code, error.message, { suggestions });
  }
}

/** For what has no signature. Throws `untrusted` where one is asked for and its absence is not excused. */
export function acceptUnsigned(name: string, { keys, allowUnsigned, warn }: PackageTrust): void {
  if (keys.length === 0) return;
  if (!allowUnsigned)
    throw new ProvisionError('untrusted', `${name} is not signed`, {
      suggestions: ['Ask its publisher for a signed one.', 'Accept it anyway with --allow-unsigned.'],
    });
  warn(`${name} is not signed; --allow-unsigned accepts it.`);
}
