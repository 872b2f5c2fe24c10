/**
 * `gemma-provision.lock`: everything that decides what an install puts in place, so that another host, or the same one
 * next year, installs the same. It contains no time, no host name and no absolute path of a file that lies beside it.
 */

import { isAbsolute, relative, sep } from 'node:path';
import * as z from 'zod';
import type { Family, Model } from '../catalog/schema.ts';
import { canonicalJson, Digest, digestOf } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { checkDocument, parseJson } from '../core/parse.ts';
import { redactReference } from '../core/redact.ts';
import type { GgufFacts } from '../gguf/schema.ts';
import { BuiltInFormat, type ModelSpec } from '../modelfile/schema.ts';
import type { Suite } from '../smoke/schema.ts';
import type { LocalFile, RemoteFile } from '../sources/contract.ts';

export const LOCK_FILE_NAME = 'gemma-provision.lock';

const Text = z.string().min(1).max(4096);
const Release = z.string().regex(/^\d+\.\d+\.\d+$/, 'must be a release such as 0.9.3');
const Parameter = z.union([z.number(), z.boolean(), z.string(), z.array(z.string())]);

export const LockFile = z.strictObject({
  schemaVersion: z.literal(1),
  /** Catalog ids, or what the file's header says for a model that the catalog does not know. */
  family: Text,
  model: Text,
  quant: Text,
  /** The name that answers in the runtime. */
  name: Text,
  source: z.strictObject({
    /** `package:…` ships with this tool; `file:…` counts from the folder of the lock file; else as the user wrote it. */
    ref: Text,
    /** Always names the same bytes: a commit instead of a branch, a digest instead of a tag. */
    pinnedRef: Text.optional(),
    digest: Digest,
    sizeBytes: z.int().positive(),
    /** Licence, base model and quantiser in the publisher's words. */
    provenance: z
      .strictObject({ licence: Text.optional(), baseModel: Text.optional(), quantiser: Text.optional() })
      .optional(),
  }),
  /** What it takes pictures or sound with; absent for text alone. */
  projector: z
    .strictObject({ ref: Text, pinnedRef: Text.optional(), digest: Digest, sizeBytes: z.int().positive() })
    .exactOptional(),
  /** What the file says of itself. */
  header: z.strictObject({
    architecture: Text,
    quant: Text.optional(),
    contextLength: z.int().positive().optional(),
    /** Digest of the Jinja template in it. */
    chatTemplate: Digest.optional(),
  }),
  /** `builtIn`: the server's own format, which is written instead of the template. */
  template: z.strictObject({ name: Text, digest: Digest, builtIn: BuiltInFormat.exactOptional() }),
  /** Sampling profile that the parameters began with. */
  profile: Text,
  /** Under Ollama's names, without `stop`. */
  parameters: z.record(z.string().min(1), Parameter),
  stop: z.array(z.string()),
  system: z.string().optional(),
  licence: z.strictObject({ id: Text, textDigest: Digest }),
  /** Ollama servers that can load it, both ends included; absent where nothing is known. */
  server: z.strictObject({ min: Release, max: Release.optional() }).optional(),
  suite: z.strictObject({ id: Text, digest: Digest }).optional(),
  /** Of what the catalog says of this model; `version` is that of the file that defined the family. */
  catalog: z.strictObject({ digest: Digest, version: z.int().positive().optional() }),
  toolVersion: Text,
  /** The publisher's own, in bundles and published models: it only rises. Under the signature, as all of this file. */
  version: z.int().positive().optional(),
});
export type LockFile = z.infer<typeof LockFile>;

/** The text of a lock file: the same lock gives the same bytes. */
export function writeLock(lock: LockFile): string {
  return canonicalJson(LockFile.parse(lock));
}

/** Reads a lock file. Throws `bad-lock-file` with the JSON path of what is wrong. */
export function parseLock(text: string, name: string): LockFile {
  const document = {
    name,
    code: 'bad-lock-file',
    suggestions: ['Create it again with: gemma-provision lock --force'],
  } as const;
  const value = parseJson(text, document);
  const { data } = z.object({ schemaVersion: z.int().min(2) }).safeParse(value);
  if (data !== undefined) {
    throw new ProvisionError(
      'bad-lock-file',
      `${name} was written by a newer version of gemma-provision (its schemaVersion is ${data.schemaVersion})`,
      { suggestions: ['Upgrade gemma-provision on this host.'] },
    );
  }
  return checkDocument(LockFile, value, document, Object.keys(LockFile.shape));
}

type HashedFile = (({ readonly kind: 'file' } & LocalFile) | ({ readonly kind: 'remote' } & RemoteFile)) & {
  readonly digest: Digest;
};

