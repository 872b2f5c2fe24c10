/** From an installed model to what `publish` and `bundle create` send out. */

import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import * as z from 'zod';
import { loadRange } from '../../compat/lookup.ts';
import { Digest, digestOf } from '../../core/digest.ts';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import type { ProgressEvent, Work } from '../../core/progress.ts';
import { redactReference } from '../../core/redact.ts';
import { diskError } from '../../disk/errors.ts';
import { readChunks } from '../../disk/read-chunks.ts';
import { renderModelfile } from '../../modelfile/render.ts';
import { modelfileTemplateOf } from '../../modelfile/templates.ts';
import { buildLock } from '../../package/lock-file.ts';
import { buildModelPackage, type ModelPackage } from '../../package/model-package.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { RuntimeFlags } from '../../runtimes/registry.ts';
import type { Suite } from '../../smoke/schema.ts';
import type { LocalFile } from '../../sources/contract.ts';
import { isFileName } from '../../sources/oci/reference.ts';
import type { AppContext } from '../context.ts';
import { openInstaller } from '../install/installer.ts';
import { openSuite } from '../install/smoke.ts';
import { locateModel, recordsNamed } from '../maintain/records.ts';
import { openTemplates } from '../plan/catalog.ts';
import type { InstallPlan } from '../plan/contract.ts';
import { readInstallableHeader } from '../plan/header.ts';
import { copyProvenance } from './published.ts';

/** A file of a published or bundled model, by its path in it. */
export const BundleContent = z.strictObject({ name: z.string(), digest: Digest });
export type BundleContent = z.infer<typeof BundleContent>;

/** A model that is installed, ready to be sent out. */
export interface InstalledPackage {
  readonly record: InstallRecord;
  readonly pack: ModelPackage;
  /** The bytes of the model, from the start each time. */
  open(): AsyncIterable<Uint8Array>;
}

/** How what is sent out is marked. */
export interface SignFlags {
  /** Path of a private key. */
  readonly sign?: string | undefined;
  /** Raised with every change: hosts that verify signatures accept no older one. */
  readonly 'model-version'?: number | undefined;
}

/** For something signed without a version. */
export function unversioned(): ProgressEvent {
  const message =
    'It is signed without a version, so a host cannot recognise an older one that is replayed. Use --model-version N.';
  return { type: 'warning', message };
}

type HashedFile = LocalFile & { readonly digest: Digest };

/**
 * Puts together what an installed model consists of. Its file was read to the end and has the stated digest.
 * Throws `record-not-found`, `source-not-found` where the bytes are nowhere on this machine, `needs-repair`.
 */
export async function* packageInstalled(
  app: AppContext,
  name: string,
  flags: RuntimeFlags & SignFlags,
): Work<InstalledPackage> {
  const modelVersion = flags['model-version'];
  const where = await locateModel(app, name, flags);
  const [record] = await recordsNamed(await app.registry(), name, where);
  if (record === undefined) throw new TypeError('records are found or an error is thrown');
  if (record.projector !== undefined) throw withProjector(record);
  const file = yield* locateBytes(app, record, where);
  const { signal, root, version } = app.options;
  const plan = await (await openInstaller(app, where)).planReinstall(record, { kind: 'file', ...file });
  if (plan.source.kind !== 'file') throw new TypeError('a file makes a plan of a file');
  const { spec } = plan.source;
  const suite = yield* findPassedSuite(record, plan, app);
  const fileName = chooseFileName(record, plan);
  const header = await readInstallableHeader({ kind: 'file', ...file }, { http: (await app.bytes()).http, signal });
  const lockable = {
    family: plan.family,
    model: plan.model,
    quant: plan.quant,
    name: record.name,
    file: { kind: 'file', ...file } as const,
    spec,
    header,
  };
  const context = { folder: '/', root, server: loadRange(plan.family.architecture), suite, toolVersion: version };
  const lock = buildLock(lockable, context);
  const modelfile = await renderModelfileFor(plan, fileName, root);
  const pack = buildModelPackage({
    lock: {
      ...lock,
      ...(modelVersion !== undefined && { version: modelVersion }),
      source: { ...publishableSource(record, file, fileName), digest: file.digest, sizeBytes: file.sizeBytes },
    },
    template: spec.template,
    licence: spec.license,
    ...(modelfile !== undefined && { modelfile }),
    ...(suite && { suite }),
    gguf: { fileName, digest: file.digest, size: file.sizeBytes },
  });
  return { record, pack, open: () => readVerified(file, app) };
}

/** A published model and a bundle hold one file of weights: without its projector it would be another model. */
function withProjector({ name }: InstallRecord): ProvisionError {
  return new ProvisionError('bad-usage', `${name} has a projector, which bundles and published models cannot hold`, {
    suggestions: [
      'For other hosts, write a lock file instead: gemma-provision lock, then install --frozen there.',
      `Or send out the text model alone: install it under another name with --vision off.`,
    ],
  });
}

