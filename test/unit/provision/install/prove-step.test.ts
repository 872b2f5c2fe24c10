import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { drive, type ProgressEvent } from '../../../../src/core/progress.ts';
import { Steps } from '../../../../src/provision/install/steps.ts';
import { proveStep, type UnderTest } from '../../../../src/provision/install/test-model.ts';
import type { InstallPlan } from '../../../../src/provision/plan/contract.ts';
import type { Message } from '../../../../src/runtimes/contract.ts';
import { openCage } from '../../../helpers/cage.ts';
import { FakeRuntime } from '../../../helpers/fake-runtime.ts';
import { tinyPlan } from '../../../helpers/plans.ts';

const JINJA =
  "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{{ m['content'] }}<end_of_turn>\n{% endfor %}{{ '<start_of_turn>model\n' }}";

/** A server that shows its prompt, as Ollama does since 0.11.5, and opens turns of the assistant by a name of its own. */
function showing(assistant = 'assistant'): FakeRuntime {
  const runtime = new FakeRuntime();
  const turn = ({ role, content }: Message) =>
    `<start_of_turn>${role === 'assistant' ? assistant : role}\n${content}<end_of_turn>\n`;
  runtime.prompting = {
    template: (messages) => `${messages.map(turn).join('')}<start_of_turn>model\n`,
    shows: true,
    counts: true,
    addsBos: true,
    contextLength: 512,
  };
  return runtime;
}

function proven(plan: InstallPlan, runtime: FakeRuntime, model: UnderTest | 'untested' = UNDER_TEST) {
  const events: ProgressEvent[] = [];
  const steps = new Steps(() => 0);
  const signal = new AbortController().signal;
  const work = drive(
    proveStep(
      plan,
      model === 'untested' ? undefined : model,
      steps,
      { runtime, clock: () => 0, cage: openCage },
      signal,
    ),
    (event) => events.push(event),
  );
  return { work, events, steps };
}

const UNDER_TEST: UnderTest = {
  stored: { name: 'staging:t', template: '{{ .Prompt }}', stop: ['<end_of_turn>'], contextLength: 512 },
  suite: {
    schemaVersion: 1,
    id: 'test',
    title: 'test',
    checks: [
      { id: 'hello', level: 'loads', title: 'hello', messages: [{ role: 'user', content: 'Hello' }], judges: [] },
    ],
  },
  smoke: {
    suite: 'test',
    passed: 1,
    failed: 0,
    checks: [
      { id: 'hello', level: 'loads', passed: true, advisory: false, detail: '', answer: 'Hi', ms: 1, promptTokens: 21 },
    ],
  },
};

const PROMPT = { reference: { source: JINJA, from: 'file' }, addsBos: true } as const;

const LIBRARY = {
  kind: 'library',
  ref: 'ollama:gemma3n:e4b',
  libraryName: 'gemma3n:e4b',
  profile: 'library',
} as const;

describe('the prompt of a new model', () => {
  test('that is what it was trained with is proven, and the step says how', async () => {
    const { work, events, steps } = proven(tinyPlan({ prompt: PROMPT }), showing());
    expect(await work).toMatchObject({ verdict: 'proven', bosCount: 1, expectedFrom: 'file' });
    expect(steps.list).toMatchObject([{ id: 'prove', status: 'done' }]);
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'phase', status: 'done', detail: 'proven: 4 message shapes, 1 BOS' }),
    );
  });

  test('needs no measuring of the BOS where the server tells what the file says of it', async () => {
    const told = { ...UNDER_TEST, stored: { ...UNDER_TEST.stored, addsBos: true } };
    const plan = tinyPlan({ prompt: { reference: PROMPT.reference } });
    const [runtime, measuring] = [showing(), showing()];
    expect(await proven(plan, runtime, told).work).toMatchObject({ verdict: 'proven', bosCount: 1 });
    await proven(plan, measuring).work;
    const counts = ({ calls }: FakeRuntime) => calls.filter((call) => call.startsWith('countRaw')).length;
    expect(counts(runtime)).toBeLessThan(counts(measuring));
  });

  test('that is another one fails the install by the name of the fault', async () => {
    const runtime = showing('bot');
    const { work, steps } = proven(tinyPlan({ prompt: PROMPT }), runtime);
    const error = await work.catch((thrown: unknown) => thrown);
    if (!(error instanceof ProvisionError)) throw new Error('expected a failure');
    expect(error).toMatchObject({ code: 'prompt-differs', exitCode: 17 });
    expect(error.message).toContain('wrong-role: ');
    expect(error.suggestions.at(-1)).toBe('The model that tiny-gemma-3n:q4_k_m referred to before is unchanged.');
    expect(steps.list).toMatchObject([{ id: 'prove', status: 'failed' }]);
  });

  test('of the library’s own build is told and not refused: its template is its publisher’s choice', async () => {
    const runtime = showing('bot');
    const { work, events } = proven(tinyPlan({ prompt: PROMPT, source: LIBRARY }), runtime);
    expect(await work).toMatchObject({ verdict: 'differs' });
    expect(events).toContainEqual({ type: 'warning', message: expect.stringMatching(/^wrong-role: /) });
  });

  test('that nobody can tell is a warning, never silence', async () => {
    const { work, events } = proven(tinyPlan({ prompt: PROMPT }), new FakeRuntime());
    expect(await work).toMatchObject({ verdict: 'not-provable' });
    expect(events).toContainEqual({ type: 'warning', message: expect.stringMatching(/^not-provable: /) });
  });

  test('without an official template is a warning that says so', async () => {
    const { work, events } = proven(tinyPlan({ prompt: {} }), showing());
    expect(await work).toMatchObject({ verdict: 'not-provable', shapes: [] });
    expect(events).toContainEqual({ type: 'warning', message: expect.stringContaining('official template gemma') });
  });
});

test('without a smoke test there is no proof either', async () => {
  const { work, steps } = proven(tinyPlan({ prompt: PROMPT }), showing(), 'untested');
  expect(await work).toBeUndefined();
  expect(steps.list).toMatchObject([{ id: 'prove', status: 'skipped' }]);
});
