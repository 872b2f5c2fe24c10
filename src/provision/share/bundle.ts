/** `bundle create` and `bundle install`. */

import { basename, resolve } from 'node:path';
import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { realDisk } from '../../disk/disk.ts';
import { requireOutput } from '../../disk/output-file.ts';
import { readGgufHeader } from '../../gguf/header.ts';
import { BUNDLE_KIND, type Bundle, bundleFiles, digestMismatch, modelBytes, readBundle } from '../../package/bundle.ts';
import { compareLocks, requireNoDifferences } from '../../package/frozen.ts';
import { buildLock } from '../../package/lock-file.ts';
import { type RandomAccess, readExactly, tarSize, writeTar } from '../../package/tar.ts';
import type { RuntimeFlags } from '../../runtimes/registry.ts';
import type { Suite } from '../../smoke/schema.ts';
import type { LocalFile } from '../../sources/contract.ts';
import { signManifest } from '../../trust/index.ts';
import type { AppContext } from '../context.ts';
import { type Installer, openInstaller } from '../install/installer.ts';
import { acceptLicence, type Consent } from '../install/licence.ts';
import { InstallReport } from '../install/schema.ts';
import type { InstallPlan, InstallRequest, SourceFile } from '../plan/contract.ts';
import { readInstallableHeader } from '../plan/header.ts';
import { openPrivateKey } from '../plan/keys.ts';
import { openRandomAccess, writeAtomically } from './bundle-file.ts';
import { BundleContent, packageInstalled, type SignFlags, unversioned } from './pack.ts';
import { checkPackage, packageTrust } from './package-trust.ts';
import { applyPackage, buildRequest, copyProvenance } from './published.ts';

export const BundleCreateData = z.strictObject({
  file: z.string(),
  name: z.string(),
  /** Of the manifest: it names everything in the bundle but its signature. */
  digest: Digest,
  /** Of the file. */
  fileDigest: Digest,
  sizeBytes: z.int().nonnegative(),
  /** SHA-256 of the public key's PEM text, in hex. */
  signedBy: z.string().optional(),
  contents: z.array(BundleContent),
});
export type BundleCreateData = z.infer<typeof BundleCreateData>;

/** `signedBy`: the trusted key's file. */
export const BundleInstallData = z.strictObject({
  file: z.string(),
  digest: Digest,
  signedBy: z.string().optional(),
  contents: z.array(BundleContent),
  install: InstallReport,
});
export type BundleInstallData = z.infer<typeof BundleInstallData>;

/** Writes an installed model with everything that belongs to it into one file. */
export async function* createBundle(
  app: AppContext,
  name: string,
  typed: string,
  flags: RuntimeFlags & SignFlags & { readonly force: boolean },
): Work<BundleCreateData> {
  const file = await requireOutput(realDisk, { typed, kind: BUNDLE_KIND, force: flags.force });
  const key = flags.sign === undefined ? undefined : await openPrivateKey(app, flags.sign);
  const { record, pack, open } = yield* packageInstalled(app, name, flags);
  if (key !== undefined && flags['model-version'] === undefined) yield unversioned();
  const signature = key === undefined ? undefined : signManifest({ subject: record.name, files: pack.files }, key);
  const files = bundleFiles(pack, record.name, open, signature);
  const total = tarSize(files);
  const written = yield* writeAtomically(file, writeTar(files), { id: 'bundle', total }, app.options.signal);
  return {
    file,
    name: record.name,
    digest: pack.manifest.digest,
    fileDigest: written.digest,
    sizeBytes: written.sizeBytes,
    ...(key !== undefined && { signedBy: key.hint }),
    contents: pack.files.map((each) => ({ ...each })),
  };
}

export interface BundleFlags extends RuntimeFlags {
  readonly 'no-smoke'?: boolean | undefined;
  readonly 'no-keep'?: boolean | undefined;
  readonly 'dry-run'?: boolean | undefined;
  /** Public keys, instead of those of the configuration: the bundle must be signed by one of them. */
  readonly key?: readonly string[] | undefined;
}

/** Verifies a whole bundle, then installs its model, or only reports the plan with `--dry-run`. */
export async function* installBundle(
  app: AppContext,
  file: string,
  request: InstallRequest,
  flags: BundleFlags,
  consent: Consent,
): Work<BundleInstallData> {
  const { plan, installer, suite, digest, signedBy, accept, contents } = yield* planBundle(app, file, request, flags);
  const signed = defined({ signedBy });
  const verified = { file, digest, ...signed, contents: [...contents] };
  if (flags['dry-run'] === true)
    return { ...verified, install: { ...installer.dryRun(plan, request.force), ...signed } };
  await acceptLicence(app, plan.family.licence, consent);
  const tested = flags['no-smoke'] === true ? undefined : suite;
  const options = {
    force: request.force,
    keep: flags['no-keep'] !== true,
    lock: digest,
    ...defined({ suite: tested }),
  };
  const install = yield* installer.install(plan, options);
  await accept();
  return { ...verified, install: { ...install, ...signed } };
}

