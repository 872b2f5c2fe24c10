import { join } from 'node:path';
import type { ProvisionError } from '../core/errors.ts';
import { looseJson } from '../core/parse.ts';
import {
  asBadRecord,
  fileNameOf,
  folderOf,
  migrateRecord,
  misplaced,
  nameInBroken,
  parseRecord,
  pathOf,
  RECORD_VERSION,
  type RecordKey,
  type Registry,
  refuseNewer,
} from './record-file.ts';
import { InstallRecord } from './schema.ts';

export interface BrokenRecord {
  readonly path: string;
  /** Of the model, where the file still tells it. */
  readonly name?: string;
  readonly error: ProvisionError;
}

/** All records, by name; a broken file costs itself and never the others. */
export async function readRecords(
  registry: Registry,
): Promise<{ readonly records: InstallRecord[]; readonly broken: BrokenRecord[] }> {
  const folder = folderOf(registry.dataDir);
  const names = (await registry.disk.list(folder)).filter((name) => name.endsWith('.json')).sort();
  const records: InstallRecord[] = [];
  const broken: BrokenRecord[] = [];
  for (const name of names) {
    const path = join(folder, name);
    try {
      const record = await readRecord(registry, path);
      if (record === undefined) continue;
      if (fileNameOf(record) !== name) throw misplaced(path, record);
      records.push(record);
    } catch (error) {
      const text = await registry.disk.readText(path).catch(() => undefined);
      const model = nameInBroken(text ?? '', path);
      broken.push({ path, ...(model !== undefined && { name: model }), error: asBadRecord(error, path) });
    }
  }
  records.sort((a, b) => a.name.localeCompare(b.name) || a.runtime.endpoint.localeCompare(b.runtime.endpoint));
  return { records, broken };
}

/** The record of a name in a runtime, or undefined. Throws `bad-record` when its file is broken or too new. */
export async function findRecord(registry: Registry, key: RecordKey): Promise<InstallRecord | undefined> {
  const path = pathOf(registry.dataDir, key);
  const record = await readRecord(registry, path, key.name);
  if (record !== undefined && fileNameOf(record) !== fileNameOf(key)) throw misplaced(path, record);
  return record;
}

/** As `findRecord`, but a broken file counts as none, since it may be replaced. Throws `bad-record` for one that is too new. */
export async function findRecordToReplace(registry: Registry, key: RecordKey): Promise<InstallRecord | undefined> {
  const path = pathOf(registry.dataDir, key);
  const value = looseJson(await registry.disk.readText(path));
  refuseNewer(value, path, RECORD_VERSION);
  const record = InstallRecord.safeParse(migrateRecord(value)).data;
  return record !== undefined && fileNameOf(record) === fileNameOf(key) ? record : undefined;
}

/**
 * Writes a record in one step and returns its path. A broken file in its place is replaced, that is how an install
 * repairs it; one of a newer version of this tool is not. Throws `bad-record`.
 */
export async function putRecord(registry: Registry, record: InstallRecord): Promise<string> {
  const path = pathOf(registry.dataDir, record);
  refuseNewer(looseJson(await registry.disk.readText(path)), path, RECORD_VERSION);
  await registry.disk.replaceText(path, `${JSON.stringify(InstallRecord.parse(record), null, 2)}\n`);
  return path;
}

/** Forgets a record, broken or not; true when there was one. */
export async function dropRecord(registry: Registry, key: RecordKey): Promise<boolean> {
  const path = pathOf(registry.dataDir, key);
  const present = (await registry.disk.readText(path)) !== undefined;
  if (present) await registry.disk.remove(path);
  return present;
}

async function readRecord(registry: Registry, path: string, name?: string): Promise<InstallRecord | undefined> {
  const text = await registry.disk.readText(path);
  return text === undefined ? undefined : parseRecord(text, path, name);
}

/** What is left of a record file, for the writer of a new one. */
export interface BrokenFile {
  readonly text: string;
  /** Its JSON value; undefined where it is none. */
  readonly value: unknown;
  /** Copies the file beside itself, never over an earlier copy, and returns where to. */
  keep(): Promise<string>;
}

/** The file of a record that cannot be read; undefined when there is no file. */
export async function setAside(registry: Registry, key: RecordKey): Promise<BrokenFile | undefined> {
  const { disk, dataDir } = registry;
  const path = pathOf(dataDir, key);
  const text = await disk.readText(path);
  if (text === undefined) return undefined;
  return {
    text,
    value: looseJson(text),
    async keep() {
      for (let count = 1; ; count += 1) {
        const kept = count === 1 ? `${path}.broken` : `${path}.broken-${count}`;
        const there = await disk.readText(kept);
        if (there === undefined) await disk.replaceText(kept, text);
        if (there === undefined || there === text) return kept;
      }
    },
  };
}
