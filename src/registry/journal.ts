/** What a run that changes a model was about to do, so that the next one can bring it to a definite state. */
import { join } from 'node:path';
import * as z from 'zod';
import { Digest } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { looseJson } from '../core/parse.ts';
import { RuntimeIdentity } from '../runtimes/contract.ts';
import { fileNameOf, type RecordKey, type Registry } from './record-file.ts';
import { InstallRecord } from './schema.ts';

/** Higher versions hold what this one cannot carry out. */
const VERSION = 1;

/** What a name of the runtime answers with, as far as the runtime reports. */
export const Held = z.strictObject({ entryDigest: Digest.optional(), layerDigest: Digest.optional() });
export type Held = z.infer<typeof Held>;

/** A name that gets back what it had, unless it still has it. */
export const Restore = z.strictObject({
  name: z.string(),
  /** Absent: the name did not exist. */
  was: Held.optional(),
  /** Another name of the same model, made before this one was touched. */
  from: z.string().optional(),
});
export type Restore = z.infer<typeof Restore>;

const Common = {
  schemaVersion: z.literal(VERSION),
  name: z.string(),
  runtime: RuntimeIdentity.pick({ kind: true, endpoint: true }),
  startedAt: z.iso.datetime(),
  toolVersion: z.string(),
};

/** An install or a rollback. Until `after` is there, taking back is the only way; with it, the name decides. */
export const ChangeJournal = z.strictObject({
  ...Common,
  operation: z.enum(['install', 'rollback']),
  /** The step that is under way. */
  step: z.enum(['plan', 'fetch', 'verify', 'stage', 'prove', 'promote', 'record', 'clean']),
  undo: z.strictObject({
    restores: z.array(Restore),
    /** Names that this run makes and that no record speaks of. */
    drop: z.array(z.string()),
  }),
  /** What was to be made, so that the same install again can go on with what is staged. */
  wanted: Digest.optional(),
  /** Made whole, not tested yet. */
  staged: z.strictObject({ name: z.string(), held: Held }).optional(),
  /** Tested: what the name has in the end, the record of it, and what is then not needed any more. */
  after: z.strictObject({ held: Held, record: InstallRecord, drop: z.array(z.string()) }).optional(),
});
export type ChangeJournal = z.infer<typeof ChangeJournal>;

/** A removal is completed, never rolled back. */
export const RemoveJournal = z.strictObject({
  ...Common,
  operation: z.literal('remove'),
  /** What the name had; absent when the runtime did not have it. */
  had: Held.optional(),
  /** Names of earlier versions that go with it. */
  drop: z.array(z.string()),
});
export type RemoveJournal = z.infer<typeof RemoveJournal>;

export const Journal = z.discriminatedUnion('operation', [ChangeJournal, RemoveJournal]);
export type Journal = z.infer<typeof Journal>;

/** A journal that cannot be read was moved to `savedAs`, with all that it said. */
export type FoundJournal = { readonly journal: Journal } | { readonly savedAs: string };

/** The journal of a name, if a run on it did not come to its end. Throws `bad-record` for one of a newer version. */
export async function findJournal(registry: Registry, key: RecordKey): Promise<FoundJournal | undefined> {
  const path = pathOf(registry, key);
  const text = await registry.disk.readText(path);
  if (text === undefined) return undefined;
  const value = looseJson(text);
  refuseNewer(value, path);
  const parsed = Journal.safeParse(value).data;
  if (parsed !== undefined && isOf(parsed, key)) return { journal: parsed };
  const savedAs = `${path}.broken`;
  await registry.disk.replaceText(savedAs, text);
  await registry.disk.remove(path);
  return { savedAs };
}

/** The journal is of this name, and so is the record that it holds. */
function isOf(journal: Journal, key: RecordKey): boolean {
  const record = journal.operation === 'remove' ? undefined : journal.after?.record;
  return [journal, record ?? journal].every((each) => fileNameOf(each) === fileNameOf(key));
}

/** Writes a journal in one step. The caller must hold the lock of the name. */
export async function putJournal(registry: Registry, journal: Journal): Promise<void> {
  const text = `${JSON.stringify(Journal.parse(journal), null, 2)}\n`;
  await registry.disk.replaceText(pathOf(registry, journal), text);
}

export async function dropJournal(registry: Registry, key: RecordKey): Promise<void> {
  await registry.disk.remove(pathOf(registry, key));
}

export interface ListedJournal {
  /** Absolute. */
  readonly path: string;
  /** Absent where the file cannot be read or is of a newer version. */
  readonly journal?: Journal;
}

/** The journals of all names, those under way included: only the lock of a name shows whether its run is alive. */
export async function listJournals(registry: Registry): Promise<ListedJournal[]> {
  const folder = folderOf(registry);
  const names = (await registry.disk.list(folder)).filter((name) => name.endsWith('.json')).sort();
  const found: ListedJournal[] = [];
  for (const name of names) {
    const path = join(folder, name);
    const journal = Journal.safeParse(looseJson(await registry.disk.readText(path))).data;
    found.push({ path, ...(journal !== undefined && { journal }) });
  }
  return found;
}

function folderOf({ dataDir }: Registry): string {
  return join(dataDir, 'journal');
}

function pathOf(registry: Registry, key: RecordKey): string {
  return join(folderOf(registry), fileNameOf(key));
}

const Newer = z.object({ schemaVersion: z.int().min(VERSION + 1) });

function refuseNewer(value: unknown, path: string): void {
  const newer = Newer.safeParse(value).data;
  if (newer === undefined) return;
  throw new ProvisionError(
    'bad-record',
    `${path} is the journal of an interrupted run of a newer version of gemma-provision (schemaVersion ${newer.schemaVersion}, this version knows ${VERSION}).`,
    { suggestions: ['Run the same command with the newer version: it completes the interrupted run.'] },
  );
}
