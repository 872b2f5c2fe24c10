import type { Work } from '../../core/progress.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import type { InstallPlan } from '../plan/plan.ts';
import type { TransactionEffects, TransactionOptions } from './effects.ts';
import { heldAgainstEstimate } from './measure.ts';
import { onceMore } from './once-more.ts';
import { proveStep } from './prove-step.ts';
import type { Tested } from './record.ts';
import { smokeStep, subjectOf } from './smoke-step.ts';
import type { Steps } from './steps.ts';

interface Testing {
  readonly plan: InstallPlan;
  readonly options: TransactionOptions;
  readonly effects: TransactionEffects;
  readonly signal: AbortSignal;
  readonly steps: Steps;
}

/**
 * Smoke test and proof of the prompt; neither when no suite is wanted. A runtime that dies under them and comes back is
 * asked once more.
 */
export function testStep(
  made: { readonly name: string; readonly stored: StoredModel },
  testing: Testing,
): Work<Tested> {
  const { effects, signal } = testing;
  return onceMore(effects, made.name, signal, () => tested(made, testing));
}

async function* tested(
  made: { readonly name: string; readonly stored: StoredModel },
  { plan, options, effects, signal, steps }: Testing,
): Work<Tested> {
  const { suite } = options;
  const before = suite === undefined ? undefined : await effects.memoryUse?.(signal);
  const smoke = yield* smokeStep(subjectOf(made, plan), suite, steps, effects.runtime, signal);
  effects.checkpoint?.('smoke');
  const model = suite !== undefined && smoke !== undefined ? { stored: made.stored, suite, smoke } : undefined;
  const memory =
    smoke === undefined ? undefined : yield* heldAgainstEstimate(made.name, plan, options, effects, before, signal);
  const prompt = yield* proveStep(plan, model, steps, effects.runtime, signal);
  effects.checkpoint?.('prove');
  return {
    ...(smoke !== undefined && { smoke }),
    ...(prompt !== undefined && { prompt }),
    ...(memory !== undefined && { memory }),
  };
}
