import type { Locker } from '../registry/index.ts';
import type { Record as Installed } from '../registry/schema.ts';
import type { Runtime } from '../runtimes/contract.ts';
import type { Suite } from '../smoke/schema.ts';
import type { HashFile } from '../sources/contract.ts';

/** The records of one runtime endpoint. */
export interface Records {
  /** Throws `bad-record` for a file that is broken or too new; with `replace`, a broken one counts as none. */
  find(name: string, replace?: 'replace'): Promise<Installed | undefined>;
  put(record: Installed): Promise<void>;
  drop(name: string): Promise<void>;
}

/** Memory that models take on this host at one moment, in bytes; what cannot be seen is absent. */
export interface MemoryUse {
  /** RAM of the processes that run models. */
  readonly residentBytes?: number;
  /** Memory in use on all GPUs that have their own. */
  readonly vramBytes?: number;
}

/** Everything outside that a transaction touches. */
export interface TransactionEffects {
  readonly runtime: Runtime;
  readonly records: Records;
  readonly hash: HashFile;
  /** Looked at before and after a load; absent where the runtime is elsewhere. */
  readonly memoryUse?: (signal: AbortSignal) => Promise<MemoryUse>;
  readonly locker: Locker;
  readonly now: () => Date;
  /** Milliseconds since any fixed point. */
  readonly clock: () => number;
  readonly toolVersion: string;
}

export interface TransactionOptions {
  /** Absent with `--no-smoke`. */
  readonly suite?: Suite;
  /** Install again although all is in place, and take over names that are not ours. */
  readonly force: boolean;
}