/** A file that was hashed once may have been changed since: it is hashed while it is sent, and the last bytes are held back. */
async function* readVerified(
  { path, digest, sizeBytes }: HashedFile,
  { disk, options }: AppContext,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256');
  let done = 0;
  const file = await disk.open(path, 'r').catch((cause: unknown) => Promise.reject(diskError('read', path, cause)));
  try {
    for await (const chunk of readChunks(file, path, options.signal)) {
      hash.update(chunk);
      done += chunk.length;
      if (done > sizeBytes || (done === sizeBytes && `sha256:${hash.copy().digest('hex')}` !== digest))
        throw fileChanged(path);
      // What sends it may keep it longer than the reader does.
      yield Buffer.from(chunk);
    }
  } finally {
    await file.close();
  }
  if (done < sizeBytes) throw fileChanged(path);
}

function fileChanged(path: string): ProvisionError {
  return new ProvisionError('digest-mismatch', `${path} changed while it was being read.`, {
    suggestions: ['Wait until no process writes it, then run the command again.'],
  });
}

/** The file of the cache or of another tool's store, the one that it came from, or the runtime's own: the first that has the bytes. */
async function* locateBytes(app: AppContext, record: InstallRecord, flags: RuntimeFlags): Work<HashedFile> {
  const { source } = record;
  const { signal } = app.options;
  const { hash, cache, findStored } = await app.bytes();
  const wanted = source.digest;
  const cached = wanted === undefined ? undefined : yield* cache.find(wanted, signal);
  if (cached !== undefined) return { ref: source.ref, ...cached };
  const { sizeBytes, pinnedRef = source.ref } = source;
  const fileName = basename(pinnedRef);
  const kept = wanted === undefined ? undefined : yield* findStored({ digest: wanted, sizeBytes, fileName }, signal);
  if (kept !== undefined) return { ref: source.ref, digest: kept.digest, path: kept.path, sizeBytes: kept.sizeBytes };
  const { runtime } = await app.open(flags);
  const stored = await runtime.find(record.name, signal);
  const places = [
    { path: source.path, digest: wanted },
    { path: stored?.layerPath, digest: wanted },
    // What the server made of the file may have another digest than what it was given.
    { path: stored?.layerPath, digest: record.stored.layerDigest },
  ];
  for (const { path, digest } of places) {
    if (path === undefined || digest === undefined) continue;
    try {
      const got = yield* hash({ ref: path, path, sizeBytes: 0 }, 'hash', signal);
      if (got !== digest) continue;
      const { size } = await app.disk.stat(path, { bigint: true });
      return { ref: path, path, digest, sizeBytes: Number(size) };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ProvisionError)) throw error;
    }
  }
  throw new ProvisionError(
    'source-not-found',
    `the bytes of ${record.name} are not on this machine, or this user cannot read them`,
    {
      suggestions: [
        `Download them again: gemma-provision pull ${source.pinnedRef ?? 'REF'}`,
        'Run the command as a user who can read the models folder of the server.',
      ],
    },
  );
}

/** The suite that the model passed, if it is still the same; an untested text is not published. */
async function* findPassedSuite(record: InstallRecord, plan: InstallPlan, app: AppContext): Work<Suite | undefined> {
  if (record.suite === undefined) return undefined;
  for (const id of new Set([record.suite.id, plan.model.smokeSuite])) {
    try {
      const suite = await openSuite(app, id);
      if (digestOf(JSON.stringify(suite)) === record.suite.digest) return suite;
    } catch (error) {
      if (!(error instanceof ProvisionError)) throw error;
    }
  }
  yield {
    type: 'warning',
    message: `The smoke suite ${record.suite.id} that ${record.name} passed is no longer available; it is not included.`,
  };
  return undefined;
}

function chooseFileName({ source }: InstallRecord, { model, quant }: InstallPlan): string {
  const known = model.quants.find(({ id }) => id === quant)?.file;
  const own = basename(source.ref.replace(/[#?].*$/, ''));
  const names = [known, own, `${model.id}-${quant}.gguf`];
  return (
    names.find((name) => name !== undefined && isFileName(name) && name.toLowerCase().endsWith('.gguf')) ?? 'model.gguf'
  );
}

/** Where the bytes first came from, unless the server made other bytes of them. No path of this machine is published. */
function publishableSource({ source }: InstallRecord, file: HashedFile, fileName: string) {
  if (source.digest !== file.digest || source.pinnedRef === undefined) return { ref: `file:${fileName}` };
  const provenance = copyProvenance(source.provenance ?? {});
  return {
    ref: redactReference(source.ref),
    pinnedRef: redactReference(source.pinnedRef),
    ...(Object.keys(provenance).length > 0 && { provenance }),
  };
}

/** For people and for `ollama create`. A model that the catalog does not know has none. */
async function renderModelfileFor(
  { family, model, quant, source }: InstallPlan,
  fileName: string,
  root: string,
): Promise<string | undefined> {
  const entry = model.quants.find(({ id }) => id === quant);
  if (entry === undefined || source.kind !== 'file') return undefined;
  const template = modelfileTemplateOf(await openTemplates(root), family.id);
  try {
    return renderModelfile({ spec: source.spec, family, model, quant: entry, template, from: `./${fileName}` });
  } catch (error) {
    // A text that has no form in a Modelfile; the model itself is created without one.
    if (error instanceof ProvisionError && error.code === 'bad-template') return undefined;
    throw new ProvisionError('bug', `the Modelfile of ${model.id} cannot be rendered: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
