/** The file system in the narrow forms that rooms declare. */
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CatalogFiles } from '../catalog/load.ts';
import { errnoOf } from '../core/errors.ts';
import type { TemplateFiles } from '../modelfile/templates.ts';
import type { RegistryFiles } from '../registry/index.ts';
import { removeText, replaceText } from './replace-text.ts';

/** Undefined when there is no such file. */
async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export const stateFiles: RegistryFiles = {
  readText: readTextIfThere,
  writeAtomic: (path, text) => replaceText(path, text),
  async list(folder) {
    try {
      return await readdir(folder);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  },
  remove: (path) => removeText(path),
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
