import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { Runtime, StoredModel } from '../../runtimes/contract.ts';
import { templateMarkersOf } from '../../smoke/prompt/template.ts';
import { runSuite } from '../../smoke/run.ts';
import type { CheckResult, SmokeResult, Suite } from '../../smoke/schema.ts';
import type { InstallPlan } from '../plan/plan.ts';
import type { StepOutcome, Steps } from './steps.ts';

/** The model under test, with all that a suite must know of it. */
export interface Subject {
  /** The name that it has now. */
  readonly name: string;
  /** What the runtime says of it. */
  readonly stored: StoredModel;
  /** Model and quant, for messages. */
  readonly label: string;
  /** The name that it is to have. */
  readonly finalName: string;
  /** Absent where no family tells. */
  readonly bos?: string;
  readonly stop: readonly string[];
  /** The template that it was created with; empty where that is not known. */
  readonly template: string;
}

export function subjectOf(
  { name, stored }: Pick<Subject, 'name' | 'stored'>,
  { family, model, quant, name: finalName, source }: InstallPlan,
): Subject {
  const { bos, stop } = family.tokens;
  const template = source.kind === 'file' ? source.spec.template : '';
  return { name, stored, label: `${model.id}:${quant}`, finalName, bos, stop, template };
}

/** Runs the suite on the model under test, if there is one. Throws `smoke-failed` with what the model answered. */
export async function* smokeStep(
  subject: Subject,
  suite: Suite | undefined,
  steps: Steps,
  runtime: Runtime,
  signal: AbortSignal,
): Work<SmokeResult | undefined> {
  if (suite === undefined) {
    yield* steps.skip('smoke', 'not asked for');
    return undefined;
  }
  return yield* steps.run('smoke', judged(subject, suite, runtime, signal));
}

async function* judged(
  subject: Subject,
  suite: Suite,
  runtime: Runtime,
  signal: AbortSignal,
): Work<StepOutcome<SmokeResult>> {
  const { name, stored, bos, stop, template } = subject;
  const watched = watchChat(runtime);
  const templateMarkers = templateMarkersOf(template, [...(bos === undefined ? [] : [bos]), ...stop]);
  const result = yield* runSuite({ suite, name, chat: watched.chat, runtime, stored, stop, templateMarkers, signal });
  const failed = result.checks.filter((check) => !check.passed && !check.advisory);
  if (failed.length > 0) throw watched.fault() ?? smokeFailed(subject, failed);
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

function smokeFailed({ label, finalName }: Subject, failed: readonly CheckResult[]): ProvisionError {
  const lines = failed.slice(0, 5).map(({ id, detail }) => `  ${id}: ${detail}`);
  if (failed.length > lines.length) lines.push(`  … and ${failed.length - lines.length} more`);
  return new ProvisionError('smoke-failed', `${label} failed its smoke test and was taken back:\n${lines.join('\n')}`, {
    suggestions: [
      `What answered as ${finalName} before is untouched.`,
      'Try another quant, check the file with --digest, or look at the server with its log.',
    ],
  });
}
