import { ProvisionError } from '../../core/errors.ts';
import { didYouMean } from '../../core/suggest.ts';
import { CHECKPOINTS, type Checkpoint } from './checkpoints.ts';

/** For tests of recovery: the name of a state in which this process kills itself, as a crash would. */
export const CRASH_VARIABLE = 'GEMMA_PROVISION_CRASH_AT';

/** Kills this process with SIGKILL at the checkpoint that the environment names; undefined when it names none. */
export function crashAt(env: Readonly<Record<string, string | undefined>>): ((name: Checkpoint) => void) | undefined {
  const wanted = env[CRASH_VARIABLE];
  if (wanted === undefined || wanted === '') return undefined;
  const at = CHECKPOINTS.find((name) => name === wanted);
  if (at === undefined)
    throw new ProvisionError('bad-configuration', `${CRASH_VARIABLE}=${wanted} names no checkpoint`, {
      suggestions: didYouMean(wanted, CHECKPOINTS),
    });
  return (name) => {
    if (name === at) process.kill(process.pid, 'SIGKILL');
  };
}
