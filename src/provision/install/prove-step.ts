import { ProvisionError } from '../../core/errors.ts';
import type { ProgressEvent, Work } from '../../core/progress.ts';
import type { Runtime, StoredModel } from '../../runtimes/contract.ts';
import { proveAfterSmoke } from '../../smoke/prompt/prove.ts';
import type { Finding, PromptProof } from '../../smoke/prompt/schema.ts';
import type { SmokeResult, Suite } from '../../smoke/schema.ts';
import type { InstallPlan } from '../plan/plan.ts';
import type { StepOutcome, Steps } from './steps.ts';

/** The model under test, with what its smoke test told. */
export interface UnderTest {
  /** As the runtime has it, under the name that it has now. */
  readonly stored: StoredModel;
  readonly suite: Suite;
  readonly smoke: SmokeResult;
}

/**
 * Holds the prompt that the runtime really makes against the one that the model was trained with. Throws
 * `prompt-differs` when a model that we created ourselves is fed another one. What the library ships is its
 * publisher's own choice: there a difference is told and recorded.
 */
export async function* proveStep(
  plan: InstallPlan,
  model: UnderTest | undefined,
  steps: Steps,
  runtime: Runtime,
  signal: AbortSignal,
): Work<PromptProof | undefined> {
  if (model === undefined) {
    yield* steps.skip('prove', 'not asked for');
    return undefined;
  }
  const proof = yield* steps.run('prove', judged(plan, model, runtime, signal));
  for (const finding of proof.findings) yield told(finding);
  return proof;
}

async function* judged(
  plan: InstallPlan,
  { stored, suite, smoke }: UnderTest,
  runtime: Runtime,
  signal: AbortSignal,
): Work<StepOutcome<PromptProof>> {
  const { tokens, chatTemplate } = plan.family;
  const sent = plan.source.kind === 'file' ? { sentTemplate: plan.source.spec.template } : {};
  const known = { ...plan.prompt, ...sent };
  const lacking = `there is no official template ${chatTemplate} to compare with`;
  const result = yield* proveAfterSmoke({ runtime, stored, tokens, suite, smoke, known, lacking }, signal);
  const faults = result.findings.filter(({ severity }) => severity === 'fault');
  if (plan.source.kind === 'file' && faults.length > 0) throw promptDiffers(plan, faults);
  return { result, detail: detailOf(result) };
}

function detailOf({ verdict, shapes, bosCount }: PromptProof): string {
  const bos = bosCount === undefined ? 'BOS not counted' : `${bosCount} BOS`;
  return `${verdict.replaceAll('-', ' ')}: ${shapes.length} message shapes, ${bos}`;
}

function told({ id, message }: Finding): ProgressEvent {
  return { type: 'warning', message: `${id}: ${message}` };
}

function promptDiffers(plan: InstallPlan, faults: readonly Finding[]): ProvisionError {
  const lines = faults.map(({ id, message }) => `  ${id}: ${message}`);
  return new ProvisionError(
    'prompt-differs',
    `${plan.model.id}:${plan.quant} is fed another prompt than it was trained with, and was taken back:\n${lines.join('\n')}`,
    {
      suggestions: [
        ...new Set(faults.map(({ remedy }) => remedy)),
        `What answered as ${plan.name} before is untouched.`,
      ],
    },
  );
}
