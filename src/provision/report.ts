import type { InstallPlan } from './plan.ts';
import type { InstallReport, StepId } from './schema.ts';

const FILE_STEPS: readonly StepId[] = ['verify', 'store', 'smoke', 'prove', 'promote', 'record'];
const LIBRARY_STEPS: readonly StepId[] = ['pull', 'smoke', 'prove', 'promote', 'record'];

/** The report of a plan that is not carried out. */
export function planReport(plan: InstallPlan): InstallReport {
  const ids = plan.source.kind === 'library' ? LIBRARY_STEPS : FILE_STEPS;
  return {
    dryRun: true,
    changed: false,
    model: plan.model.id,
    quant: plan.quant,
    name: plan.name,
    runtime: plan.runtime,
    source: sourceOf(plan),
    choice: { reasons: [...plan.reasons] },
    plan: { bytesToMove: plan.bytesToMove, disk: [...plan.disk], ...(plan.memory && { memory: plan.memory }) },
    steps: ids.map((id) => ({ id, status: 'planned', ms: 0, bytes: 0 })),
    bytesMoved: 0,
  };
}

function sourceOf({ source }: InstallPlan): InstallReport['source'] {
  if (source.kind === 'library') return { ref: source.ref };
  const { ref, sizeBytes, digest } = source.file;
  return { ref, sizeBytes, ...(digest !== undefined && { digest }) };
}
