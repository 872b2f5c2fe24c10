/** The stores of other tools, with how each names its files. */
import { join } from 'node:path';
import type { Env } from '../../core/environment.ts';
import type { Disk } from '../../disk/port.ts';
import { possibleModelsFolders } from '../../hardware/models-folder.ts';
import { hubCache } from '../huggingface/folders.ts';
import type { Store } from './contract.ts';

export interface StoreFacts {
  /** `process.platform`. */
  readonly platform: string;
  readonly env: Env;
  /** The user's home folder. */
  readonly home: string;
  readonly disk: Pick<Disk, 'readdir'>;
}

/** More names than any user has; a folder with more is not searched further. */
const MOST_NAMES = 2_000;

/** The stores of this user, in the order in which they are searched: first those where a file's name is its digest. */
export function knownStores(facts: StoreFacts): Store[] {
  return [
    hubStore(hubCache(facts.env, facts.home), facts.disk),
    ...possibleModelsFolders(facts).map(ollamaStore),
    ...lmStudioFolders(facts.home).map((folder) => lmStudioStore(folder, facts.disk)),
  ];
}

/** `models--OWNER--REPOSITORY/blobs/<SHA-256>`: large files are named by the digest of large-file storage. Snapshots are links to them. */
function hubStore(folder: string, disk: StoreFacts['disk']): Store {
  return {
    name: 'Hugging Face cache',
    folder,
    namedByDigest: true,
    async candidates({ digest }) {
      const repositories = (await namesIn(disk, folder)).filter((name) => name.startsWith('models--'));
      return repositories.map((name) => join(folder, name, 'blobs', hexOf(digest)));
    },
  };
}

/** `blobs/sha256-<SHA-256>` in a models folder; servers before 0.30 keep the digest of the GGUF that they were given. */
function ollamaStore(models: string): Store {
  // `blobs` itself may be a link, as for the server.
  const folder = join(models, 'blobs');
  return {
    name: 'Ollama',
    folder,
    namedByDigest: true,
    candidates: async ({ digest }) => [join(folder, `sha256-${hexOf(digest)}`)],
  };
}

/** LM Studio's folder since 0.3, and the older one. */
function lmStudioFolders(home: string): string[] {
  return [join(home, '.lmstudio', 'models'), join(home, '.cache', 'lm-studio', 'models')];
}

/** `OWNER/REPOSITORY/FILE`, by the publisher's file name. */
function lmStudioStore(folder: string, disk: StoreFacts['disk']): Store {
  return {
    name: 'LM Studio',
    folder,
    namedByDigest: false,
    async candidates({ fileName }) {
      if (fileName === undefined) return [];
      const owners = await namesIn(disk, folder);
      const repositories = await Promise.all(
        owners.map(async (owner) =>
          (await namesIn(disk, join(folder, owner))).map((name) => join(folder, owner, name)),
        ),
      );
      return repositories.flat().map((repository) => join(repository, fileName));
    },
  };
}

function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}

/** What cannot be listed has nothing to offer. */
async function namesIn(disk: StoreFacts['disk'], folder: string): Promise<string[]> {
  const names = await disk.readdir(folder).catch(() => []);
  return names.slice(0, MOST_NAMES);
}
