/** Installing what `publish` and `bundle create` made: its lock file, template, licence and suite count, not this host's. */

import type { Catalog } from '../../catalog/load.ts';
import { defined } from '../../core/defined.ts';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { openPublishedPackage, type PackageContents, type PublishedPackage } from '../../package/contents.ts';
import { fillFromLock } from '../../package/frozen.ts';
import type { LockFile } from '../../package/lock-file.ts';
import type { Suite } from '../../smoke/schema.ts';
import type { Provenance } from '../../sources/contract.ts';
import { parseOciRef } from '../../sources/oci/reference.ts';
import { schemeOf } from '../../sources/reference.ts';
import type { AppContext } from '../context.ts';
import type { InstallPlan, InstallRequest } from '../plan/contract.ts';
import { acceptUnsigned, checkPackage, type PackageTrust, packageTrust } from './package-trust.ts';

/** A published model that is to be installed. */
export interface Published {
  /** What the user asked for, with the rest from the published lock file. */
  readonly request: InstallRequest;
  /** Of the manifest: for the record. */
  readonly digest: Digest;
  readonly suite?: Suite;
  /** File of the trusted key that signed it. */
  readonly signedBy?: string;
  /** Remembers its version, once it is installed. */
  accept(): Promise<void>;
  /** The plan with template, parameters and licence as published. */
  complete(planned: InstallPlan): InstallPlan;
}

/**
 * Looks whether `--from` names a model that `publish` pushed; undefined for everything else, and, with a warning, where
 * its registry cannot be asked: the model itself may be in the cache. Where a key is configured or given (`keyFiles`),
 * nothing of the model is used before a signature by it holds. Throws `untrusted`, `stale-catalog`, what reading it throws.
 */
export async function openPublished(
  app: AppContext,
  asked: InstallRequest,
  keyFiles: readonly string[] | undefined,
): Promise<Published | undefined> {
  const { from } = asked;
  if (from === undefined || schemeOf(from) !== 'oci') return undefined;
  const trust = await packageTrust(app, keyFiles);
  const found = await findPackage(app, from, trust);
  if (found === undefined) return undefined;
  const { contents } = found;
  const signatures = trust.keys.length === 0 ? [] : await found.signatures();
  const mayBeOlder = asked.force || parseOciRef(from).digest !== undefined;
  const { signedBy, accept } = await checkPackage({ name: from, contents, signatures, mayBeOlder }, trust);
  const { digest, suite, lock } = contents;
  return {
    request: buildRequest(lock, asked, await app.catalog()),
    digest,
    ...defined({ suite, signedBy }),
    accept,
    complete: (planned) => applyPackage(planned, contents, asked),
  };
}

async function findPackage(app: AppContext, from: string, trust: PackageTrust): Promise<PublishedPackage | undefined> {
  const { oci } = await app.bytes();
  try {
    const found = await openPublishedPackage(oci, from, app.options.signal);
    if (found === undefined) acceptUnsigned(from, trust);
    return found;
  } catch (error) {
    app.options.signal.throwIfAborted();
    const isAway = error instanceof ProvisionError && ['network', 'remote-fault'].includes(error.code);
    // Without its registry nothing says who signed it.
    if (!isAway || trust.keys.length > 0) throw error;
    app.warnOnce(
      `What was published with ${from} cannot be read (${error.message}): using the template and settings of this host.`,
    );
    return undefined;
  }
}

/** What the lock file says, where the user says nothing. A sampling profile is only a name for parameters that are there. */
export function buildRequest(lock: LockFile, asked: InstallRequest, { families }: Catalog): InstallRequest {
  const known = families.some(({ family }) => family.models.some(({ id }) => id === lock.model));
  const { sampling: _sampling, ...request } = fillFromLock(lock, asked, { folder: '/', known });
  return { ...request, ...(asked.sampling !== undefined && { sampling: asked.sampling }) };
}

/** A plan of a file with what the pack says of everything but its bytes; the user's own sampling and context stay. */
export function applyPackage(
  planned: InstallPlan,
  { lock, spec, licence }: PackageContents,
  asked: InstallRequest,
): InstallPlan {
  const { smaller: _smaller, ...plan } = planned;
  if (plan.source.kind !== 'file') return planned;
  const { contextLength, batch } = asked.settings;
  const isOwn = asked.sampling !== undefined || contextLength !== undefined || batch !== undefined;
  const { jinja } = plan.source.spec;
  const { profile, parameters } = isOwn ? plan.source.spec : spec;
  const family = { ...plan.family, licence: { ...plan.family.licence, id: lock.licence.id, text: licence } };
  return {
    ...plan,
    family,
    source: { ...plan.source, spec: { ...spec, profile, parameters, ...(jinja && { jinja }) } },
  };
}

/** Without what is absent. */
export function copyProvenance({
  licence,
  baseModel,
  quantiser,
}: NonNullable<LockFile['source']['provenance']>): Provenance {
  return {
    ...(licence !== undefined && { licence }),
    ...(baseModel !== undefined && { baseModel }),
    ...(quantiser !== undefined && { quantiser }),
  };
}
