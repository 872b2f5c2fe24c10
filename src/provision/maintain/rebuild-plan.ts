import { basename } from 'node:path';
import { ProvisionError } from '../../core/errors.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import type { OpenRuntime } from '../../runtimes/open.ts';
import type { AppContext } from '../context.ts';
import { openTemplates } from '../plan/catalog.ts';
import { readInstallableHeader } from '../plan/header.ts';
import { type Identified, identifyByHeader } from '../plan/identify.ts';
import { placeOf } from './places.ts';
import { rebuildRecord } from './rebuild.ts';

/** A record for what a name holds in the runtime; undefined when there is no such model, or none of the catalog. */
export async function rebuiltRecord(
  name: string,
  remains: unknown,
  opened: OpenRuntime,
  app: AppContext,
): Promise<InstallRecord | undefined> {
  const { root, version, signal } = app.options;
  const stored = await opened.runtime.find(name, signal);
  if (stored === undefined) return undefined;
  const [catalog, { chats }] = await Promise.all([app.catalog(), openTemplates(root)]);
  const identified = await identifiedBy(stored, opened, app);
  return rebuildRecord({
    name,
    runtime: opened.identity,
    stored,
    remains,
    catalog,
    chatTemplate: async (wanted) => chats.get(wanted)?.text,
    ...(identified !== undefined && { identified }),
    now: new Date(),
    toolVersion: version,
  });
}

/** By the header of its file, where that lies on this machine and the catalog knows such a model. */
async function identifiedBy(
  { layerDigest }: StoredModel,
  opened: OpenRuntime,
  app: AppContext,
): Promise<Identified | undefined> {
  const { contents } = await placeOf(opened, app);
  if ('refused' in contents || layerDigest === undefined) return undefined;
  const blob = contents.blobs.find(({ digest }) => digest === layerDigest);
  if (blob === undefined) return undefined;
  const { path, sizeBytes } = blob;
  try {
    const header = await readInstallableHeader({ kind: 'file', ref: path, path, sizeBytes });
    return identifyByHeader(await app.catalog(), header, basename(path), undefined);
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    return undefined;
  }
}
