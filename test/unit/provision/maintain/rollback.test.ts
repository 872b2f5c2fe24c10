import { beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { drive, type ProgressEvent } from '../../../../src/core/progress.ts';
import type { TransactionEffects, TransactionOptions } from '../../../../src/provision/install/effects.ts';
import { install } from '../../../../src/provision/install/install.ts';
import { isPreviousName } from '../../../../src/provision/install/versions.ts';
import { removeModel } from '../../../../src/provision/maintain/remove.ts';
import { rollBackModel } from '../../../../src/provision/maintain/rollback.ts';
import { failureOf } from '../../../helpers/failure.ts';
import { MemoryState } from '../../../helpers/memory-state.ts';
import { SPEC, tinyPlan } from '../../../helpers/plans.ts';
import { SAYS_OK } from '../../../helpers/suites.ts';

const NAME = 'tiny-gemma-3n:q4_k_m';

let state: MemoryState;
let events: ProgressEvent[];

beforeEach(() => {
  state = new MemoryState();
  events = [];
});

function put(version: string, options: Partial<TransactionOptions> = {}, changes: Partial<TransactionEffects> = {}) {
  const digest = digestOf(version);
  const file = { kind: 'file', ref: version, path: `/${version}`, sizeBytes: 100, digest } as const;
  const plan = tinyPlan({ source: { kind: 'file', file, spec: SPEC } });
  const effects = { ...state.effects(), ...changes };
  return drive(
    install(plan, { suite: SAYS_OK, force: false, ...options }, effects, new AbortController().signal),
    (event) => events.push(event),
  );
}

function back({ smoke = true, force = false } = {}, signal = new AbortController().signal) {
  const options = {
    force,
    suiteFor: async () => (smoke ? SAYS_OK : undefined),
    known: async () => ({ stop: [], template: '' }),
  };
  return drive(rollBackModel(NAME, options, state.effects(), signal), (event) => events.push(event));
}

/** All that outlives a run. */
function everything() {
  return structuredClone({
    models: [...state.runtime.models].map(([name, { entryDigest }]) => [name, entryDigest]),
    records: [...state.records],
    journals: [...state.journals],
  });
}

function keptName(): string {
  const [name] = [...state.runtime.models.keys()].filter(isPreviousName);
  if (name === undefined) throw new Error('nothing is kept');
  return name;
}

test('row 35: corrupt bytes of the earlier version never get the name; nothing is changed', async () => {
  await put('one');
  await put('two');
  const before = everything();
  const asked: string[] = [];
  // biome-ignore lint/correctness/useYield: nothing is read
  const isIntact = async function* (name: string) {
    asked.push(name);
    return false;
  };
  Object.assign(state.runtime, { isIntact });
  const error = await failureOf(back({ smoke: false }));
  expect(error).toMatchObject({ code: 'needs-repair', message: expect.stringContaining('its file is corrupt') });
  expect(asked).toEqual([keptName()]);
  expect(everything()).toEqual(before);
});

describe('what is replaced', () => {
  test('is kept under a name of its own, with its whole record', async () => {
    await put('one');
    const first = state.records.get(NAME);
    await put('two');
    expect(state.records.get(NAME)?.previous).toEqual({ ...first, keptAs: keptName() });
    expect([...state.runtime.models.keys()].sort()).toEqual([keptName(), NAME].sort());
  });

  test('makes place for the next one that is replaced', async () => {
    await put('one');
    await put('two');
    const earlier = keptName();
    await put('three');
    expect(keptName()).not.toBe(earlier);
    expect(state.runtime.models.size).toBe(2);
    expect(state.records.get(NAME)?.previous?.source.digest).toBe(digestOf('two'));
  });

  test('goes with keep off, and so does what was kept before', async () => {
    await put('one');
    await put('two');
    await put('three', { keep: false });
    expect([...state.runtime.models.keys()]).toEqual([NAME]);
    expect(state.records.get(NAME)?.previous).toMatchObject({ source: { digest: digestOf('two') } });
    expect(state.records.get(NAME)?.previous?.keptAs).toBeUndefined();
  });

  test('the same version once more leaves the way back as it is', async () => {
    await put('one');
    await put('two');
    await put('two', { force: true });
    expect(state.records.get(NAME)?.previous).toMatchObject({
      source: { digest: digestOf('one') },
      keptAs: keptName(),
    });
  });

  test('row 49: a model that somebody changed by hand is not kept as if it were ours', async () => {
    await put('one');
    const entry = state.runtime.models.get(NAME);
    if (entry === undefined) throw new Error('installed');
    state.runtime.models.set(NAME, { ...entry, entryDigest: digestOf('edited') });
    await put('two', { force: true });
    expect(state.records.get(NAME)?.previous?.keptAs).toBeUndefined();
    expect([...state.runtime.models.keys()]).toEqual([NAME]);
  });

  test('is removed with the model, and told', async () => {
    await put('one');
    await put('two');
    const keptAs = keptName();
    const effects = { ...state.effects(), knownNames: [] };
    const report = await drive(removeModel(NAME, false, effects, new AbortController().signal), () => undefined);
    expect(report.previous).toEqual({ model: 'tiny-gemma-3n', quant: 'q4_k_m', keptAs });
    expect(state.runtime.models.size + state.records.size + state.journals.size).toBe(0);
  });
});

describe('rollback', () => {
  test('gives the name to the earlier version, and a second one goes forward again', async () => {
    await put('one');
    const first = state.records.get(NAME);
    await put('two');
    const second = state.records.get(NAME);
    const report = await back();
    expect(report).toMatchObject({ changed: true, bytesMoved: 0, smoke: { passed: 1, failed: 0 } });
    expect(state.runtime.models.get(NAME)?.layerDigest).toBe(digestOf('one'));
    const { previous, ...record } = state.records.get(NAME) ?? {};
    // The test was run again: only its times may differ.
    expect({ ...record, smoke: undefined }).toEqual({ ...first, smoke: undefined });
    expect(previous).toMatchObject({ source: { digest: digestOf('two') }, keptAs: keptName() });
    await back();
    expect(state.records.get(NAME)?.installedAt).toBe(second?.installedAt);
    expect(state.runtime.models.get(NAME)?.layerDigest).toBe(digestOf('two'));
    expect(state.runtime.models.size).toBe(2);
  });

  test('without an earlier version changes nothing', async () => {
    await put('one');
    const before = everything();
    expect(await failureOf(back())).toMatchObject({ code: 'record-not-found', exitCode: 3 });
    expect(everything()).toEqual(before);
  });

  test('row 45: the kept version is gone: refused before anything is touched', async () => {
    await put('one');
    await put('two');
    state.runtime.models.delete(keptName());
    const before = everything();
    const error = await failureOf(back());
    expect(error).toMatchObject({ code: 'needs-repair', exitCode: 18 });
    expect(error.message).toContain('Nothing was changed.');
    expect(everything()).toEqual(before);
  });

  test.each(['broken', 'another'] as const)('row 45: the kept version is %s: refused', async (how) => {
    await put('one');
    await put('two');
    const name = keptName();
    if (how === 'broken') state.runtime.broken.add(name);
    else state.runtime.models.set(name, { name, entryDigest: digestOf('other'), answers: () => 'OK' });
    const before = everything();
    expect(await failureOf(back())).toMatchObject({ code: 'needs-repair', exitCode: 18 });
    expect(everything()).toEqual(before);
  });

  test('row 44: an earlier version that fails its test does not get the name', async () => {
    await put('one');
    await put('two');
    const name = keptName();
    const entry = state.runtime.models.get(name);
    if (entry === undefined) throw new Error('kept');
    state.runtime.models.set(name, { ...entry, answers: () => 'Nonsense' });
    const before = everything();
    expect(await failureOf(back())).toMatchObject({ code: 'smoke-failed', exitCode: 17 });
    expect(everything()).toEqual(before);
    expect(await back({ smoke: false })).toMatchObject({ changed: true });
  });

  test('row 49: a model that somebody changed stays unless forced', async () => {
    await put('one');
    await put('two');
    state.runtime.models.set(NAME, { name: NAME, entryDigest: digestOf('edited'), answers: () => 'OK' });
    const before = everything();
    expect(await failureOf(back())).toMatchObject({ code: 'foreign-model', exitCode: 16 });
    expect(everything()).toEqual(before);
    await back({ force: true });
    expect(state.runtime.models.get(NAME)?.layerDigest).toBe(digestOf('one'));
  });

  test('row 21: a name that breaks on the copy gets back what it held', async () => {
    await put('one');
    await put('two');
    const kept = keptName();
    const before = everything();
    const { runtime } = state;
    const copy = runtime.copy.bind(runtime);
    let full = true;
    runtime.copy = async (from, to) => {
      if (from !== kept || !full) return copy(from, to);
      full = false;
      runtime.broken.add(to);
      throw new ProvisionError('disk-full', 'no room');
    };
    expect(await failureOf(back())).toMatchObject({ code: 'disk-full', exitCode: 12 });
    const after = everything();
    expect({ ...after, models: after.models.sort() }).toEqual({ ...before, models: before.models.sort() });
    expect(runtime.broken.size).toBe(0);
  });

  test('row 21: where that fails too, exit 18 says what to run, and the journal stays for the next run', async () => {
    await put('one');
    await put('two');
    const kept = keptName();
    const { runtime } = state;
    const copy = runtime.copy.bind(runtime);
    let full = true;
    runtime.copy = async (from, to) => {
      if (!full || to !== NAME) return copy(from, to);
      runtime.broken.add(to);
      throw new ProvisionError('disk-full', 'no room');
    };
    const error = await failureOf(back());
    expect(error).toMatchObject({ code: 'needs-repair', exitCode: 18 });
    expect(error.suggestions.join(' ')).toContain(`gemma-provision repair ${NAME}`);
    expect(state.journals.has(NAME)).toBe(true);
    full = false;
    await back();
    expect(runtime.models.get(NAME)?.layerDigest).toBe(digestOf('one'));
    expect(runtime.broken.size + state.journals.size).toBe(0);
    expect(runtime.models.has(kept)).toBe(false);
  });
});

describe('row 30: a runtime that dies and comes back', () => {
  test('in the smoke test: it is repeated, and the install goes on', async () => {
    const { runtime } = state;
    const chat = runtime.chat.bind(runtime);
    let alive = false;
    runtime.chat = async function* (request) {
      if (!alive) {
        alive = true;
        throw new ProvisionError('runtime-died', 'gone');
      }
      return yield* chat(request);
    };
    expect((await put('one')).changed).toBe(true);
    const told = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
    expect(told.slice(0, 2)).toEqual([
      'ollama at http://127.0.0.1:11434 stopped responding; waiting for it',
      'reconnected to ollama; retrying',
    ]);
    expect(state.records.has(NAME)).toBe(true);
  });

  test('one that stays away is given up; what answered is untouched, and the next run takes the rest back', async () => {
    await put('one');
    const { runtime } = state;
    const before = everything();
    const find = runtime.find.bind(runtime);
    const remove = runtime.remove.bind(runtime);
    const gone = new ProvisionError('runtime-unreachable', 'gone');
    runtime.chat = async function* () {
      runtime.find = () => Promise.reject(gone);
      runtime.remove = () => Promise.reject(gone);
      yield '';
      throw gone;
    };
    expect(await failureOf(put('two'))).toMatchObject({ code: 'runtime-unreachable', exitCode: 13 });
    expect(state.journals.has(NAME)).toBe(true);
    runtime.find = find;
    runtime.remove = remove;
    expect(await failureOf(back())).toMatchObject({ code: 'record-not-found' });
    expect(everything()).toEqual(before);
  });
});

test('row 28: a signal in the smoke test is taken back at once, and the run is over', async () => {
  await put('one');
  const before = everything();
  const abort = new AbortController();
  state.runtime.chat = async function* () {
    abort.abort();
    yield '';
    throw abort.signal.reason;
  };
  const file = { kind: 'file', ref: 'two', path: '/two', sizeBytes: 100, digest: digestOf('two') } as const;
  const plan = tinyPlan({ source: { kind: 'file', file, spec: SPEC } });
  const work = install(plan, { suite: SAYS_OK, force: false }, state.effects(), abort.signal);
  await expect(drive(work, () => undefined)).rejects.toThrow(/abort/i);
  expect(everything()).toEqual(before);
  expect(state.held).toEqual([]);
});

test('a kept version that is gone is no longer spoken of by the next record', async () => {
  await put('one');
  await put('two');
  state.runtime.models.delete(keptName());
  await put('two', { force: true });
  expect(state.records.get(NAME)?.previous).toMatchObject({ source: { digest: digestOf('one') } });
  expect(state.records.get(NAME)?.previous?.keptAs).toBeUndefined();
});
