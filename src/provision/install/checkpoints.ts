/**
 * States that a crash can leave behind, in the order of an install; each is told after what its name says is done.
 * `transfer`: the first bytes moved; `blob`: all of them; `ready`: the tested model is in the journal. The last two but
 * one are a removal's own.
 */
export const CHECKPOINTS = [
  'lock',
  'plan',
  'fetch',
  'verify',
  'transfer',
  'blob',
  'stage',
  'smoke',
  'prove',
  'ready',
  'backup',
  'promote',
  'record',
  'remove',
  'forget',
  'clean',
  'end',
] as const;
export type Checkpoint = (typeof CHECKPOINTS)[number];
