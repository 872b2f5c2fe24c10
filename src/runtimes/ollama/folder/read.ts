import { join } from 'node:path';
import * as z from 'zod';
import { Digest, digestOf } from '../../../core/digest.ts';
import { errnoOf, messageOf } from '../../../core/errors.ts';
import { looseJson } from '../../../core/parse.ts';
import type { Disk } from '../../../disk/disk.ts';
import type { FolderContents, FolderManifest } from '../../contents.ts';
import { factsOf, namesIn, readBlobs, unlessAbsent } from '../../read-blobs.ts';

/** A manifest is some KiB of JSON; the largest known have under 100 layers. */
const MANIFEST_LIMIT = 4n * 1024n * 1024n;
/** `manifests/<host>/<namespace>/<model>/<tag>`. */
const DEPTH = 4;
const DEFAULT_HOST = 'registry.ollama.ai';
const DEFAULT_NAMESPACE = 'library';

const Layer = z.object({ digest: Digest });
const ManifestFile = z.object({ config: Layer, layers: z.array(Layer).nullish() });

/**
 * Reads a models folder of an Ollama server: what its manifests name and which blobs lie there. Empty and broken
 * manifests are among the findings. `manifests` and `blobs` themselves may be symbolic links, as for the server; nothing
 * within them is followed. Throws what the file system throws, but not for what is not there or vanishes meanwhile.
 */
export async function readModelsFolder(path: string, disk: Disk): Promise<FolderContents> {
  const links: string[] = [];
  const manifests: FolderManifest[] = [];
  const root = await unlessAbsent(disk.realpath(join(path, 'manifests')));
  if (root !== undefined) await walk({ disk, links, manifests }, root, []);
  const folder = await unlessAbsent(disk.realpath(join(path, 'blobs')));
  const blobs = folder === undefined ? [] : await readBlobs(disk, folder, links);
  return { folder: path, manifests, blobs, links };
}

interface Walk {
  readonly disk: Disk;
  readonly links: string[];
  readonly manifests: FolderManifest[];
}

async function walk(state: Walk, folder: string, parts: readonly string[]): Promise<void> {
  for (const name of await namesIn(state.disk, folder)) {
    const path = join(folder, name);
    const facts = await factsOf(state.disk, path);
    if (facts === undefined) continue;
    const here = [...parts, name];
    if (facts.isDirectory()) {
      // Deeper than any name: none of the server's.
      if (here.length < DEPTH) await walk(state, path, here);
    } else if (!facts.isFile()) state.links.push(path);
    else if (here.length === DEPTH && !name.startsWith('.')) {
      const manifest = await readManifest(state.disk, path, nameOf(here), facts.size);
      if (manifest !== undefined) state.manifests.push(manifest);
    }
  }
}

async function readManifest(disk: Disk, path: string, name: string, size: bigint): Promise<FolderManifest | undefined> {
  const broken = (why: string): FolderManifest => ({ name, path, digests: [], broken: why });
  if (size === 0n) return broken('is empty');
  if (size > MANIFEST_LIMIT) return broken('is too large for a manifest');
  let text: string;
  try {
    text = await disk.readFile(path, 'utf8');
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined;
    return broken(`cannot be read: ${errnoOf(thrown) ?? messageOf(thrown)}`);
  }
  const digest = digestOf(text);
  const parsed = ManifestFile.safeParse(looseJson(text));
  if (!parsed.success) return { ...broken('is not a manifest'), digest };
  const { config, layers } = parsed.data;
  // The schema has checked the form; its type says no more than text.
  const digests = [config, ...(layers ?? [])].map((layer) => layer.digest);
  return { name, path, digest, digests: [...new Set(digests)] };
}

function nameOf([host = '', namespace = '', model = '', tag = '']: readonly string[]): string {
  const from = host === DEFAULT_HOST ? [] : [host];
  const of = from.length === 0 && namespace === DEFAULT_NAMESPACE ? [] : [namespace];
  return `${[...from, ...of, model].join('/')}:${tag}`;
}
