export type { TextFiles } from '../disk/disk.ts';
export { type HeldLock, type Locker, withLock, workUnderLock } from '../disk/lock.ts';
export type { Registry } from '../disk/state-files.ts';
export { findAcceptance, hasAccepted, recordAcceptance } from './acceptances.ts';
export { BaselineReport, type BaselineRun, baselineRunOf, compareRuns } from './baseline-run.ts';
export { dropBaselines, type FoundBaseline, findBaseline, keepBaseline } from './baselines.ts';
export {
  type ChangeJournal,
  dropJournal,
  type FoundJournal,
  findJournal,
  type Held,
  type Journal,
  type ListedJournal,
  listJournals,
  putJournal,
  type RemoveJournal,
  type Restore,
} from './journal.ts';
export type { RecordKey } from './record-file.ts';
export { setAside } from './set-aside.ts';
export { type BrokenRecord, dropRecord, findRecord, findRecordToReplace, putRecord, readRecords } from './store.ts';
