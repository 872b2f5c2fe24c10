/** Row 22 and its neighbours: a run that dies at any state is brought to a definite one by the next run on the name. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { drive, type ProgressEvent, type Work } from '../../../../src/core/progress.ts';
import { CHECKPOINTS, type Checkpoint } from '../../../../src/provision/install/crash.ts';
import { install } from '../../../../src/provision/install/install.ts';
import { isPreviousName } from '../../../../src/provision/install/versions.ts';
import { removeModel } from '../../../../src/provision/maintain/remove.ts';
import { rollBackModel } from '../../../../src/provision/maintain/rollback.ts';
import type { InstallPlan } from '../../../../src/provision/plan/contract.ts';
import { never } from '../../../helpers/failure.ts';
import { Crash, MemoryState } from '../../../helpers/memory-state.ts';
import { SPEC, tinyPlan } from '../../../helpers/plans.ts';
import { SAYS_OK } from '../../../helpers/suites.ts';

const NAME = 'tiny-gemma-3n:q4_k_m';
const LIBRARY = 'gemma3n:e4b';

type Version = 'A' | 'B' | 'C';

function fileVersion(version: Version): InstallPlan {
  const file = {
    kind: 'file',
    ref: `${version}.gguf`,
    path: `/${version}.gguf`,
    sizeBytes: 100,
    digest: digestOf(version),
  } as const;
  return tinyPlan({ source: { kind: 'file', file, spec: SPEC } });
}

function remoteVersion(version: Version): InstallPlan {
  const file = {
    kind: 'remote',
    ref: `https://models.test/${version}.gguf`,
    pinnedRef: `https://models.test/${version}.gguf`,
    fileName: `${version}.gguf`,
    sizeBytes: 100,
    digest: digestOf(version),
    access: { url: `https://models.test/${version}.gguf`, headers: {} },
  } as const;
  return tinyPlan({ source: { kind: 'file', file, spec: SPEC } });
}

function libraryPlan(name = LIBRARY): InstallPlan {
  return tinyPlan({
    name,
    source: { kind: 'library', ref: `ollama:${LIBRARY}`, libraryName: LIBRARY, profile: 'library' },
  });
}

type Action =
  | { readonly do: 'install'; readonly version: Version; readonly from: 'file' | 'remote' }
  | { readonly do: 'rollback' }
  | { readonly do: 'remove' };

function workOf(action: Action, state: MemoryState): Work<unknown> {
  const effects = state.effects();
  if (action.do === 'install') {
    const plan = action.from === 'file' ? fileVersion(action.version) : remoteVersion(action.version);
    return install(plan, { suite: SAYS_OK, force: false }, effects, never);
  }
  if (action.do === 'remove')
    return removeModel(NAME, false, { ...effects, knownNames: [...state.records.keys()] }, never);
  const options = { force: false, suiteFor: async () => SAYS_OK, known: async () => ({ stop: [], template: '' }) };
  return rollBackModel(NAME, options, effects, never);
}

/** Runs work to its end or its crash; what is wrong on purpose (nothing to go back to, nothing to remove) is returned. */
async function run(
  work: Work<unknown>,
  state: MemoryState,
  events: ProgressEvent[] = [],
): Promise<ProvisionError | undefined> {
  let failure: ProvisionError | undefined;
  try {
    await drive(work, (event) => void events.push(event));
  } catch (error) {
    if (error instanceof ProvisionError) failure = error;
    else if (!(error instanceof Crash)) throw error;
  }
  state.atCrash();
  state.held.length = 0;
  return failure;
}

/** The version that a name of the runtime answers with. */
function versionOf(state: MemoryState, name: string): string | undefined {
  const digest = state.runtime.models.get(name)?.layerDigest;
  return (['A', 'B', 'C'] as const).find((version) => digestOf(version) === digest) ?? digest;
}

