import type { Cage } from '../../cage/cage.ts';
import type { Digest } from '../../core/digest.ts';
import type { HashFile } from '../../disk/hash.ts';
import type { Locker } from '../../disk/lock.ts';
import {
  dropBaselines,
  dropJournal,
  dropRecord,
  type FoundJournal,
  findJournal,
  findRecord,
  findRecordToReplace,
  type Journal,
  putJournal,
  putRecord,
  type Registry,
} from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { Runtime, RuntimeIdentity } from '../../runtimes/contract.ts';
import type { OpenRuntime } from '../../runtimes/registry.ts';
import type { Suite } from '../../smoke/schema.ts';
import type { FetchFile, StreamFile } from '../../sources/contract.ts';
import { type Checkpoint, crashAt } from './crash.ts';
import type { Reconnect } from './reconnect.ts';

/** The records of one runtime endpoint. */
export interface Records {
  /** Throws `bad-record` for a file that is broken or too new; with `replace`, a broken one counts as none. */
  find(name: string, replace?: 'replace'): Promise<InstallRecord | undefined>;
  put(record: InstallRecord): Promise<void>;
  drop(name: string): Promise<void>;
}

/** Journals of one runtime endpoint: what runs were about to do. */
export interface Journals {
  /** Throws `bad-record` for one of a newer version; a broken one is put aside. */
  find(name: string): Promise<FoundJournal | undefined>;
  put(journal: Journal): Promise<void>;
  drop(name: string): Promise<void>;
}

/** Everything that carrying out, taking back and finishing a change needs. */
export interface RecoveryEffects {
  readonly runtime: Runtime;
  readonly records: Records;
  readonly journals: Journals;
  /** For tests: called when a state is reached that a crash could leave behind (`CHECKPOINTS`). */
  readonly checkpoint?: (name: Checkpoint) => void;
}

/** Everything that a change of what a name answers with needs. */
export interface ChangeEffects extends RecoveryEffects {
  /** Where chat templates and JSON Schemas of others run. */
  readonly cage: Cage;
  readonly locker: Locker;
  readonly now: () => Date;
  /** Milliseconds since any fixed point. */
  readonly clock: () => number;
  readonly toolVersion: string;
  /** How long to wait for a runtime that stopped responding; the default unless given. */
  readonly reconnect?: Reconnect;
}

/** Memory that models take on this host at one moment, in bytes; what cannot be seen is absent. */
export interface MemoryUse {
  /** RAM of the processes that run models. */
  readonly residentBytes?: number;
  /** Memory in use on all GPUs that have their own. */
  readonly vramBytes?: number;
}

/** Everything outside that a transaction touches. */
export interface TransactionEffects extends ChangeEffects {
  readonly hash: HashFile;
  /** Into our cache. */
  readonly fetch: FetchFile;
  /** Past our cache, straight into the runtime. */
  readonly stream: StreamFile;
  /** Looked at before and after a load; absent where the runtime is elsewhere. */
  readonly memoryUse?: (signal: AbortSignal) => Promise<MemoryUse>;
  /** When a licence text was accepted on this host; undefined where that is not on record. */
  readonly acceptedAt?: (licence: string, textDigest: Digest) => Promise<string | undefined>;
}

export interface TransactionOptions {
  /** Absent with `--no-smoke`. */
  readonly suite?: Suite;
  /** Install again although all is in place, and take over names that are not ours. */
  readonly force: boolean;
  /** False: what is replaced is not kept for a rollback. */
  readonly keep?: boolean;
  /** The lock file or bundle that is installed from. */
  readonly lock?: Digest;
}

/** Where a change happens: an opened runtime, and where it is recorded. */
export interface ChangeParts {
  readonly opened: Pick<OpenRuntime, 'runtime' | 'identity'>;
  readonly registry: Registry;
  readonly locker: Locker;
  readonly cage: Cage;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What every change of an installed model needs, from the real parts. */
export function changeEffects({ opened, registry, locker, cage, version, env }: ChangeParts): ChangeEffects {
  const checkpoint = crashAt(env);
  return {
    runtime: opened.runtime,
    records: recordsOf(registry, opened.identity),
    journals: journalsOf(registry, opened.identity),
    locker,
    cage,
    now: () => new Date(),
    clock: () => performance.now(),
    toolVersion: version,
    ...(checkpoint !== undefined && { checkpoint }),
  };
}

/** The records of one runtime endpoint. */
export function recordsOf(registry: Registry, { kind, endpoint }: RuntimeIdentity): Records {
  const keyOf = (name: string) => ({ name, runtime: { kind, endpoint } });
  return {
    find: (name, replace) => (replace ? findRecordToReplace : findRecord)(registry, keyOf(name)),
    async put(record) {
      await putRecord(registry, record);
    },
    async drop(name) {
      await dropRecord(registry, keyOf(name));
      await dropBaselines(registry, keyOf(name));
    },
  };
}

/** The journals of one runtime endpoint. */
export function journalsOf(registry: Registry, { kind, endpoint }: RuntimeIdentity): Journals {
  const keyOf = (name: string) => ({ name, runtime: { kind, endpoint } });
  return {
    find: (name) => findJournal(registry, keyOf(name)),
    put: (journal) => putJournal(registry, journal),
    drop: (name) => dropJournal(registry, keyOf(name)),
  };
}