/** A bundle that holds what it says, and the plan of its install. */
interface PlannedBundle {
  readonly digest: Digest;
  readonly contents: readonly BundleContent[];
  readonly signedBy?: string;
  /** Remembers its version. */
  accept(): Promise<void>;
  readonly installer: Installer;
  readonly plan: InstallPlan;
  readonly suite?: Suite;
}

/**
 * Checks a whole bundle on this machine, brings its model into the cache, and plans the install; nothing is asked of a
 * server before all of it held. Throws `bad-bundle`, `digest-mismatch`, `truncated-file`, `bad-gguf`, `untrusted`, and
 * what planning throws.
 */
async function* planBundle(
  app: AppContext,
  typed: string,
  request: InstallRequest,
  flags: BundleFlags,
): Work<PlannedBundle> {
  const path = resolve(typed);
  const file = await openRandomAccess(path);
  try {
    const bundle = await readBundle(file);
    const { signature } = bundle;
    const signatures = signature === undefined ? [] : [signature];
    const asked = { name: path, contents: bundle, signatures, mayBeOlder: request.force };
    const { signedBy, accept } = await checkPackage(asked, await packageTrust(app, flags.key));
    await checkHeader(file, bundle);
    const model = yield* extractToCache(app, file, bundle);
    const installer = await openInstaller(app, flags);
    const plan = await planFromBundle(app, bundle, model, request, installer);
    return {
      digest: bundle.digest,
      contents: bundle.files.map((each) => ({ ...each })),
      ...(signedBy !== undefined && { signedBy }),
      accept,
      installer,
      plan,
      ...(bundle.suite && { suite: bundle.suite }),
    };
  } finally {
    await file.close();
  }
}

/** A file that no server could load is refused where it lies. */
async function checkHeader(file: RandomAccess, { model, gguf }: Bundle): Promise<void> {
  const source = {
    read: (offset: number, length: number) =>
      readExactly(
        file,
        model.offset + Math.min(offset, model.size),
        Math.max(0, Math.min(length, model.size - offset)),
      ),
  };
  try {
    await readGgufHeader(source, { fileBytes: model.size });
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    throw new ProvisionError(error.code, `${gguf.fileName} in ${file.name}: ${error.message}`, {
      suggestions: error.suggestions,
    });
  }
}

/** Reads all of the model in the tar and brings it into the cache, unless that has it already. */
async function* extractToCache(app: AppContext, file: RandomAccess, { gguf, model }: Bundle): Work<LocalFile> {
  const { cache } = await app.bytes();
  const incoming = {
    fileName: gguf.fileName,
    digest: gguf.digest,
    sizeBytes: gguf.size,
    open: () => modelBytes(file, model),
    mismatch: (got: Digest) => digestMismatch(file, gguf.digest, got),
  };
  return { ref: file.name, ...(yield* cache.receive(incoming, app.options.signal)) };
}

/** The normal plan of what the lock file says, with template, licence and suite of the bundle instead of this host's. */
async function planFromBundle(
  app: AppContext,
  bundle: Bundle,
  model: LocalFile,
  asked: InstallRequest,
  installer: Installer,
): Promise<InstallPlan> {
  const { lock, gguf, suite, spec } = bundle;
  const request = buildRequest(lock, { ...asked, from: model.path }, await app.catalog());
  const planned = await installer.plan(request);
  if (planned.source.kind !== 'file') throw new TypeError('a file makes a plan of a file');
  const { pinnedRef, provenance } = lock.source;
  const file: SourceFile = {
    kind: 'file',
    ...model,
    ref: `bundle:${basename(model.ref)}`,
    fileName: gguf.fileName,
    immutable: true,
    digest: gguf.digest,
    ...(pinnedRef !== undefined && { pinnedRef }),
    ...(provenance !== undefined && { provenance: copyProvenance(provenance) }),
  };
  const plan = applyPackage({ ...planned, source: { ...planned.source, file } }, bundle, asked);
  const header =
    planned.source.header ??
    (await readInstallableHeader(file, { http: (await app.bytes()).http, signal: app.options.signal }));
  const { family, quant, name } = plan;
  const context = { folder: '/', root: app.options.root, server: undefined, suite, toolVersion: lock.toolVersion };
  const now = buildLock(
    { family, model: plan.model, quant, name, file: { ...file, digest: gguf.digest }, spec, header },
    context,
  );
  // The catalog of this host may know more by now; what is installed is all in the bundle.
  const found = compareLocks(lock, now).filter(
    ({ path }) => !/^(catalog|server)\b|^source\.(ref|pinnedRef)$|^name$/.test(path),
  );
  requireNoDifferences(found, model.ref);
  return plan;
}
