/** Row 49: nothing is removed or replaced that this tool did not put there, whatever a journal or a record says. */

import { beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { drive, type ProgressEvent, type Work } from '../../../../src/core/progress.ts';
import type { Checkpoint } from '../../../../src/provision/install/crash.ts';
import { install } from '../../../../src/provision/install/install.ts';
import { recover } from '../../../../src/provision/install/recovery.ts';
import { removeModel } from '../../../../src/provision/maintain/remove.ts';
import type { InstallPlan } from '../../../../src/provision/plan/contract.ts';
import { stagingNameOf } from '../../../../src/provision/plan/names.ts';
import { never } from '../../../helpers/failure.ts';
import { Crash, MemoryState } from '../../../helpers/memory-state.ts';
import { SPEC, tinyPlan } from '../../../helpers/plans.ts';

const NAME = 'tiny-gemma-3n:q4_k_m';
const OTHER = 'alice/precious:v1';

let state: MemoryState;
let warnings: string[];

beforeEach(() => {
  state = new MemoryState();
  warnings = [];
});

function plan(version: string): InstallPlan {
  const digest = digestOf(version);
  const file = { kind: 'file', ref: `${version}.gguf`, path: `/${version}.gguf`, sizeBytes: 100, digest } as const;
  return tinyPlan({ source: { kind: 'file', file, spec: SPEC } });
}

const answers = () => 'OK';
const theirs = (name: string) => ({ name, entryDigest: digestOf(`made by the user: ${name}`), answers });

function run<Result>(work: Work<Result>): Promise<Result> {
  const listen = (event: ProgressEvent) => {
    if (event.type === 'warning') warnings.push(event.message);
  };
  return drive(work, listen);
}

const put = (version: string, force = false) => run(install(plan(version), { force }, state.effects(), never));

async function crash(at: Checkpoint, version: string): Promise<void> {
  state.crashAt = at;
  await expect(put(version)).rejects.toBeInstanceOf(Crash);
  state.atCrash();
  state.held.length = 0;
}

describe('recovery of a run that was killed before its model had the name', () => {
  test.each(['ready', 'backup'] as const)(
    'row 49: at %s of a first install: a model that the user made meanwhile stays',
    async (at) => {
      await crash(at, 'A');
      state.runtime.models.set(NAME, theirs(NAME));
      const removal = removeModel(NAME, false, { ...state.effects(), knownNames: [] }, never);
      await expect(run(removal)).rejects.toMatchObject({ code: 'foreign-model' });
      expect([...state.runtime.models.values()]).toEqual([theirs(NAME)]);
      expect(warnings.join()).toContain(`${NAME} has a model that this tool did not put there; it was left alone`);
      expect(state.journals.size).toBe(0);
    },
  );

  test('row 49: and the same install again refuses the name', async () => {
    await crash('ready', 'A');
    state.runtime.models.set(NAME, theirs(NAME));
    await expect(put('A')).rejects.toMatchObject({ code: 'foreign-model' });
    expect(state.runtime.models.get(NAME)).toEqual(theirs(NAME));
  });

  test('row 49: at backup of an upgrade: what the user made meanwhile is not overwritten', async () => {
    await put('A');
    await crash('backup', 'B');
    state.runtime.models.set(NAME, theirs(NAME));
    await run(recover(NAME, state.effects(), never));
    expect(state.runtime.models.get(NAME)).toEqual(theirs(NAME));
    expect(warnings.join()).toContain('it was left alone');
  });
});

describe('a journal or a record that names models of others', () => {
  const common = { schemaVersion: 1, name: NAME, startedAt: '2026-01-02T03:04:05.000Z', toolVersion: '1.0.0' } as const;

  beforeEach(() => {
    state.runtime.models.set(OTHER, theirs(OTHER));
  });

  test('row 49: the journal of a removal', async () => {
    const { kind, endpoint } = state.runtime;
    state.journals.set(NAME, { ...common, operation: 'remove', runtime: { kind, endpoint }, drop: [OTHER] });
    await run(recover(NAME, state.effects(), never));
    expect(state.runtime.models.has(OTHER)).toBe(true);
    expect(warnings.join()).toContain(`${OTHER} has a model that this tool did not put there`);
  });

  test.each(['drop', 'restores'] as const)('row 49: the journal of an install, in %s', async (where) => {
    const { kind, endpoint } = state.runtime;
    const undo = { restores: [], drop: [], [where]: where === 'drop' ? [OTHER] : [{ name: OTHER }] };
    state.journals.set(NAME, { ...common, operation: 'install', step: 'stage', runtime: { kind, endpoint }, undo });
    await run(recover(NAME, state.effects(), never));
    expect(state.runtime.models.get(OTHER)).toEqual(theirs(OTHER));
    expect(state.journals.size).toBe(0);
  });

  test.each(['drop', 'restores', 'staged'] as const)('row 49: with the digest that it has, in %s', async (where) => {
    const { kind, endpoint } = state.runtime;
    const { entryDigest } = theirs(OTHER);
    const was = { entryDigest: digestOf('another') };
    const undo = {
      restores: where === 'restores' ? [{ name: OTHER, was, from: NAME }] : [],
      drop: where === 'drop' ? [OTHER] : [],
    };
    const staged = { name: OTHER, held: { entryDigest } };
    state.runtime.models.set(NAME, { ...theirs(NAME), ...was });
    state.journals.set(NAME, {
      ...common,
      operation: 'rollback',
      step: 'prove',
      runtime: { kind, endpoint },
      undo,
      staged,
    });
    await run(recover(NAME, state.effects(), never));
    expect(state.runtime.models.get(OTHER)).toEqual(theirs(OTHER));
  });

  test('row 49: a version that is kept for another model', async () => {
    const { kind, endpoint } = state.runtime;
    const kept = 'gemma-provision-previous:of-others-0123456789ab';
    state.runtime.models.set(kept, theirs(kept));
    state.journals.set(NAME, { ...common, operation: 'remove', runtime: { kind, endpoint }, drop: [kept] });
    await run(recover(NAME, state.effects(), never));
    expect(state.runtime.models.has(kept)).toBe(true);
  });

  test('row 49: the previous version of a record', async () => {
    await put('A');
    await put('B');
    const record = state.records.get(NAME);
    if (record?.previous === undefined) throw new Error('there is a previous version');
    state.records.set(NAME, { ...record, previous: { ...record.previous, keptAs: OTHER } });
    await run(removeModel(NAME, false, { ...state.effects(), knownNames: [] }, never));
    expect(state.runtime.models.has(OTHER)).toBe(true);
    expect(warnings.join()).toContain(OTHER);
  });

  test('row 49: a staged model of another name is not continued with', async () => {
    await crash('stage', 'A');
    const journal = state.journals.get(NAME);
    if (journal?.operation !== 'install' || journal.staged === undefined) throw new Error('it is staged');
    const { entryDigest } = theirs(OTHER);
    state.journals.set(NAME, { ...journal, staged: { name: OTHER, held: { entryDigest } } });
    await put('A');
    expect(state.runtime.models.get(NAME)?.layerDigest).toBe(digestOf('A'));
    expect(state.runtime.models.get(OTHER)).toEqual(theirs(OTHER));
    expect(state.runtime.models.has(stagingNameOf(NAME))).toBe(false);
  });
});

describe('a name that changed since', () => {
  test('row 49: an install leaves it alone unless forced, and does not keep it as ours then', async () => {
    await put('A');
    state.runtime.models.set(NAME, theirs(NAME));
    await expect(put('B')).rejects.toMatchObject({ code: 'foreign-model', exitCode: 16 });
    await expect(put('A')).rejects.toThrow('was changed since this tool installed it');
    expect(state.runtime.models.get(NAME)).toEqual(theirs(NAME));
    await put('B', true);
    expect(state.runtime.models.get(NAME)?.layerDigest).toBe(digestOf('B'));
    expect(state.records.get(NAME)?.previous?.keptAs).toBeUndefined();
  });

  test('row 49: also when it changes while the new model is tested', async () => {
    await put('A');
    const effects = state.effects();
    const checkpoint = (name: Checkpoint) => {
      if (name === 'prove') state.runtime.models.set(NAME, theirs(NAME));
    };
    await expect(run(install(plan('B'), { force: false }, { ...effects, checkpoint }, never))).rejects.toMatchObject({
      code: 'foreign-model',
    });
    expect([...state.runtime.models.keys()]).toEqual([NAME]);
    expect(state.runtime.models.get(NAME)).toEqual(theirs(NAME));
  });
});

describe('a record that repair rebuilt', () => {
  test.each([
    [false, 'foreign-model'],
    [true, undefined],
  ])('row 49: proven %s: removing it without --force is %s', async (proven, code) => {
    await put('A');
    const record = state.records.get(NAME) ?? expect.fail('recorded');
    state.records.set(NAME, { ...record, rebuilt: { at: '2026-01-02T03:04:05.000Z', proven } });
    const removal = run(removeModel(NAME, false, { ...state.effects(), knownNames: [] }, never));
    expect(
      await removal.then(
        () => undefined,
        (error: { code?: string }) => error.code,
      ),
    ).toBe(code);
    expect(state.runtime.models.has(NAME)).toBe(code !== undefined);
  });
});
