import { join } from 'node:path';
import { errnoOf, messageOf } from '../../core/errors.ts';
import { looseJson } from '../../core/parse.ts';
import type { Disk } from '../../disk/disk.ts';
import type { FolderContents, FolderManifest } from '../contents.ts';
import { factsOf, namesIn, readBlobs } from '../read-blobs.ts';
import { Manifest } from './manifest.ts';

/** Records name the runtime by this; there is one embedded runtime per data folder. */
export const EMBEDDED_ENDPOINT = 'embedded';

/** Its folder in our data folder. */
export const FOLDER_NAME = 'embedded';

/** Where its blobs are. `dataDir`: our data folder. */
export function embeddedBlobs(dataDir: string): string {
  return join(dataDir, FOLDER_NAME, 'blobs');
}

export function embeddedManifests(dataDir: string): string {
  return join(dataDir, FOLDER_NAME, 'models');
}

/** As `readModelsFolder`, of the embedded runtime. */
export async function readEmbeddedFolder(dataDir: string, disk: Disk): Promise<FolderContents> {
  const links: string[] = [];
  const manifests: FolderManifest[] = [];
  const folder = embeddedManifests(dataDir);
  for (const name of (await namesIn(disk, folder)).filter((each) => each.endsWith('.json'))) {
    const path = join(folder, name);
    const facts = await factsOf(disk, path);
    if (facts === undefined) continue;
    if (!facts.isFile()) links.push(path);
    else manifests.push(await readManifest(disk, path, name));
  }
  return {
    folder: join(dataDir, FOLDER_NAME),
    manifests,
    blobs: await readBlobs(disk, embeddedBlobs(dataDir), links),
    links,
  };
}

async function readManifest(disk: Disk, path: string, fileName: string): Promise<FolderManifest> {
  try {
    const parsed = Manifest.safeParse(looseJson(await disk.readFile(path, 'utf8')));
    // The schema has checked the form; its type says no more than text.
    if (parsed.success) return { name: parsed.data.name, path, digests: [parsed.data.digest] };
    return { name: nameOf(fileName), path, digests: [], broken: 'is not a manifest' };
  } catch (thrown) {
    const why = `cannot be read: ${errnoOf(thrown) ?? messageOf(thrown)}`;
    return { name: nameOf(fileName), path, digests: [], broken: why };
  }
}

/** The reverse of `manifestFileName`, as far as a file of that name is one of ours. */
function nameOf(fileName: string): string {
  const text = fileName.replace(/\.json$/, '');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
