import { basename, join } from 'node:path';
import * as z from 'zod';
import { digestOf } from '../core/digest.ts';
import { messageOf, ProvisionError } from '../core/errors.ts';
import { checkDocument, parseJson } from '../core/parse.ts';
import type { TextFiles } from '../disk/disk.ts';
import type { RuntimeIdentity } from '../runtimes/contract.ts';
import { parseModelName } from '../runtimes/names.ts';
import { InstallRecord } from './schema.ts';

/** The state of this tool on this host. A writer must hold the lock (`withLock`). */
export interface Registry {
  readonly disk: TextFiles;
  /** Absolute path of our data folder. */
  readonly dataDir: string;
}

/** What a record is found by: the version of a runtime changes, where it answers does not. */
export interface RecordKey {
  readonly name: string;
  readonly runtime: Pick<RuntimeIdentity, 'kind' | 'endpoint'>;
}

export function folderOf(dataDir: string): string {
  return join(dataDir, 'registry');
}

/**
 * `gemma-3n-e4b-q5_k_m-1f0c2ab34d.json`: a part for people and 10 hex digits for uniqueness, so that two names that
 * look alike (`a/b`, `a-b`, `a:b`) never share a file, whatever the file system makes of their characters. Names of the
 * same model (`gemma`, `Gemma:latest`) do share one.
 */
export function fileNameOf(key: RecordKey): string {
  const hash = digestOf(JSON.stringify([key.runtime.kind, key.runtime.endpoint, canonicalOf(key.name)])).slice(7, 17);
  return `${readablePart(key.name)}-${hash}.json`;
}

function readablePart(name: string): string {
  const readable = name
    .replace(/:latest$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9._]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 60);
  return readable === '' ? 'model' : readable;
}

/** The name of the model whose record is broken, where the text still contains one that belongs to the file's name. */
export function nameInBroken(text: string, path: string): string | undefined {
  const name = /"name"\s*:\s*"([A-Za-z0-9._:/-]{1,200})"/.exec(text)?.[1];
  return name !== undefined && basename(path).startsWith(`${readablePart(name)}-`) ? name : undefined;
}

function canonicalOf(name: string): string {
  try {
    return parseModelName(name).canonical;
  } catch {
    // Not a name by the runtime's rules: it is kept as it is.
    return name;
  }
}

export function pathOf(dataDir: string, key: RecordKey): string {
  return join(folderOf(dataDir), fileNameOf(key));
}

/** The version of records that this version of the tool writes. */
export const RECORD_VERSION = 2;

/** Parses a record file; `name`: of its model, for the remedy. Throws `bad-record`, which says whether the file is broken or only too new. */
export function parseRecord(text: string, path: string, name = nameInBroken(text, path)): InstallRecord {
  const document = { name: path, code: 'bad-record', suggestions: remedies(path, name) } as const;
  const value = parseJson(text, document);
  refuseNewer(value, path, RECORD_VERSION);
  return checkDocument(InstallRecord, migrateRecord(value), document, Object.keys(InstallRecord.shape));
}

/** Throws `bad-record` for a state file of a later version of this tool, which must not be read as broken or overwritten. */
export function refuseNewer(value: unknown, path: string, known = 1): void {
  const version = z.object({ schemaVersion: z.int().min(known + 1) }).safeParse(value);
  if (!version.success) return;
  throw new ProvisionError(
    'bad-record',
    `${path} was written by a newer version of gemma-provision (its schemaVersion is ${version.data.schemaVersion}, this version knows ${known}).`,
    { suggestions: ['Upgrade gemma-provision on this host; the file is left as it is.'] },
  );
}

/** What was thrown while a state file was read, as a `bad-record`. */
export function asBadRecord(error: unknown, path: string): ProvisionError {
  if (error instanceof ProvisionError) return error;
  return new ProvisionError('bad-record', `${path} cannot be read: ${messageOf(error)}`, {
    cause: error,
    suggestions: [`Check who may read the file: ${path}`],
  });
}

/** For a good record in a file of another name: a copy by hand, that `find` would never see. */
export function misplaced(path: string, record: InstallRecord): ProvisionError {
  return new ProvisionError(
    'bad-record',
    `${path} contains the record of ${record.name}, which belongs in ${fileNameOf(record)}.`,
    { suggestions: [`Remove the file: ${path}`] },
  );
}

function remedies(path: string, name = 'NAME'): string[] {
  return [
    `Repair it: gemma-provision repair ${name}`,
    'Or install the model again with --force, which writes a new record.',
    `Or remove the file, which deletes the record and keeps the model: ${path}`,
  ];
}

/** Records of earlier versions of this tool, brought to the present schema as they are read. */

/** What of version 1 has to be known to leave it: everything else kept its name and meaning. */
const Version1 = z.looseObject({ schemaVersion: z.literal(1), previous: z.unknown().optional() });

/**
 * A record's value in the present schema, unchecked. Of the previous version, version 1 recorded only its quant and source, and
 * kept nothing of it in the runtime: nothing could be rolled back to it, so it is left out. What version 1 did not write
 * (the suite, the way in, the pinned reference) stays absent.
 */
export function migrateRecord(value: unknown): unknown {
  const old = Version1.safeParse(value);
  if (!old.success) return value;
  const { previous: _untold, ...kept } = old.data;
  return { ...kept, schemaVersion: 2 };
}