/** All that must hold between two runs, when none is interrupted. */
function expectSound(state: MemoryState): void {
  const record = state.records.get(NAME);
  expect(state.journals.size).toBe(0);
  expect(versionOf(state, NAME)).toBe(
    (['A', 'B', 'C'] as const).find((version) => digestOf(version) === record?.source.digest),
  );
  const kept = record?.previous?.keptAs;
  const others = [...state.runtime.models.keys()].filter((name) => name !== NAME);
  expect(others).toEqual(kept === undefined ? [] : [kept]);
  if (kept !== undefined) {
    expect(state.runtime.models.get(kept)?.entryDigest).toBe(record?.previous?.stored.entryDigest);
  }
}

/** What may stand after a crash: the old model or the new one, whatever the journal has to say. */
function answersOneOf(state: MemoryState, allowed: readonly (string | undefined)[]): void {
  expect(allowed).toContain(versionOf(state, NAME));
}

const FILE_CHECKPOINTS = CHECKPOINTS.filter((name) => name !== 'remove' && name !== 'forget');

test('there are at least twelve checkpoints, and an upgrade passes all of its own in their order', async () => {
  const state = new MemoryState();
  await run(workOf({ do: 'install', version: 'A', from: 'remote' }, state), state);
  state.passed.length = 0;
  await run(workOf({ do: 'install', version: 'B', from: 'remote' }, state), state);
  expect(state.passed).toEqual(FILE_CHECKPOINTS);
  expect(CHECKPOINTS.length).toBeGreaterThanOrEqual(12);
});

describe('row 22: an install that is killed', () => {
  test.each(FILE_CHECKPOINTS)('at %s: nothing half-done answers, and the same install again converges', async (at) => {
    const state = new MemoryState();
    await run(workOf({ do: 'install', version: 'A', from: 'file' }, state), state);
    expectSound(state);
    state.crashAt = at;
    await run(workOf({ do: 'install', version: 'B', from: 'remote' }, state), state);
    expect(state.crashAt).toBeUndefined();
    answersOneOf(state, ['A', 'B']);
    expect(await run(workOf({ do: 'install', version: 'B', from: 'remote' }, state), state)).toBeUndefined();
    expectSound(state);
    expect(versionOf(state, NAME)).toBe('B');
    expect(state.records.get(NAME)?.previous?.source.digest).toBe(digestOf('A'));
  });

  test.each(FILE_CHECKPOINTS)('at %s: another command on the name first puts it right', async (at) => {
    const state = new MemoryState();
    await run(workOf({ do: 'install', version: 'A', from: 'file' }, state), state);
    state.crashAt = at;
    await run(workOf({ do: 'install', version: 'B', from: 'file' }, state), state);
    await run(workOf({ do: 'remove' }, state), state);
    expect([...state.runtime.models.keys()]).toEqual([]);
    expect(state.records.size + state.journals.size).toBe(0);
  });

  test('row 46: between the create and its name it goes on with what is staged, and moves no byte', async () => {
    const state = new MemoryState();
    await run(workOf({ do: 'install', version: 'A', from: 'file' }, state), state);
    state.crashAt = 'stage';
    await run(workOf({ do: 'install', version: 'B', from: 'file' }, state), state);
    expect(versionOf(state, NAME)).toBe('A');
    state.runtime.calls.length = 0;
    const events: ProgressEvent[] = [];
    await run(workOf({ do: 'install', version: 'B', from: 'file' }, state), state, events);
    expect(state.runtime.calls.filter((call) => call.startsWith('store'))).toEqual([]);
    expect(events).toContainEqual({
      type: 'warning',
      message: `the last install of ${NAME} was interrupted; continuing with the staged model`,
    });
    expect(versionOf(state, NAME)).toBe('B');
    expectSound(state);
  });

  test('another install than the interrupted one rolls back what that one staged', async () => {
    const state = new MemoryState();
    state.crashAt = 'prove';
    await run(workOf({ do: 'install', version: 'A', from: 'file' }, state), state);
    const events: ProgressEvent[] = [];
    await run(workOf({ do: 'install', version: 'B', from: 'file' }, state), state, events);
    expect(events).toContainEqual({
      type: 'warning',
      message: `the last install of ${NAME} was interrupted (step prove) and was rolled back`,
    });
    expect(versionOf(state, NAME)).toBe('B');
    expectSound(state);
  });

  test.each(['promote', 'record', 'clean'] as const)('at %s: the tested model stays, with its record', async (at) => {
    const state = new MemoryState();
    state.crashAt = at;
    await run(workOf({ do: 'install', version: 'A', from: 'file' }, state), state);
    const error = await run(workOf({ do: 'rollback' }, state), state);
    expect(error?.code).toBe('record-not-found');
    expect(versionOf(state, NAME)).toBe('A');
    expectSound(state);
  });
});

