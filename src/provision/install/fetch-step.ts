import type { Work } from '../../core/progress.ts';
import { formatBytes } from '../../core/units.ts';
import type { RemoteFile } from '../../sources/contract.ts';
import type { InstallPlan } from '../plan/plan.ts';
import type { TransactionEffects } from './effects.ts';
import type { StepOutcome, Steps } from './steps.ts';

/** Brings the file of a plan into our cache; the plan is then one for a file of this machine. */
export async function* fetchStep(
  plan: InstallPlan,
  steps: Steps,
  effects: TransactionEffects,
  signal: AbortSignal,
): Work<{ plan: InstallPlan; bytes: number }> {
  const { source } = plan;
  if (source.kind !== 'file' || source.file.kind !== 'remote') return { plan, bytes: 0 };
  return yield* steps.run('fetch', fetched(plan, source, source.file, effects, signal));
}

async function* fetched(
  plan: InstallPlan,
  source: Extract<InstallPlan['source'], { kind: 'file' }>,
  file: RemoteFile,
  effects: TransactionEffects,
  signal: AbortSignal,
): Work<StepOutcome<{ plan: InstallPlan; bytes: number }>> {
  const { bytesMoved: bytes, ...local } = yield* effects.fetch(file, signal);
  const fetchedFile = { ...told(file), ...local, kind: 'file' as const };
  const detail = bytes === 0 ? 'in the cache, verified' : `${formatBytes(bytes)}, verified`;
  return { result: { plan: { ...plan, source: { ...source, file: fetchedFile } }, bytes }, bytes, detail };
}

/** What the record tells of a file beyond its bytes, should the cache not say it. */
function told({ ref, pinnedRef, fileName, provenance }: RemoteFile) {
  return { ref, pinnedRef, fileName, ...(provenance !== undefined && { provenance }) };
}
