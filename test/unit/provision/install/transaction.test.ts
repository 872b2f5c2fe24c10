import { beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { drive, type ProgressEvent } from '../../../../src/core/progress.ts';
import type { TransactionEffects, TransactionOptions } from '../../../../src/provision/install/effects.ts';
import { install } from '../../../../src/provision/install/install.ts';
import type { Elsewhere, InstallPlan } from '../../../../src/provision/plan/contract.ts';
import type { InstallRecord } from '../../../../src/registry/schema.ts';
import { failureOf } from '../../../helpers/failure.ts';
import { FakeRuntime } from '../../../helpers/fake-runtime.ts';
import { MemoryState } from '../../../helpers/memory-state.ts';
import { SPEC, TINY_DIGEST, TINY_FILE, tinyPlan } from '../../../helpers/plans.ts';
import { SAYS_OK } from '../../../helpers/suites.ts';

const NAME = 'tiny-gemma-3n:q4_k_m';

let runtime: FakeRuntime;
let state: MemoryState;
let records: Map<string, InstallRecord>;
let held: string[];
let events: ProgressEvent[];

beforeEach(() => {
  state = new MemoryState();
  ({ runtime, records, held } = state);
  events = [];
});

function effects(changes: Partial<TransactionEffects> = {}): TransactionEffects {
  return { ...state.effects(), ...changes };
}

function run(
  plan: InstallPlan = tinyPlan(),
  options: Partial<TransactionOptions> = {},
  changes: Partial<TransactionEffects> = {},
  signal: AbortSignal = new AbortController().signal,
) {
  return drive(install(plan, { suite: SAYS_OK, force: false, ...options }, effects(changes), signal), (event) =>
    events.push(event),
  );
}

describe('a first install', () => {
  test('creates under a staging name, tests it there, then gives it its name and a record', async () => {
    const report = await run();
    expect(runtime.calls).toEqual([
      `find ${NAME}`,
      'remove gemma-provision-staging:tiny-gemma-3n-q4-k-m-cf0adc94',
      'store gemma-provision-staging:tiny-gemma-3n-q4-k-m-cf0adc94',
      'chat gemma-provision-staging:tiny-gemma-3n-q4-k-m-cf0adc94',
      `find ${NAME}`,
      `copy gemma-provision-staging:tiny-gemma-3n-q4-k-m-cf0adc94 ${NAME}`,
      `find ${NAME}`,
      'remove gemma-provision-staging:tiny-gemma-3n-q4-k-m-cf0adc94',
    ]);
    expect([...runtime.models.keys()]).toEqual([NAME]);
    expect(report).toMatchObject({ changed: true, bytesMoved: 100, smoke: { passed: 1, failed: 0 } });
    expect(report.steps.map(({ id, status }) => `${id} ${status}`)).toEqual([
      'verify skipped',
      'store done',
      'smoke done',
      'prove done',
      'promote done',
      'record done',
      'clean done',
    ]);
    expect(state.journals.size).toBe(0);
    expect(records.get(NAME)).toMatchObject({
      schemaVersion: 2,
      suite: { id: 'test', digest: digestOf(JSON.stringify(SAYS_OK)) },
      source: { ref: TINY_FILE, digest: TINY_DIGEST, sizeBytes: 100 },
      stored: { layerDigest: TINY_DIGEST, way: 'upload' },
      template: { name: 'gemma', digest: SPEC.templateDigest },
      choice: { reasons: ['a test asked for it'] },
      installedAt: '2026-01-02T03:04:05.000Z',
      toolVersion: '9.9.9',
    });
    expect(held).toEqual([]);
  });

  test('an unknown digest is computed first and recorded', async () => {
    const plan = tinyPlan();
    if (plan.source.kind !== 'file') throw new Error('file');
    if (plan.source.file.kind !== 'file') throw new Error('here');
    const { digest: _, ...file } = plan.source.file;
    const report = await run({ ...plan, source: { ...plan.source, file } });
    expect(report.steps[0]).toMatchObject({ id: 'verify', status: 'done', bytes: 100 });
    expect(records.get(NAME)?.source.digest).toBe(TINY_DIGEST);
  });

  test('without a suite nothing is asked of the model', async () => {
    const plan = tinyPlan();
    const report = await drive(
      install(plan, { force: false }, effects(), new AbortController().signal),
      () => undefined,
    );
    expect(report.smoke).toBeUndefined();
    expect(report.prompt).toBeUndefined();
    expect(runtime.calls.some((call) => call.startsWith('chat'))).toBe(false);
  });
});

describe('the same install again', () => {
  test('moves no byte, changes nothing and says so', async () => {
    await run();
    const first = records.get(NAME);
    runtime.calls.length = 0;
    const report = await run();
    expect(report).toMatchObject({ changed: false, bytesMoved: 0 });
    expect(runtime.calls).toEqual([`find ${NAME}`]);
    expect(records.get(NAME)).toBe(first);
  });

  test.each<[string, () => InstallPlan]>([
    ['another digest', () => withDigest(digestOf('other'))],
    ['another template', () => withSpec({ templateDigest: digestOf('other') })],
    ['other parameters', () => withSpec({ parameters: { ...SPEC.parameters, num_ctx: 1024 } })],
  ])('%s is an upgrade that remembers what it replaced', async (_what, change) => {
    await run();
    const report = await run(change());
    expect(report.changed).toBe(true);
    expect(records.get(NAME)?.previous).toMatchObject({ model: 'tiny-gemma-3n', source: { digest: TINY_DIGEST } });
  });

  test('a record without a proof of the prompt is no reason to leave it at that', async () => {
    await run();
    const record = records.get(NAME);
    if (record === undefined) throw new Error('recorded');
    const { prompt, ...older } = record;
    expect(prompt?.verdict).toBe('not-provable');
    records.set(NAME, older);
    expect((await run()).changed).toBe(true);
    expect(records.get(NAME)?.prompt).toEqual(prompt);
  });

  test('a model that vanished from the runtime is installed again', async () => {
    await run();
    runtime.models.clear();
    expect((await run()).changed).toBe(true);
    expect(runtime.models.has(NAME)).toBe(true);
  });

  test('a model that somebody changed is installed again with force', async () => {
    await run();
    const entry = runtime.models.get(NAME);
    if (entry) runtime.models.set(NAME, { ...entry, entryDigest: digestOf('edited') });
    await expect(run()).rejects.toMatchObject({ code: 'foreign-model' });
    expect((await run(undefined, { force: true })).changed).toBe(true);
  });

  test('row 35: a model whose stored bytes are corrupt is installed again', async () => {
    await run();
    const intact = (answer: boolean) => {
      // biome-ignore lint/correctness/useYield: nothing is read
      const isIntact = async function* () {
        return answer;
      };
      Object.assign(runtime, { isIntact });
    };
    intact(true);
    expect((await run()).changed).toBe(false);
    intact(false);
    expect((await run()).changed).toBe(true);
  });

  test('force installs again', async () => {
    await run();
    expect((await run(tinyPlan(), { force: true })).changed).toBe(true);
  });
});

function withDigest(digest: `sha256:${string}`): InstallPlan {
  const plan = tinyPlan();
  if (plan.source.kind !== 'file') throw new Error('file');
  return { ...plan, source: { ...plan.source, file: { ...plan.source.file, digest } } };
}

function withSpec(changes: Partial<typeof SPEC>): InstallPlan {
  const plan = tinyPlan();
  if (plan.source.kind !== 'file') throw new Error('file');
  return { ...plan, source: { ...plan.source, spec: { ...SPEC, ...changes } } };
}

describe('a failure leaves what answered before', () => {
  async function installed(): Promise<InstallRecord | undefined> {
    await run();
    runtime.calls.length = 0;
    return records.get(NAME);
  }

  test('a failed smoke test is exit 17 and the staging name is gone', async () => {
    const before = await installed();
    const good = runtime.models.get(NAME);
    runtime.answers = () => 'Nonsense';
    const error = await failureOf(run(withDigest(digestOf('worse'))));
    expect(error).toMatchObject({ code: 'smoke-failed', exitCode: 17 });
    expect(error.message).toContain('says-ok');
    expect([...runtime.models]).toEqual([[NAME, good]]);
    expect(records.get(NAME)).toBe(before);
    expect(held).toEqual([]);
  });

  test('a prompt that differs is exit 17 and the staging name is gone', async () => {
    const before = await installed();
    const good = runtime.models.get(NAME);
    const told = runtime.find.bind(runtime);
    // What the server tells of a new model: its stop token got lost.
    runtime.store = async function* (request, signal) {
      const result = yield* FakeRuntime.prototype.store.call(runtime, request, signal);
      return { ...result, stored: { ...result.stored, stop: [] } };
    };
    const error = await failureOf(run(withDigest(digestOf('worse'))));
    expect(error).toMatchObject({ code: 'prompt-differs', exitCode: 17 });
    expect(error.message).toContain('missing-stop: <end_of_turn>');
    expect(await told('gemma-provision-staging:tiny-gemma-3n-q4-k-m-cf0adc94')).toBeUndefined();
    expect([...runtime.models]).toEqual([[NAME, good]]);
    expect(records.get(NAME)).toBe(before);
  });

  test.each(['store', 'chat', 'copy'] as const)('an error in %s', async (method) => {
    await installed();
    const good = runtime.models.get(NAME);
    runtime.failures.set(method, { error: new ProvisionError('runtime-died', 'gone'), after: 0 });
    const error = await failureOf(run(withDigest(digestOf('other'))));
    expect(['runtime-died', 'smoke-failed']).toContain(error.code);
    expect([...runtime.models]).toEqual([[NAME, good]]);
    expect(records.get(NAME)?.source.digest).toBe(TINY_DIGEST);
  });

  test('a runtime that is dead at the clean-up does not hide the first error', async () => {
    runtime.failures.set('store', { error: new ProvisionError('runtime-died', 'the first'), after: 0 });
    runtime.failures.set('remove', { error: new Error('the second'), after: 2 });
    expect((await failureOf(run())).message).toBe('the first');
  });

  test('a name that does not hold what was tested needs repair', async () => {
    runtime.copy = async () => undefined;
    expect(await failureOf(run())).toMatchObject({ code: 'needs-repair', exitCode: 18 });
    expect(records.size).toBe(0);
  });

  test('a record that cannot be written gives the name back to what answered before', async () => {
    await installed();
    const good = runtime.models.get(NAME);
    const error = new ProvisionError('disk-full', 'no room for the record');
    const failing = { ...effects().records, put: () => Promise.reject(error) };
    const failed = await failureOf(run(withDigest(digestOf('other')), {}, { records: failing }));
    expect(failed).toMatchObject({ code: 'disk-full' });
    expect([...runtime.models.entries()]).toEqual([[NAME, good]]);
  });

  test('a record that cannot be written leaves no first install without one', async () => {
    const error = new ProvisionError('disk-full', 'no room for the record');
    const failing = { ...effects().records, put: () => Promise.reject(error) };
    await failureOf(run(tinyPlan(), {}, { records: failing }));
    expect(runtime.models.size).toBe(0);
  });

  test('an abort in the middle takes the staging name back', async () => {
    const abort = new AbortController();
    const work = drive(install(tinyPlan(), { suite: SAYS_OK, force: false }, effects(), abort.signal), (event) => {
      if (event.type === 'bytes') abort.abort();
    });
    await expect(work).rejects.toThrow(/abort/i);
    expect(runtime.models.size).toBe(0);
    expect(records.size).toBe(0);
    expect(held).toEqual([]);
  });

  test('the remains of a crashed run are swept first', async () => {
    const staging = tinyPlan().stagingName;
    runtime.models.set(staging, { name: staging, answers: () => 'old' });
    await run();
    expect([...runtime.models.keys()]).toEqual([NAME]);
  });
});

describe('a download that fails', () => {
  const remote = (host: string) => {
    const ref = `https://${host}/tiny.gguf`;
    const access = { url: ref, headers: {} };
    return {
      kind: 'remote',
      ref,
      pinnedRef: ref,
      fileName: 'tiny.gguf',
      sizeBytes: 100,
      digest: TINY_DIGEST,
      access,
    } as const;
  };
  /** What each host answers; none of them twice. */
  const fetchFrom = (faults: Readonly<Record<string, ProvisionError>>): TransactionEffects['fetch'] =>
    async function* (file) {
      const fault = faults[new URL(file.ref).host];
      if (fault !== undefined) throw fault;
      yield { type: 'bytes', id: 'fetch', done: 100, total: 100 };
      return { ...file, path: '/cache/tiny.gguf', immutable: true, bytesMoved: 100 };
    };
  const broken = new ProvisionError('network', 'the connection broke');
  const planned = (elsewhere: Elsewhere) =>
    tinyPlan({ source: { kind: 'file', file: remote('first.test'), spec: SPEC, elsewhere } });

  test('goes on at the next place with the same bytes; it is reported, and the record says where they are from', async () => {
    const reasons = ['first.test cannot be used', 'The same bytes come from second.test.'];
    const asked: unknown[] = [];
    const plan = planned(async (failure) => {
      asked.push(failure);
      return { file: remote('second.test'), reasons };
    });
    const report = await run(plan, {}, { fetch: fetchFrom({ 'first.test': broken }) });
    expect(report).toMatchObject({ changed: true, bytesMoved: 200 });
    expect(asked).toEqual([broken]);
    const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
    expect(warnings).toEqual(expect.arrayContaining(reasons));
    expect(records.get(NAME)).toMatchObject({
      source: { ref: 'https://second.test/tiny.gguf', digest: TINY_DIGEST },
      choice: { reasons: ['a test asked for it', ...reasons] },
    });
  });

  test('where no place is left, ends with what that says, and nothing has changed', async () => {
    const end = new ProvisionError('network', 'the connection broke', { suggestions: ['Take another file.'] });
    const plan = planned(async () => {
      throw end;
    });
    expect(await failureOf(run(plan, {}, { fetch: fetchFrom({ 'first.test': broken }) }))).toBe(end);
    expect([...runtime.models.keys()]).toEqual([]);
    expect(records.size).toBe(0);
  });
});

describe('refusals before anything moves', () => {
  test('a name that somebody else made', async () => {
    runtime.models.set(NAME, { name: NAME, answers: () => 'theirs' });
    expect(await failureOf(run())).toMatchObject({ code: 'foreign-model', exitCode: 16 });
    expect(runtime.calls).toEqual([`find ${NAME}`]);
    expect((await run(tinyPlan(), { force: true })).changed).toBe(true);
  });

  test('an obstacle stops an install, becomes a warning under force, and does not matter when all is in place', async () => {
    const obstacles = [new ProvisionError('disk-full', 'too small')];
    expect(await failureOf(run(tinyPlan({ obstacles })))).toMatchObject({ code: 'disk-full' });
    expect(runtime.calls).toEqual([`find ${NAME}`]);
    await run(tinyPlan({ obstacles }), { force: true });
    expect(events).toContainEqual({ type: 'warning', message: 'forced: too small' });
    expect((await run(tinyPlan({ obstacles }))).changed).toBe(false);
  });
});

describe("the runtime's own library", () => {
  const library = (): InstallPlan =>
    tinyPlan({
      name: 'gemma3n:e4b',
      stagingName: 'gemma-provision-staging:gemma3n-e4b',
      source: { kind: 'library', ref: 'ollama:gemma3n:e4b', libraryName: 'gemma3n:e4b', profile: 'library' },
    });

  test('is pulled under its own name, tested and recorded', async () => {
    const report = await run(library());
    expect(report).toMatchObject({ name: 'gemma3n:e4b', bytesMoved: 7, changed: true });
    expect([...runtime.models.keys()]).toEqual(['gemma3n:e4b']);
    expect(records.get('gemma3n:e4b')?.template.name).toBe('ollama-library');
  });

  test('the same pull again changes nothing and says so', async () => {
    await run(library());
    const first = records.get('gemma3n:e4b');
    runtime.calls.length = 0;
    expect(await run(library())).toMatchObject({ changed: false, bytesMoved: 0 });
    expect(runtime.calls.some((call) => call.startsWith('chat'))).toBe(false);
    expect(records.get('gemma3n:e4b')).toBe(first);
    expect([...runtime.models.keys()]).toEqual(['gemma3n:e4b']);
  });

  test('under another name the library name does not stay behind', async () => {
    await run({ ...library(), name: 'mine:t' });
    expect([...runtime.models.keys()]).toEqual(['mine:t']);
  });

  test('another name that is somebody else’s is refused', async () => {
    runtime.models.set('mine:t', { name: 'mine:t', answers: () => 'theirs' });
    expect(await failureOf(run({ ...library(), name: 'mine:t' }))).toMatchObject({ code: 'foreign-model' });
  });

  test('a failed smoke test brings the earlier one back', async () => {
    const earlier = { name: 'gemma3n:e4b', entryDigest: digestOf('earlier'), answers: () => 'OK' };
    runtime.models.set('gemma3n:e4b', earlier);
    runtime.answers = () => 'Nonsense';
    await failureOf(run(library()));
    expect([...runtime.models]).toEqual([['gemma3n:e4b', earlier]]);
  });

  test('a failed smoke test of a first pull removes it', async () => {
    runtime.answers = () => 'Nonsense';
    await failureOf(run(library()));
    expect(runtime.models.size).toBe(0);
  });
});