describe('row 21: the name is broken when the run dies', () => {
  async function brokenAtPromote(): Promise<MemoryState> {
    const state = new MemoryState();
    await run(workOf({ do: 'install', version: 'A', from: 'file' }, state), state);
    state.crashAt = 'backup';
    await run(workOf({ do: 'install', version: 'B', from: 'file' }, state), state);
    state.runtime.models.delete(NAME);
    state.runtime.broken.add(NAME);
    return state;
  }

  test('it gets back what it held, from what was kept', async () => {
    const state = await brokenAtPromote();
    const error = await run(workOf({ do: 'rollback' }, state), state);
    expect(error?.code).toBe('record-not-found');
    expect(versionOf(state, NAME)).toBe('A');
    expectSound(state);
  });

  test('with the kept one gone, the tested model takes its place', async () => {
    const state = await brokenAtPromote();
    for (const name of state.runtime.models.keys()) if (isPreviousName(name)) state.runtime.models.delete(name);
    await run(workOf({ do: 'rollback' }, state), state);
    expect(versionOf(state, NAME)).toBe('B');
    expect(state.records.get(NAME)?.source.digest).toBe(digestOf('B'));
  });

  test('with both gone, it is told, and an install writes the name anew', async () => {
    const state = await brokenAtPromote();
    state.runtime.models.clear();
    const events: ProgressEvent[] = [];
    await run(workOf({ do: 'rollback' }, state), state, events);
    expect(events.some((event) => event.type === 'warning' && event.message.includes(`repair ${NAME}`))).toBe(true);
    await run(workOf({ do: 'install', version: 'B', from: 'file' }, state), state);
    expect(versionOf(state, NAME)).toBe('B');
    expectSound(state);
  });
});

describe('a rollback that is killed', () => {
  const passed: Checkpoint[] = ['lock', 'plan', 'smoke', 'ready', 'backup', 'promote', 'record', 'clean', 'end'];

  test.each(passed)('at %s: old or new, and its previous is the other', async (at) => {
    const state = new MemoryState();
    await run(workOf({ do: 'install', version: 'A', from: 'file' }, state), state);
    await run(workOf({ do: 'install', version: 'B', from: 'file' }, state), state);
    state.crashAt = at;
    await run(workOf({ do: 'rollback' }, state), state);
    expect(state.crashAt).toBeUndefined();
    answersOneOf(state, ['A', 'B']);
    await run(workOf({ do: 'install', version: 'C', from: 'file' }, state), state);
    expect(versionOf(state, NAME)).toBe('C');
    expectSound(state);
  });
});

