/** The file system in the narrow forms that rooms declare. */
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CatalogFiles } from '../../catalog/load.ts';
import { errnoOf, messageOf, ProvisionError } from '../../core/errors.ts';
import type { TemplateFiles } from '../../modelfile/templates.ts';
import type { RegistryFiles } from '../../registry/index.ts';

/** Undefined when there is no such file. */
async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Writes beside the file, syncs, renames, and syncs the folder: a reader sees the old text or the new one, also after a
 * power cut. Throws `disk-full` and `file-access`; the old text then stays.
 */
async function writeAtomic(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  try {
    await mkdir(folder, { recursive: true });
    // Loaded on use: most runs write nothing.
    const { default: writeFileAtomic } = await import('write-file-atomic');
    await writeFileAtomic(path, text, { fsync: true });
    await syncFolder(folder);
  } catch (cause) {
    throw notWritten(path, cause);
  }
}

/** Without this a power cut may take the renaming back. Windows has no such call, and needs none. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function notWritten(path: string, cause: unknown): ProvisionError {
  const errno = errnoOf(cause);
  const full = errno === 'ENOSPC' || errno === 'EDQUOT';
  const why = full ? 'the disk is full' : messageOf(cause);
  return new ProvisionError(
    full ? 'disk-full' : 'file-access',
    `${path} cannot be written: ${why}. What it held stays.`,
    {
      cause,
      suggestions: full
        ? ['Make room there, or move our data with GEMMA_PROVISION_HOME.', 'Then run the command again.']
        : ['Check that this user may write in that folder, and that its disk is well.'],
    },
  );
}

export const stateFiles: RegistryFiles = {
  readText: readTextIfThere,
  writeAtomic,
  async list(folder) {
    try {
      return await readdir(folder);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  },
  remove: (path) => rm(path, { force: true }),
};

export const catalogFiles: CatalogFiles = {
  async list(folder) {
    try {
      return await readdir(folder);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  },
  size: async (path) => (await stat(path)).size,
  readText: (path) => readFile(path, 'utf8'),
};

/** Files of this package, by paths relative to its root. */
export function packageFiles(root: string): TemplateFiles {
  return {
    async list(folder) {
      const entries = await readdir(join(root, folder), { withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    },
    readText: (path) => readFile(join(root, path), 'utf8'),
  };
}

/** Opens a file for the time of one task. */
export async function withFile<Result>(
  path: string,
  task: (handle: Awaited<ReturnType<typeof open>>) => Promise<Result>,
): Promise<Result> {
  const handle = await open(path, 'r');
  try {
    return await task(handle);
  } finally {
    await handle.close();
  }
}