/** A plan to install a file, with its digest computed. */
export interface Lockable {
  readonly family: Family;
  readonly model: Model;
  readonly quant: string;
  readonly name: string;
  readonly file: HashedFile;
  readonly projector?: HashedFile;
  readonly spec: ModelSpec;
  readonly header: Pick<GgufFacts, 'architecture' | 'declaredQuant' | 'hyperparameters' | 'chatTemplate'>;
}

export interface LockContext {
  /** Absolute folder of the lock file. */
  readonly folder: string;
  /** Absolute root of this package. */
  readonly root: string;
  readonly server: LockFile['server'];
  readonly suite: Suite | undefined;
  readonly toolVersion: string;
}

/** The lock file of a plan. */
export function buildLock(plan: Lockable, { folder, root, server, suite, toolVersion }: LockContext): LockFile {
  const { family, model, quant, name, file, projector, spec, header } = plan;
  const { stop, ...parameters } = spec.parameters;
  const { declaredQuant, hyperparameters, chatTemplate } = header;
  return {
    schemaVersion: 1,
    family: family.id,
    model: model.id,
    quant,
    name,
    source: {
      ref: sourceReference(plan, folder, root),
      ...(file.pinnedRef !== undefined && { pinnedRef: redactReference(file.pinnedRef) }),
      digest: file.digest,
      sizeBytes: file.sizeBytes,
      ...(file.provenance !== undefined && { provenance: { ...file.provenance } }),
    },
    ...(projector !== undefined && {
      projector: {
        ref: fileReference(projector, folder),
        ...(projector.pinnedRef !== undefined && { pinnedRef: redactReference(projector.pinnedRef) }),
        digest: projector.digest,
        sizeBytes: projector.sizeBytes,
      },
    }),
    header: {
      architecture: header.architecture,
      ...(declaredQuant !== undefined && { quant: declaredQuant.toLowerCase() }),
      ...(hyperparameters !== undefined && { contextLength: hyperparameters.contextLength }),
      ...(chatTemplate !== undefined && { chatTemplate: digestOf(chatTemplate) }),
    },
    template: {
      name: spec.templateName,
      digest: digestOf(spec.template),
      ...(spec.builtIn !== undefined && { builtIn: spec.builtIn }),
    },
    profile: spec.profile,
    parameters,
    stop: Array.isArray(stop) ? stop : [],
    ...(spec.system !== undefined && { system: spec.system }),
    licence: { id: family.licence.id, textDigest: digestOf(family.licence.text) },
    ...(server !== undefined && { server }),
    ...(suite !== undefined && { suite: { id: suite.id, digest: digestOf(JSON.stringify(suite)) } }),
    catalog: {
      digest: catalogEntryDigest(family, model, quant),
      ...(family.version !== undefined && { version: family.version }),
    },
    toolVersion,
  };
}

/** How a lock file names a source. A file below the lock's own folder is named from there, so that both can move. */
function sourceReference({ model, quant, file }: Lockable, folder: string, root: string): string {
  const bundled = model.quants.find(({ id }) => id === quant)?.bundled;
  const isBundled = file.kind === 'file' && file.pinnedRef === undefined && bundled !== undefined;
  if (isBundled && toPosixPath(relative(root, file.path)) === bundled) return `package:${bundled}`;
  return fileReference(file, folder);
}

function fileReference(file: HashedFile, folder: string): string {
  if (file.kind === 'remote' || file.pinnedRef !== undefined) return redactReference(file.ref);
  const below = relative(folder, file.path);
  const outside = below.startsWith(`..${sep}`) || isAbsolute(below);
  return `file:${toPosixPath(outside ? file.path : below)}`;
}

function toPosixPath(path: string): string {
  return path.split(sep).join('/');
}

/**
 * Digest of what the catalog says of one quant of a model: the family's rules without its talk (benchmarks, facts,
 * troubleshooting) and without other models.
 */
function catalogEntryDigest(family: Family, model: Model, quant: string): Digest {
  const { architecture, chatTemplate, tokens, licence, profiles, defaultProfile } = family;
  const { hyperparameters, defaultContext, smokeSuite, kind, chat } = model;
  const entry = model.quants.find(({ id }) => id === quant);
  return digestOf(
    canonicalJson({
      family: { id: family.id, architecture, chatTemplate, tokens, licence, profiles, defaultProfile },
      model: { id: model.id, hyperparameters, defaultContext, smokeSuite, kind, ...(chat && { chat }) },
      quant: entry && { id: entry.id, file: entry.file, digest: entry.digest },
    }),
  );
}
