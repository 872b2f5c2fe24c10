import { beforeEach, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { drive } from '../../../../src/core/progress.ts';
import { recordOf } from '../../../../src/provision/install/record.ts';
import { removeModel } from '../../../../src/provision/maintain/remove.ts';
import type { InstallRecord } from '../../../../src/registry/schema.ts';
import type { FakeRuntime } from '../../../helpers/fake-runtime.ts';
import { MemoryState } from '../../../helpers/memory-state.ts';
import { tinyPlan } from '../../../helpers/plans.ts';

const NAME = 'tiny-gemma-3n:q4_k_m';
let runtime: FakeRuntime;
let records: Map<string, InstallRecord>;
let state: MemoryState;

beforeEach(() => {
  state = new MemoryState();
  ({ runtime, records } = state);
  const stored = { name: NAME, entryDigest: digestOf('entry'), answers: () => 'OK' };
  runtime.models.set(NAME, stored);
  const effects = { now: () => new Date(0), toolVersion: '1.0.0' };
  records.set(NAME, recordOf({ plan: tinyPlan(), promoted: stored, tested: {}, effects }));
});

function remove(name: string, force = false) {
  const effects = { ...state.effects(), knownNames: [...records.keys()] };
  return drive(removeModel(name, force, effects, new AbortController().signal), () => undefined);
}

test('removes the model and its record', async () => {
  expect(await remove(NAME)).toMatchObject({ name: NAME, removedFromRuntime: true });
  expect(runtime.models.size).toBe(0);
  expect(records.size).toBe(0);
});

test('a model that is gone already costs only its record', async () => {
  runtime.models.clear();
  expect(await remove(NAME)).toMatchObject({ removedFromRuntime: false });
  expect(records.size).toBe(0);
});

test('a model of somebody else stays', async () => {
  records.clear();
  await expect(remove(NAME)).rejects.toMatchObject({ code: 'foreign-model' });
  expect(runtime.models.has(NAME)).toBe(true);
});

test('a model that was changed since stays unless forced', async () => {
  runtime.models.set(NAME, { name: NAME, entryDigest: digestOf('edited'), answers: () => 'OK' });
  await expect(remove(NAME)).rejects.toMatchObject({ code: 'foreign-model' });
  expect(records.has(NAME)).toBe(true);
  await remove(NAME, true);
  expect(runtime.models.size).toBe(0);
});

test('a name that nobody knows gets the nearest match', async () => {
  await expect(remove('tiny-gemma-3n:q4_k_s')).rejects.toMatchObject({
    code: 'record-not-found',
    suggestions: expect.arrayContaining([`Did you mean ${NAME}?`]),
  });
});

test('a runtime that fails keeps the record', async () => {
  runtime.failures.set('remove', { error: new Error('down'), after: 0 });
  await expect(remove(NAME)).rejects.toThrow('down');
  expect(records.has(NAME)).toBe(true);
});
