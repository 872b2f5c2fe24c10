/** A host with one model installed, and what is on it, byte for byte: what a fault must leave as it was. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Answer, type Home, Q2, Q4, type RunOptions } from '../../helpers/cli.ts';
import { sha256 } from '../../helpers/origin.ts';

export const NAME = 'faulty:latest';
export const OLD = readFileSync(Q2);
export const NEW = readFileSync(Q4);
export const FILES = { '/old.gguf': OLD, '/new.gguf': NEW };

/** Arguments of an install of one file that an origin has. */
export function fromOrigin(url: string, file: keyof typeof FILES, digest = sha256(FILES[file])): string[] {
  const from = ['--from', `${url}${file}`, '--digest', digest];
  return [...from, '--name', NAME, '--runtime', 'embedded', '--no-smoke'];
}

export function installOf(home: Home, args: readonly string[], options?: RunOptions): Promise<Answer<'install'>> {
  return home.json('install', args, options);
}

/** Installs OLD from the file of this package: what must survive. */
export async function withOldModel(home: Home): Promise<Snapshot> {
  const args = ['--from', Q2, '--name', NAME, '--runtime', 'embedded', '--no-smoke', '--accept-license'];
  expect(await installOf(home, args)).toMatchObject({ code: 0, data: { changed: true } });
  return snapshot(home);
}

/** Digests of files by their paths in a home. */
export type Snapshot = Readonly<Record<string, string>>;

/** What is installed: records, the runtime's models and blobs, and the journal; not locks and accepted licences. */
export function snapshot(home: Home): Snapshot {
  return Object.fromEntries(
    filesUnder(home.path, 'data')
      .filter((path) => !/^data\/(?:locks|licences)/.test(path))
      .map((path) => [
        path,
        createHash('sha256')
          .update(readFileSync(join(home.path, path)))
          .digest('hex'),
      ]),
  );
}

/** Paths of the files under a folder of a home, sorted; none when the folder is not there. */
export function filesUnder(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder), { withFileTypes: true })
      .flatMap((entry) => {
        const path = join(folder, entry.name);
        return entry.isDirectory() ? filesUnder(root, path) : [path];
      })
      .sort();
  } catch {
    return [];
  }
}

/** Half-downloaded files with their notes, and whole files, in the cache: their sizes in bytes. */
export function cached(home: Home): { readonly partial: number[]; readonly blobs: number[] } {
  const sizes = (folder: string) => filesUnder(home.path, folder).map((path) => lstatSync(join(home.path, path)).size);
  return { partial: sizes('cache/partial'), blobs: sizes('cache/blobs') };
}

/** All that an error says, in one text. */
export function errorText({ error }: Pick<Answer<'install'>, 'error'>): string {
  return [error.message, ...error.causes, ...error.suggestions].join('\n');
}

export async function quantsOf(home: Home): Promise<string[]> {
  return ((await home.json('list', [])).data?.records ?? []).map(({ quant }) => quant);
}
