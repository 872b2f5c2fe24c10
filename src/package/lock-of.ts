/** From what was planned to the lock file that pins it. The types name only what is looked at. */
import { isAbsolute, relative, sep } from 'node:path';
import type { Family, Model } from '../catalog/schema.ts';
import type { Digest } from '../core/digest.ts';
import { canonicalJson, digestOf } from '../core/digest.ts';
import { redactReference } from '../core/redact.ts';
import type { GgufFacts } from '../gguf/schema.ts';
import type { ModelSpec } from '../modelfile/schema.ts';
import type { Suite } from '../smoke/schema.ts';
import type { LocalFile, RemoteFile } from '../sources/contract.ts';
import type { LockFile } from './lock-file.ts';

/** A plan to install a file, with its digest computed. */
export interface Lockable {
  readonly family: Family;
  readonly model: Model;
  readonly quant: string;
  readonly name: string;
  readonly file: (({ readonly kind: 'file' } & LocalFile) | ({ readonly kind: 'remote' } & RemoteFile)) & {
    readonly digest: Digest;
  };
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
export function lockOf(plan: Lockable, { folder, root, server, suite, toolVersion }: LockContext): LockFile {
  const { family, model, quant, name, file, spec, header } = plan;
  const { stop, ...parameters } = spec.parameters;
  const { declaredQuant, hyperparameters, chatTemplate } = header;
  return {
    schemaVersion: 1,
    family: family.id,
    model: model.id,
    quant,
    name,
    source: {
      ref: refOf(plan, folder, root),
      ...(file.pinnedRef !== undefined && { pinnedRef: redactReference(file.pinnedRef) }),
      digest: file.digest,
      sizeBytes: file.sizeBytes,
      ...(file.provenance !== undefined && { provenance: { ...file.provenance } }),
    },
    header: {
      architecture: header.architecture,
      ...(declaredQuant !== undefined && { quant: declaredQuant.toLowerCase() }),
      ...(hyperparameters !== undefined && { contextLength: hyperparameters.contextLength }),
      ...(chatTemplate !== undefined && { chatTemplate: digestOf(chatTemplate) }),
    },
    template: { name: spec.templateName, digest: digestOf(spec.template) },
    profile: spec.profile,
    parameters,
    stop: Array.isArray(stop) ? stop : [],
    ...(spec.system !== undefined && { system: spec.system }),
    licence: { id: family.licence.id, textDigest: digestOf(family.licence.text) },
    ...(server !== undefined && { server }),
    ...(suite !== undefined && { suite: { id: suite.id, digest: digestOf(JSON.stringify(suite)) } }),
    catalog: {
      digest: entryDigest(family, model, quant),
      ...(family.version !== undefined && { version: family.version }),
    },
    toolVersion,
  };
}

/** How a lock file names a source. A file below the lock's own folder is named from there, so that both can move. */
function refOf({ model, quant, file }: Lockable, folder: string, root: string): string {
  if (file.kind === 'remote') return redactReference(file.ref);
  if (file.pinnedRef !== undefined) return redactReference(file.ref);
  const bundled = model.quants.find(({ id }) => id === quant)?.bundled;
  if (bundled !== undefined && portable(relative(root, file.path)) === bundled) return `package:${bundled}`;
  const below = relative(folder, file.path);
  const outside = below.startsWith(`..${sep}`) || isAbsolute(below);
  return `file:${portable(outside ? file.path : below)}`;
}

function portable(path: string): string {
  return path.split(sep).join('/');
}

/**
 * Digest of what the catalog says of one quant of a model: the family's rules without its talk (benchmarks, facts,
 * troubleshooting) and without other models.
 */
function entryDigest(family: Family, model: Model, quant: string): Digest {
  const { architecture, chatTemplate, tokens, licence, profiles, defaultProfile } = family;
  const { hyperparameters, defaultContext, smokeSuite, kind } = model;
  const entry = model.quants.find(({ id }) => id === quant);
  return digestOf(
    canonicalJson({
      family: { id: family.id, architecture, chatTemplate, tokens, licence, profiles, defaultProfile },
      model: { id: model.id, hyperparameters, defaultContext, smokeSuite, kind },
      quant: entry && { id: entry.id, file: entry.file, digest: entry.digest },
    }),
  );
}
