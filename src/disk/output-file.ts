/**
 * The one rule for files that a user asks for by name (`--html`, `--save`, a bundle, a lock file): one slip, and a model
 * that took an hour to download would be a page. A file is replaced only by one of its own kind, and no folder is made.
 */

import { dirname, join, resolve } from 'node:path';
import { errnoOf, ProvisionError } from '../core/errors.ts';
import { MIB } from '../core/units.ts';
import { type Disk, withFile } from './disk.ts';
import { diskError } from './errors.ts';
import type { FileFacts, ReadableFile } from './port.ts';

/** A kind of file that this tool writes where the user wants it. */
export interface OutputKind {
  /** `a host profile`. */
  readonly name: string;
  /** A name that the user may choose, for the suggestion: `profile.json`. */
  readonly example: string;
  /** True for a file of this kind. `size` in bytes. */
  matches(file: Pick<ReadableFile, 'read'>, size: number): Promise<boolean>;
}

export interface OutputRequest {
  /** As the user typed it. */
  readonly typed: string;
  /** `--html`; absent for an argument of the command. */
  readonly flag?: string;
  readonly kind: OutputKind;
  /** `--force`: replace any file. */
  readonly force: boolean;
}

/** Returns the absolute path of a file that may be written. Throws `bad-usage`, `file-access`. */
export async function requireOutput(disk: Disk, { typed, flag, kind, force }: OutputRequest): Promise<string> {
  const path = resolve(typed);
  const shown = flag === undefined ? typed : `${flag} ${typed}`;
  const folder = await factsOf(disk, dirname(path));
  if (folder?.isDirectory() !== true) {
    const why = folder === undefined ? 'does not exist' : 'is not a folder';
    throw new ProvisionError('bad-usage', `${shown}: ${dirname(path)} ${why}`, {
      suggestions: [
        `Create the folder first: mkdir -p ${JSON.stringify(dirname(path))}`,
        'Or name a file in another folder.',
      ],
    });
  }
  const found = await factsOf(disk, path);
  if (found === undefined) return path;
  if (!found.isFile()) {
    const what = found.isDirectory() ? 'a folder' : 'not a file';
    throw new ProvisionError('bad-usage', `${shown} is ${what}`, {
      suggestions: [`Name a file: ${flag === undefined ? '' : `${flag} `}${join(typed, kind.example)}`],
    });
  }
  if (force || found.size === 0n || (await isOfKind(disk, path, found, kind))) return path;
  throw new ProvisionError('bad-usage', `${shown} exists and is not ${kind.name} that this tool wrote`, {
    suggestions: ['Choose another name, or replace that file with --force.'],
  });
}

async function factsOf(disk: Disk, path: string): Promise<FileFacts | undefined> {
  try {
    return await disk.stat(path, { bigint: true });
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(cause) ?? '')) return undefined;
    throw diskError('read', path, cause);
  }
}

async function isOfKind(disk: Disk, path: string, { size }: FileFacts, kind: OutputKind): Promise<boolean> {
  try {
    return await withFile(disk, path, (file) => kind.matches(file, Number(size)));
  } catch (cause) {
    throw diskError('read', path, cause);
  }
}

/** The beginning of a file. */
export async function headOf(file: Pick<ReadableFile, 'read'>, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, 0);
  return buffer.subarray(0, bytesRead);
}

/** A page of JSON is below this; a longer file is something else. */
const LARGEST_JSON = MIB;

/** A kind of JSON file that is known by members which no other kind has. */
export function jsonKind(name: string, example: string, members: readonly string[]): OutputKind {
  return {
    name,
    example,
    async matches(file, size) {
      if (size > LARGEST_JSON) return false;
      const value = parse((await headOf(file, size)).toString('utf8'));
      return typeof value === 'object' && value !== null && members.every((each) => Object.hasOwn(value, each));
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
