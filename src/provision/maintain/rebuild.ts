/** Rebuilds a record whose file cannot be read, from what the runtime reports and from what can still be read of the file. */
import { basename, join } from 'node:path';
import * as z from 'zod';
import { chatTemplateName } from '../../catalog/chat-format.ts';
import type { Catalog } from '../../catalog/load.ts';
import { findByArchitecture } from '../../catalog/lookup.ts';
import type { Family, Model } from '../../catalog/schema.ts';
import { defined } from '../../core/defined.ts';
import { digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { builtInFormat } from '../../modelfile/spec.ts';
import type { BrokenFile } from '../../registry/index.ts';
import { InstallRecord } from '../../registry/schema.ts';
import type { RuntimeIdentity, StoredModel } from '../../runtimes/contract.ts';
import { parseParameters } from '../../runtimes/parameters.ts';
import { capabilitiesOf, type OpenRuntime } from '../../runtimes/registry.ts';

import type { AppContext } from '../context.ts';
import { openTemplates } from '../plan/catalog.ts';
import { readInstallableHeader } from '../plan/header.ts';
import { type Identified, identifyByHeader } from '../plan/identify.ts';
import { openModelFolder } from './places.ts';

export interface RebuildInput {
  readonly name: string;
  readonly runtime: RuntimeIdentity;
  readonly stored: StoredModel;
  /** JSON value of the broken file, of whatever form; undefined where it is none. */
  readonly remains: unknown;
  /** The broken file names the digest of what the runtime has: this tool recorded it. */
  readonly proven: boolean;
  /** Where the bytes can be had again, if that is known. */
  readonly source?: InstallRecord['source'];
  readonly catalog: Catalog;
  /** Text of a chat template by its name; undefined when there is none. */
  chatTemplate(name: string): Promise<string | undefined>;
  /** From the header of the model's file, where it can be read: distinguishes models of one architecture. */
  readonly identified?: Identified;
  readonly now: Date;
  readonly toolVersion: string;
}

/** Undefined where the catalog has no family of the architecture: such a model has to be installed again. */
export async function buildRecord(parts: RebuildInput): Promise<InstallRecord | undefined> {
  const { stored, catalog, remains, identified } = parts;
  const known = parseReadableFields(remains);
  const of = findByArchitecture(catalog, stored.architecture ?? '').map(({ family }) => family);
  const families = identified === undefined ? of : [identified.family, ...of];
  const found = await findFamily(families, parts, known.family ?? identified?.family.id);
  if (found === undefined) return undefined;
  const { family, template } = found;
  const model = identified?.model ?? modelOf(family, known.model);
  return InstallRecord.parse({
    ...deriveFields(parts, family, model),
    ...known,
    // The runtime's own word wins where it has one.
    ...(template !== undefined && { template }),
    schemaVersion: 2,
    rebuilt: { at: parts.now.toISOString(), proven: parts.proven },
    name: parts.name,
    runtime: parts.runtime,
    architecture: family.architecture,
    stored: {
      ...(stored.layerDigest && { layerDigest: stored.layerDigest }),
      ...(stored.entryDigest && { entryDigest: stored.entryDigest }),
    },
  });
}

function deriveFields(
  { stored, identified, source, now, toolVersion }: RebuildInput,
  family: Family,
  model: Model | undefined,
) {
  const { licence } = family;
  return {
    family: family.id,
    model: model?.id ?? family.id,
    quant: identified?.quant ?? stored.quant?.toLowerCase() ?? 'unknown',
    source: source ?? {
      ref: stored.layerDigest ?? 'unknown',
      ...(stored.layerDigest && { digest: stored.layerDigest }),
      ...(stored.sizeBytes !== undefined && { sizeBytes: stored.sizeBytes }),
    },
    choice: { reasons: ['rebuilt by repair: the file of the record could not be read'] },
    template: { name: 'unknown', digest: digestOf(stored.template ?? '') },
    profile: 'unknown',
    parameters: parametersOf(stored),
    licence: { id: licence.id, textDigest: licenceDigest(stored, licence.text) },
    toolVersion,
    installedAt: now.toISOString(),
  };
}

/** Servers trim what they show. */
function licenceDigest({ license }: StoredModel, text: string) {
  return digestOf(license === undefined || license.trim() === text.trim() ? text : license);
}

/** Every field that is whole by itself. */
function parseReadableFields(value: unknown): Partial<InstallRecord> {
  const fields = z.record(z.string(), z.unknown()).safeParse(value).data ?? {};
  const kept = Object.entries(InstallRecord.shape).flatMap(([key, schema]) => {
    const field = Object.hasOwn(fields, key) ? schema.safeParse(fields[key]) : undefined;
    return field?.success === true && field.data !== undefined ? [[key, field.data] as const] : [];
  });
  return Object.fromEntries(kept);
}

/** The family whose template the runtime has; else the one that is named, or the only one of the architecture. */
async function findFamily(
  families: readonly Family[],
  { stored, chatTemplate }: RebuildInput,
  named: string | undefined,
): Promise<{ family: Family; template?: InstallRecord['template'] } | undefined> {
  for (const family of families) {
    const builtIn = family.models.find(({ chat }) => chat?.ollama?.renderer === (stored.renderer ?? ''));
    const name = chatTemplateName(family, builtIn);
    const text = await chatTemplate(name);
    if (text === undefined || (builtIn === undefined && text !== stored.template)) continue;
    const format = builtIn && builtInFormat(family, builtIn, name);
    return { family, template: { name, digest: digestOf(text), ...(format && { builtIn: format }) } };
  }
  const family = families.find(({ id }) => id === named) ?? families[0];
  return family && { family };
}

function modelOf({ models }: Family, id: string | undefined): Model | undefined {
  return models.find((model) => model.id === id) ?? (models.length === 1 ? models[0] : undefined);
}

function parametersOf({ parameters }: StoredModel): InstallRecord['parameters'] {
  const plain = [...parseParameters(parameters ?? '')].map(([key, values]) => {
    const [first] = values;
    const isList = values.length > 1 || key === 'stop';
    return [key, isList ? values.map(String) : first] as const;
  });
  return Object.fromEntries(
    plain.filter((each): each is readonly [string, NonNullable<(typeof each)[1]>] => each[1] !== undefined),
  );
}

/** A record for what a name holds in the runtime; undefined when there is no such model, or none of the catalog. */
export async function rebuildRecord(
  app: AppContext,
  name: string,
  file: Pick<BrokenFile, 'text' | 'value'> | undefined,
  opened: OpenRuntime,
): Promise<InstallRecord | undefined> {
  const { root, version, signal } = app.options;
  const stored = await opened.runtime.find(name, signal);
  if (stored === undefined) return undefined;
  const [catalog, { chats }] = await Promise.all([app.catalog(), openTemplates(root)]);
  const identified = await identifyStored(app, stored, opened);
  const { isServer } = capabilitiesOf(opened.identity.kind);
  return buildRecord({
    name,
    runtime: opened.identity,
    stored,
    remains: file?.value,
    // In a store of our own nobody else makes models.
    proven: !isServer || (stored.entryDigest !== undefined && file?.text.includes(stored.entryDigest) === true),
    ...defined({ source: await knownSource(app, stored, catalog) }),
    catalog,
    chatTemplate: async (wanted) => chats.get(wanted)?.text,
    ...(identified !== undefined && { identified }),
    now: new Date(),
    toolVersion: version,
  });
}

/** Where the bytes of a stored model come from: a file that ships with this tool, or what our cache remembers. */
async function knownSource(
  app: AppContext,
  { layerDigest: digest, sizeBytes }: StoredModel,
  { families }: Catalog,
): Promise<InstallRecord['source'] | undefined> {
  if (digest === undefined) return undefined;
  const size = defined({ sizeBytes });
  const quants = families.flatMap(({ family }) => family.models.flatMap((model) => model.quants));
  const bundled = quants.find((quant) => quant.digest === digest)?.bundled;
  if (bundled !== undefined) {
    const path = join(app.options.root, bundled);
    return { ref: path, path, digest, ...size };
  }
  const { cache } = await app.bytes();
  const cached = (await cache.refs.ofDigest(digest)).at(-1);
  return cached && { ref: cached.ref, pinnedRef: cached.pinnedRef, digest, ...size };
}

/** By the header of its file, where that lies on this machine and the catalog knows such a model. */
async function identifyStored(
  app: AppContext,
  { layerDigest }: StoredModel,
  opened: OpenRuntime,
): Promise<Identified | undefined> {
  const { contents } = await openModelFolder(app, opened);
  if ('refused' in contents || layerDigest === undefined) return undefined;
  const blob = contents.blobs.find(({ digest }) => digest === layerDigest);
  if (blob === undefined) return undefined;
  const { path, sizeBytes } = blob;
  try {
    const header = await readInstallableHeader({ kind: 'file', ref: path, path, sizeBytes }, await app.bytes());
    return identifyByHeader(await app.catalog(), header, basename(path), undefined);
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    return undefined;
  }
}
