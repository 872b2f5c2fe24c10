/** The catalog of this run: the built-in families with the user's laid over them. */

import { join } from 'node:path';
import { errnoOf, ProvisionError } from '../core/errors.ts';
import { type Issue, issueText, parseJson } from '../core/parse.ts';
import { formatBytes, MIB } from '../core/units.ts';
import type { Disk } from '../disk/disk.ts';
import { diskError } from '../disk/errors.ts';
import type { SeenVersion } from '../trust/index.ts';
import type { Family } from './schema.ts';
import type { CatalogTrust } from './trust.ts';

export interface CatalogPlaces {
  /** The folder that ships with this package. */
  readonly builtin: string;
  /** True where the build of this package checked the built-in files already: they are only parsed then. */
  readonly builtinIsChecked?: boolean;
  /** The user's folder; may be absent on disk. */
  readonly user?: string;
  /** `--catalog FILE`, in the order given. */
  readonly extra?: readonly string[];
  /** What files other than the built-in ones must prove. */
  readonly trust?: CatalogTrust;
}

export interface CatalogFile {
  readonly path: string;
  readonly origin: 'builtin' | 'user' | 'flag';
}

export interface LoadedFamily {
  readonly family: Family;
  /** The file that defined it, then those laid over it, in order. */
  readonly origins: readonly CatalogFile[];
}

export interface Catalog {
  readonly families: readonly LoadedFamily[];
}

/** A catalog file is a page of data (the built-in ones are below 1 MiB); anything beyond is the wrong file, such as a GGUF. */
const FILE_LIMIT = 4 * MIB;

/** So that a file which is wrong everywhere does not scroll its first mistake away. */
const ISSUES_SHOWN = 50;

/**
 * Reads every `*.json` directly in the built-in folder, then in the user's folder (both in the order of their names), then each
 * extra file; `overlay.ts` says how later files change earlier ones.
 * Throws `bad-catalog` with everything that is wrong in all of the files, `file-not-found` or `file-access` for a file that cannot be read,
 * `untrusted` and `stale-catalog` as `trust.ts` says.
 */
export async function loadCatalog(disk: Disk, places: CatalogPlaces): Promise<Catalog> {
  const loaded = new Map<string, LoadedFamily>();
  const families = new Map<string, Family>();
  const broken = new Set<string>();
  const complaints: { file: CatalogFile; issues: readonly Issue[] }[] = [];
  const fresh: SeenVersion[] = [];
  for (const file of await filesOf(disk, places)) {
    const text = await readCatalogFile(disk, file.path);
    const settle = file.origin === 'builtin' ? undefined : await trustOf(disk, file.path, text, places.trust);
    const inspection =
      file.origin === 'builtin' && places.builtinIsChecked
        ? trusted(file.path, text)
        : (await import('./document.ts')).inspectDocument(file.path, text, families, broken);
    if (inspection.ok) {
      const { family } = inspection;
      fresh.push(...((await settle?.(inspection.document)) ?? []));
      families.set(family.id, family);
      loaded.set(family.id, { family, origins: [...(loaded.get(family.id)?.origins ?? []), file] });
    } else {
      complaints.push({ file, issues: inspection.issues });
      if (inspection.id !== undefined && !families.has(inspection.id)) broken.add(inspection.id);
    }
  }
  if (complaints.length > 0) throw badCatalog(complaints);
  await places.trust?.seen.keep(fresh);
  return { families: [...loaded.values()] };
}

/** A built-in file that the build checked. Throws `bad-catalog` if the installation was damaged since. */
function trusted(path: string, text: string) {
  const suggestions = ['The built-in catalog is damaged: install gemma-provision again.'];
  const document = parseJson(text, { name: path, code: 'bad-catalog', suggestions });
  return { ok: true, family: document as Family, document } as const;
}

/**
 * Checks the signature of a file, and returns what is left to check once its content is known to be a catalog's: that it
 * has not expired and is not older than what was seen. Gives what is to be remembered of it.
 */
