import { ProvisionError } from '../../core/errors.ts';
import { didYouMean } from '../../core/suggest.ts';

/**
 * States that a crash can leave behind, in the order of an install; each is reported after the action that it is named after.
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

/** For tests of recovery: the name of a state in which this process kills itself, as a crash would. */
export const CRASH_VARIABLE = 'GEMMA_PROVISION_CRASH_AT';

/** Kills this process with SIGKILL at the checkpoint that the environment names; undefined when it names none. */
export function crashAt(env: Readonly<Record<string, string | undefined>>): ((name: Checkpoint) => void) | undefined {
  const wanted = env[CRASH_VARIABLE];
  if (wanted === undefined || wanted === '') return undefined;
  const at = CHECKPOINTS.find((name) => name === wanted);
  if (at === undefined)
    throw new ProvisionError('bad-configuration', `${CRASH_VARIABLE}=${wanted} is not a checkpoint`, {
      suggestions: didYouMean(wanted, CHECKPOINTS),
    });
  return (name) => {
    if (name === at) process.kill(process.pid, 'SIGKILL');
  };
}