describe('a removal that is killed', () => {
  test.each(['plan', 'remove', 'forget', 'end'] as const)('at %s: the next run finishes it', async (at) => {
    const state = new MemoryState();
    await run(workOf({ do: 'install', version: 'A', from: 'file' }, state), state);
    await run(workOf({ do: 'install', version: 'B', from: 'file' }, state), state);
    state.crashAt = at;
    await run(workOf({ do: 'remove' }, state), state);
    expect(state.crashAt).toBeUndefined();
    expect((await run(workOf({ do: 'remove' }, state), state))?.code).toBe('record-not-found');
    expect([...state.runtime.models.keys()]).toEqual([]);
    expect(state.records.size + state.journals.size).toBe(0);
  });

  test('a model that somebody pulled meanwhile under the name stays', async () => {
    const state = new MemoryState();
    await run(workOf({ do: 'install', version: 'A', from: 'file' }, state), state);
    state.crashAt = 'plan';
    await run(workOf({ do: 'remove' }, state), state);
    const theirs = {
      name: NAME,
      layerDigest: digestOf('theirs'),
      entryDigest: digestOf('theirs too'),
      answers: () => 'OK',
    };
    state.runtime.models.set(NAME, theirs);
    await run(workOf({ do: 'remove' }, state), state);
    expect([...state.runtime.models.values()]).toEqual([theirs]);
    expect(state.records.size + state.journals.size).toBe(0);
  });
});

describe('a pull from the library that is killed', () => {
  const passed: Checkpoint[] = ['transfer', 'blob', 'stage', 'smoke', 'prove', 'ready', 'promote', 'record', 'clean'];

  test.each(passed)('at %s: what the user had comes back, or the tested one stays', async (at) => {
    const state = new MemoryState();
    const earlier = { name: LIBRARY, entryDigest: digestOf('earlier'), answers: () => 'OK' };
    state.runtime.models.set(LIBRARY, earlier);
    state.crashAt = at;
    await run(install(libraryPlan(), { suite: SAYS_OK, force: false }, state.effects(), never), state);
    expect(state.crashAt).toBeUndefined();
    const remove = removeModel(LIBRARY, false, { ...state.effects(), knownNames: [] }, never);
    const error = await run(remove, state);
    const isRecorded = ['promote', 'record', 'clean'].includes(at) || at === 'ready';
    expect(error?.code).toBe(isRecorded ? undefined : 'foreign-model');
    expect([...state.runtime.models.values()]).toEqual(isRecorded ? [] : [earlier]);
    expect(state.journals.size).toBe(0);
  });

  test('under another name the library name does not stay behind', async () => {
    const state = new MemoryState();
    state.crashAt = 'prove';
    await run(install(libraryPlan('mine:t'), { suite: SAYS_OK, force: false }, state.effects(), never), state);
    expect([...state.runtime.models.keys()]).toEqual([LIBRARY]);
    await run(install(libraryPlan('mine:t'), { suite: SAYS_OK, force: false }, state.effects(), never), state);
    expect([...state.runtime.models.keys()]).toEqual(['mine:t']);
    expect(state.records.has('mine:t')).toBe(true);
  });
});

test('row 22: any sequence of commands with crashes anywhere converges (model)', async () => {
  const version = fc.constantFrom<Version>('A', 'B', 'C');
  const action: fc.Arbitrary<Action> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('install' as const), version, from: fc.constantFrom('file', 'remote') }),
    },
    { weight: 2, arbitrary: fc.constant<Action>({ do: 'rollback' }) },
    { weight: 1, arbitrary: fc.constant<Action>({ do: 'remove' }) },
  );
  const step = fc.record({ action, crashAt: fc.option(fc.constantFrom(...CHECKPOINTS), { nil: undefined }) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      const state = new MemoryState();
      for (const { action: next, crashAt } of steps) {
        const [old, kept] = [versionOf(state, NAME), state.records.get(NAME)?.previous?.source.digest];
        state.crashAt = crashAt;
        await run(workOf(next, state), state);
        state.crashAt = undefined;
        const before = (['A', 'B', 'C'] as const).find((each) => digestOf(each) === kept);
        const aims = next.do === 'install' ? [next.version] : next.do === 'rollback' ? [before] : [undefined];
        answersOneOf(state, [old, ...aims]);
        // The same command again, without a crash, always comes to an end, and leaves all in order.
        if (next.do !== 'rollback') await run(workOf(next, state), state);
        else await run(workOf({ do: 'install', version: 'A', from: 'file' }, state), state);
        expectSound(state);
      }
    }),
    { numRuns: 300 },
  );
});
