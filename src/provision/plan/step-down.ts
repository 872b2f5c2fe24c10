import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { InstallReport } from '../install/schema.ts';
import type { InstallPlan } from './plan.ts';

/**
 * Carries out a plan; where the model turns out not to fit, takes the next smaller way to have it, until one fits or
 * none is left. Every step is reported, and is one of the reasons for what is finally installed. Throws what the last
 * attempt throws: a failed one leaves nothing behind.
 */
export async function* installSmaller(
  plan: InstallPlan,
  install: (plan: InstallPlan) => Work<InstallReport>,
): Work<InstallReport> {
  let current = plan;
  for (;;) {
    try {
      return yield* install(current);
    } catch (error) {
      if (!(error instanceof ProvisionError) || error.code !== 'memory-short') throw error;
      const next = await current.smaller?.();
      if (next === undefined) throw error;
      const why = `${labelOf(current)} does not fit (${error.message}); trying ${labelOf(next)} instead`;
      yield { type: 'warning', message: why };
      current = { ...next, reasons: [why, ...next.reasons] };
    }
  }
}

function labelOf({ model, quant, source }: InstallPlan): string {
  const context = source.kind === 'file' ? source.spec.parameters.num_ctx : undefined;
  return `${model.id}:${quant}${typeof context === 'number' ? ` with ${context} tokens of context` : ''}`;
}
