import { chatTemplateName, formatMarkers } from '../../catalog/chat-format.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { ProgressEvent, Work } from '../../core/progress.ts';
import type { Runtime, StoredModel } from '../../runtimes/contract.ts';
import { proveAfterSmoke } from '../../smoke/prompt/prove.ts';
import type { Finding, PromptProof } from '../../smoke/prompt/schema.ts';
import { templateMarkersOf } from '../../smoke/prompt/template.ts';
import { runSuite } from '../../smoke/run.ts';
import type { CheckResult, SmokeResult, Suite } from '../../smoke/schema.ts';
import type { InstallPlan } from '../plan/contract.ts';
import type { ChangeEffects, TransactionEffects, TransactionOptions } from './effects.ts';
import { compareWithEstimate } from './measure.ts';
import { retryAfterReconnect } from './reconnect.ts';
import type { Tested } from './record.ts';
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
  /** Absent where the family is unknown. */
  readonly bos?: string;
  readonly stop: readonly string[];
  /** The template that it was created with; empty where that is not known. */
  readonly template: string;
  /** Texts of its chat format besides, that no answer may contain: those of thoughts and tools. */
  readonly markers?: readonly string[];
}

export function subjectOf(
  { name, stored }: Pick<Subject, 'name' | 'stored'>,
  { family, model, quant, name: finalName, source }: InstallPlan,
): Subject {
  const { bos, stop } = family.tokens;
  const template = source.kind === 'file' ? source.spec.template : '';
  const markers = formatMarkers(model);
  return { name, stored, label: `${model.id}:${quant}`, finalName, bos, stop, template, markers };
}

/** What testing a model needs from outside. */
type TestEffects = Pick<ChangeEffects, 'runtime' | 'cage' | 'clock'>;

/** The smoke test of an install takes about a minute at most; `smoke NAME` runs all of a suite. */
const SMOKE_MS = 60_000;

/** Runs the suite on the model under test, if there is one. Throws `smoke-failed` with what the model answered. */
export async function* smokeStep(
  subject: Subject,
  suite: Suite | undefined,
  steps: Steps,
  effects: TestEffects,
  signal: AbortSignal,
): Work<SmokeResult | undefined> {
  if (suite === undefined) {
    yield* steps.skip('smoke', 'not requested');
    return undefined;
  }
  return yield* steps.run('smoke', runSmokeTest(subject, suite, effects, signal));
}

async function* runSmokeTest(
  subject: Subject,
  suite: Suite,
  { runtime, cage, clock }: TestEffects,
  signal: AbortSignal,
): Work<StepOutcome<SmokeResult>> {
  const { name, stored, bos, stop, template, markers = [] } = subject;
  const watched = watchChat(runtime);
  const templateMarkers = templateMarkersOf(template, [...(bos === undefined ? [] : [bos]), ...stop, ...markers]);
  const result = yield* runSuite({
    cage,
    suite,
    budget: { ms: SMOKE_MS, clock },
    name,
    chat: watched.chat,
    runtime,
    stored,
    stop,
    templateMarkers,
    signal,
  });
  const failed = result.checks.filter((check) => !check.passed && !check.advisory);
  if (failed.length > 0) throw watched.fault() ?? smokeFailed(subject, failed);
  const skipped = result.skipped ? `, ${result.skipped} skipped` : '';
  return { result, detail: `${result.passed} passed${skipped} (suite ${suite.id})` };
}

/** Failures that say nothing about the model's answers: there were none, and their own exit code is the right one. */
const OWN_CODES: ReadonlySet<string> = new Set([
  'runtime-unreachable',
  'runtime-died',
  'runtime-timeout',
  'runtime-too-old',
  'runtime-missing',
  'memory-short',
  'network',
  'bad-template',
]);

/** A chat that remembers the first error of the runtime, which the suite reports only as a failed check. */
function watchChat(runtime: Runtime): { chat: Runtime['chat']; fault(): ProvisionError | undefined } {
  let fault: ProvisionError | undefined;
  return {
    fault: () => fault,
    async *chat(request, signal) {
      try {
        return yield* runtime.chat(request, signal);
      } catch (error) {
        // A schema that is too new for the server is for the suite to skip.
        const known = error instanceof ProvisionError && OWN_CODES.has(error.code);
        if (known && request.format === undefined) fault ??= error;
        throw error;
      }
    },
  };
}

