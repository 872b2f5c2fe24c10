import type { Work } from '../../core/progress.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import type { InstallPlan } from '../plan/plan.ts';
import { wantedDigest } from './candidate.ts';
import type { ChangeEffects } from './effects.ts';
import { BROKEN, look, sameHeld } from './held.ts';
import { Ledger, startOf } from './ledger.ts';
import { discard, type Leftover } from './recover.ts';

/**
 * The journal that an install starts with. Where an interrupted install made exactly what is wanted now, and the runtime
 * still has it, it goes on with that; what another one left is taken back.
 */
export async function* takenUp(
  leftover: Leftover | undefined,
  plan: InstallPlan,
  effects: ChangeEffects,
  signal: AbortSignal,
): Work<{ readonly ledger: Ledger; readonly made: StoredModel | undefined }> {
  if (leftover === undefined) return { ledger: fresh(plan, effects), made: undefined };
  const { wanted, staged } = leftover;
  const found = wanted === wantedDigest(plan) ? await look(effects.runtime, staged.name, signal) : undefined;
  if (found === undefined || found === BROKEN || !sameHeld(found, staged.held)) {
    yield* discard(leftover, effects, signal);
    return { ledger: fresh(plan, effects), made: undefined };
  }
  yield {
    type: 'warning',
    message: `the last install of ${plan.name} was interrupted; it goes on with what is staged`,
  };
  return { ledger: new Ledger(leftover, effects), made: found };
}

function fresh(plan: InstallPlan, effects: ChangeEffects): Ledger {
  return new Ledger(startOf('install', plan.name, effects), effects);
}
