export { findAcceptance, hasAccepted, recordAcceptance } from './acceptances.ts';
export {
  BaselineReport,
  type BaselineRun,
  baselineRunOf,
  compareRuns,
  dropBaselines,
  findBaseline,
  keepBaseline,
} from './baselines.ts';
export {
  type ChangeJournal,
  dropJournal,
  type FoundJournal,
  findJournal,
  type Held,
  type Journal,
  listJournals,
  putJournal,
  type RemoveJournal,
  type Restore,
} from './journal.ts';
export type { RecordKey, Registry } from './record-file.ts';
export {
  type BrokenFile,
  type BrokenRecord,
  dropRecord,
  findRecord,
  findRecordToReplace,
  putRecord,
  readRecords,
  setAside,
} from './store.ts';