function smokeFailed({ label, finalName }: Subject, failed: readonly CheckResult[]): ProvisionError {
  const groups = [...Map.groupBy(failed, ({ cause, detail }) => cause ?? detail).values()];
  const lines = groups.slice(0, 5).map((alike) => `  ${alike.map(({ id }) => id).join(', ')}: ${alike[0]?.detail}`);
  if (groups.length > lines.length) lines.push(`  … and ${groups.length - lines.length} more`);
  return new ProvisionError(
    'smoke-failed',
    `${label} failed its smoke test and was rolled back:\n${lines.join('\n')}`,
    {
      suggestions: [
        `The model that ${finalName} referred to before is unchanged.`,
        'Try another quant, verify the file with --digest, or read the log of the server.',
      ],
    },
  );
}

/** The model under test, with the result of its smoke test. */
export interface UnderTest {
  /** As the runtime has it, under the name that it has now. */
  readonly stored: StoredModel;
  readonly suite: Suite;
  readonly smoke: SmokeResult;
}

/**
 * Compares the prompt that the runtime really makes with the one that the model was trained with. Throws
 * `prompt-differs` when a model that we created ourselves receives another one. What the library ships is its
 * publisher's own choice: there a difference is reported and recorded.
 */
export async function* proveStep(
  plan: InstallPlan,
  model: UnderTest | undefined,
  steps: Steps,
  effects: TestEffects,
  signal: AbortSignal,
): Work<PromptProof | undefined> {
  if (model === undefined) {
    yield* steps.skip('prove', 'not requested');
    return undefined;
  }
  const proof = yield* steps.run('prove', comparePrompt(plan, model, effects, signal));
  for (const finding of proof.findings) yield warningOf(finding);
  return proof;
}

async function* comparePrompt(
  plan: InstallPlan,
  { stored, suite, smoke }: UnderTest,
  { runtime, cage }: TestEffects,
  signal: AbortSignal,
): Work<StepOutcome<PromptProof>> {
  const { tokens } = plan.family;
  const sent = plan.source.kind === 'file' ? { sentTemplate: plan.source.spec.template } : {};
  const known = { ...plan.prompt, ...sent };
  const lacking = `there is no official template ${chatTemplateName(plan.family, plan.model)} to compare with`;
  const result = yield* proveAfterSmoke({ runtime, cage, stored, tokens, suite, smoke, known, lacking }, signal);
  const faults = result.findings.filter(({ severity }) => severity === 'fault');
  if (plan.source.kind === 'file' && faults.length > 0) throw promptDiffers(plan, faults);
  return { result, detail: detailOf(result) };
}

function detailOf({ verdict, shapes, bosCount }: PromptProof): string {
  const bos = bosCount === undefined ? 'BOS not counted' : `${bosCount} BOS`;
  return `${verdict.replaceAll('-', ' ')}: ${shapes.length} message shapes, ${bos}`;
}

function warningOf({ id, message }: Finding): ProgressEvent {
  return { type: 'warning', message: `${id}: ${message}` };
}

function promptDiffers(plan: InstallPlan, faults: readonly Finding[]): ProvisionError {
  const lines = faults.map(({ id, message }) => `  ${id}: ${message}`);
  return new ProvisionError(
    'prompt-differs',
    `${plan.model.id}:${plan.quant} receives a prompt that differs from its training template, and was rolled back:\n${lines.join('\n')}`,
    {
      suggestions: [
        ...new Set(faults.map(({ remedy }) => remedy)),
        `The model that ${plan.name} referred to before is unchanged.`,
      ],
    },
  );
}

interface Testing {
  readonly plan: InstallPlan;
  readonly options: TransactionOptions;
  readonly effects: TransactionEffects;
  readonly signal: AbortSignal;
  readonly steps: Steps;
}

/**
 * Smoke test and comparison of the prompt; neither when no suite is wanted. If the runtime dies meanwhile and comes
 * back, both are repeated.
 */
export function testCandidate(
  made: { readonly name: string; readonly stored: StoredModel },
  testing: Testing,
): Work<Tested> {
  const { effects, signal } = testing;
  return retryAfterReconnect(effects, made.name, signal, () => smokeAndProve(made, testing));
}

async function* smokeAndProve(
  made: { readonly name: string; readonly stored: StoredModel },
  { plan, options, effects, signal, steps }: Testing,
): Work<Tested> {
  const { suite } = options;
  const before = suite === undefined ? undefined : await effects.memoryUse?.(signal);
  const smoke = yield* smokeStep(subjectOf(made, plan), suite, steps, effects, signal);
  effects.checkpoint?.('smoke');
  const model = suite !== undefined && smoke !== undefined ? { stored: made.stored, suite, smoke } : undefined;
  const memory =
    smoke === undefined ? undefined : yield* compareWithEstimate(made.name, plan, options, effects, before, signal);
  const prompt = yield* proveStep(plan, model, steps, effects, signal);
  effects.checkpoint?.('prove');
  return {
    ...(smoke !== undefined && { smoke }),
    ...(prompt !== undefined && { prompt }),
    ...(memory !== undefined && { memory }),
  };
}
