import { join } from 'node:path';
import { type Catalog, loadCatalog, readCatalogFile } from '../../catalog/load.ts';
import type { CatalogTrust } from '../../catalog/trust.ts';
import { validateCatalogText } from '../../catalog/validate.ts';
import { ProvisionError } from '../../core/errors.ts';
import { type Issue, issueText } from '../../core/parse.ts';
import { realDisk } from '../../disk/disk.ts';
import { loadTemplates, type Templates } from '../../modelfile/templates.ts';
import type { Paths } from '../paths.ts';

/** The catalog of this run: built-in, the config folder's, then `--catalog` files. */
export function openCatalog(
  root: string,
  paths: Paths,
  extra: readonly string[],
  trust?: CatalogTrust,
): Promise<Catalog> {
  const places = {
    builtin: join(root, 'catalog'),
    // In the bundle: scripts/build.ts refuses to build with a wrong one.
    builtinIsChecked: !import.meta.filename.endsWith('.ts'),
    user: join(paths.config, 'catalog'),
    extra,
    ...(trust !== undefined && { trust }),
  };
  return loadCatalog(realDisk, places);
}

export function openTemplates(root: string): Promise<Templates> {
  return loadTemplates(realDisk, root);
}

/** What is wrong with a user's catalog file. It may be partial where it overlays a built-in family. */
export async function validateCatalogFile(root: string, paths: Paths, file: string): Promise<Issue[]> {
  const base = await openCatalog(root, { ...paths, config: join(root, 'no-such-folder') }, []);
  return [...validateCatalogText(file, await readCatalogFile(realDisk, file), base)];
}

/** Throws `bad-catalog` with everything that is wrong in a user's catalog file. */
export async function refuseInvalid(root: string, paths: Paths, file: string): Promise<void> {
  const issues = await validateCatalogFile(root, paths, file);
  if (issues.length === 0) return;
  const lines = issues.slice(0, 10).map((issue) => `  ${issueText(issue)}`);
  throw new ProvisionError('bad-catalog', `${file} is not a valid catalog file:\n${lines.join('\n')}`, {
    suggestions: [`List all problems: gemma-provision catalog validate ${file}`],
  });
}