async function trustOf(disk: Disk, path: string, text: string, trust: CatalogTrust | undefined) {
  if (trust === undefined) return undefined;
  const [{ checkExpiry, checkSignature, signaturePathOf, versionedCatalog }, { checkUnsignedVersion, checkVersion }] =
    await Promise.all([import('./trust.ts'), import('../trust/index.ts')]);
  const signature = trust.keys.length === 0 ? undefined : await readIfThere(disk, signaturePathOf(path));
  const key = await checkSignature({ path, text, signature }, trust);
  return async (document: unknown): Promise<readonly SeenVersion[]> => {
    checkExpiry(path, document, trust.now);
    const versioned = versionedCatalog({ path, text }, document);
    if (versioned === undefined || trust.keys.length === 0) return [];
    const seen = await trust.seen.read();
    if (key === undefined) checkUnsignedVersion(versioned, trust.keys, seen);
    const fresh = key && checkVersion(versioned, key, seen);
    return fresh === undefined ? [] : [fresh];
  };
}

async function filesOf(disk: Disk, places: CatalogPlaces): Promise<CatalogFile[]> {
  const builtin = await jsonIn(disk, places.builtin);
  if (builtin === undefined)
    throw new ProvisionError(
      'file-not-found',
      `The built-in catalog is missing: the folder ${places.builtin} does not exist`,
      {
        suggestions: ['Install gemma-provision again.'],
      },
    );
  const user = places.user === undefined ? [] : ((await jsonIn(disk, places.user)) ?? []);
  return [
    ...builtin.map((path): CatalogFile => ({ path, origin: 'builtin' })),
    ...user.map((path): CatalogFile => ({ path, origin: 'user' })),
    ...(places.extra ?? []).map((path): CatalogFile => ({ path, origin: 'flag' })),
  ];
}

async function jsonIn(disk: Disk, folder: string): Promise<string[] | undefined> {
  const names = await attempt(folder, () => listFolder(disk, folder));
  return names
    ?.filter((name) => /^[^.].*\.json$/i.test(name))
    .sort()
    .map((name) => join(folder, name));
}

/** Undefined when the folder does not exist. */
async function listFolder(disk: Disk, folder: string): Promise<string[] | undefined> {
  try {
    return await disk.readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The text of a catalog file. Throws `bad-catalog` for one that is too large, `file-not-found`, `file-access`. */
export async function readCatalogFile(disk: Disk, path: string): Promise<string> {
  const size = await attempt(path, async () => Number((await disk.stat(path, { bigint: true })).size));
  if (size > FILE_LIMIT)
    throw new ProvisionError('bad-catalog', `${path} is ${formatBytes(size)}, too large for a catalog file`, {
      suggestions: ['Use --from for a model file, and --catalog for a catalog file (JSON).'],
    });
  return attempt(path, () => disk.readFile(path, 'utf8'));
}

async function readIfThere(disk: Disk, path: string): Promise<string | undefined> {
  try {
    return await readCatalogFile(disk, path);
  } catch (error) {
    if (error instanceof ProvisionError && error.code === 'file-not-found') return undefined;
    throw error;
  }
}

async function attempt<Result>(path: string, effect: () => Promise<Result>): Promise<Result> {
  try {
    return await effect();
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT')
      throw new ProvisionError('file-not-found', `The catalog file ${path} does not exist`, { cause });
    throw diskError('read', path, cause);
  }
}

function badCatalog(complaints: readonly { file: CatalogFile; issues: readonly Issue[] }[]): ProvisionError {
  const faulty = complaints.filter(({ issues }) => issues.length > 0);
  const blocks = faulty.map(({ file, issues }) => {
    const lines = issues.slice(0, ISSUES_SHOWN).map((issue) => `  ${issueText(issue)}`);
    if (issues.length > lines.length) lines.push(`  … and ${issues.length - lines.length} more`);
    return `${file.path} is not a valid catalog file:\n${lines.join('\n')}`;
  });
  const own = faulty.filter(({ file }) => file.origin !== 'builtin');
  return new ProvisionError('bad-catalog', blocks.join('\n'), {
    suggestions:
      own.length === 0
        ? ['The built-in catalog is damaged: install gemma-provision again.']
        : own.map(({ file }) => `Check the file with: gemma-provision catalog validate ${file.path}`),
  });
}
