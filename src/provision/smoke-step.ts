import { ProvisionError } from '../core/errors.ts';
import type { Work } from '../core/progress.ts';
import type { Runtime, StoredModel } from '../runtimes/contract.ts';
import { runSuite, templateMarkersOf } from '../smoke/index.ts';
import type { CheckResult, SmokeResult, Suite } from '../smoke/schema.ts';
import type { InstallPlan } from './plan.ts';
import type { StepOutcome, Steps } from './steps.ts';

/** The model under test: the name that it has now, and what the runtime says of it. */
interface Tried {
  readonly name: string;
  readonly stored: StoredModel;
}

/** Runs the suite on the model under test, if there is one. Throws `smoke-failed` with what the model answered. */
export async function* smokeStep(
  model: Tried,
  plan: InstallPlan,
  suite: Suite | undefined,
  steps: Steps,
  runtime: Runtime,
  signal: AbortSignal,
): Work<SmokeResult | undefined> {
  if (suite === undefined) {
    yield* steps.skip('smoke', 'not asked for');
    return undefined;
  }
  return yield* steps.run('smoke', judged(model, plan, suite, runtime, signal));
}

async function* judged(
  { name, stored }: Tried,
  plan: InstallPlan,
  suite: Suite,
  runtime: Runtime,
  signal: AbortSignal,
): Work<StepOutcome<SmokeResult>> {
  const { bos, stop } = plan.family.tokens;
  const template = plan.source.kind === 'file' ? plan.source.spec.template : '';
  const watched = watchChat(runtime);
  const templateMarkers = templateMarkersOf(template, [bos, ...stop]);
  const result = yield* runSuite({ suite, name, chat: watched.chat, runtime, stored, stop, templateMarkers, signal });
  const failed = result.checks.filter((check) => !check.passed && !check.advisory);
  if (failed.length > 0) throw watched.fault() ?? smokeFailed(plan, failed);
  return { result, detail: `${result.passed} passed (suite ${suite.id})` };
}

/** Failures that say nothing about the model: the runtime is to blame, and its own exit code is the right one. */
const RUNTIME_FAULTS: ReadonlySet<string> = new Set([
  'runtime-unreachable',
  'runtime-died',
  'runtime-timeout',
  'runtime-too-old',
  'runtime-missing',
  'memory-short',
  'network',
]);

/** A chat that remembers the first fault of the runtime, which the suite tells only as a failed check. */
function watchChat(runtime: Runtime): { chat: Runtime['chat']; fault(): ProvisionError | undefined } {
  let fault: ProvisionError | undefined;
  return {
    fault: () => fault,
    async *chat(request, signal) {
      try {
        return yield* runtime.chat(request, signal);
      } catch (error) {
        // A schema that is too new for the server is for the suite to skip.
        const known = error instanceof ProvisionError && RUNTIME_FAULTS.has(error.code);
        if (known && request.format === undefined) fault ??= error;
        throw error;
      }
    },
  };
}

function smokeFailed(plan: InstallPlan, failed: readonly CheckResult[]): ProvisionError {
  const lines = failed.slice(0, 5).map(({ id, detail }) => `  ${id}: ${detail}`);
  if (failed.length > lines.length) lines.push(`  … and ${failed.length - lines.length} more`);
  return new ProvisionError(
    'smoke-failed',
    `${plan.model.id}:${plan.quant} failed its smoke test and was taken back:\n${lines.join('\n')}`,
    {
      suggestions: [
        `What answered as ${plan.name} before is untouched.`,
        'Try another quant, check the file with --digest, or look at the server with its log.',
      ],
    },
  );
}
