import { expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import type { Problem } from '../../../../src/provision/maintain/problems.ts';
import type { WritableModelFolder } from '../../../../src/provision/maintain/repair-blobs.ts';
import { findWorkaround, removeNames } from '../../../../src/provision/maintain/repair-blobs.ts';
import type { InstallRecord } from '../../../../src/registry/schema.ts';
import { never } from '../../../helpers/failure.ts';
import { FakeRuntime } from '../../../helpers/fake-runtime.ts';
import { recordOf } from '../../registry/support.ts';

const NAME = 'gemma:q4';
const KEPT = 'gemma-provision-previous:gemma-q4-0123456789ab';
const BLOB = { name: 'sha256-a', path: '/models/blobs/sha256-a', sizeBytes: 1, modifiedMs: 0 };

const place: WritableModelFolder = {
  runtime: new FakeRuntime(),
  contents: { folder: '/models', manifests: [], blobs: [BLOB], links: [] },
};
const elsewhere = { path: '/home/model.gguf' };

function corrupt(...models: string[]): Problem[] {
  return [{ kind: 'corrupt-blob', detail: 'corrupt', digest: digestOf('a'), path: BLOB.path, models }];
}

function keeping(): InstallRecord {
  const { previous: _, ...body } = recordOf(NAME);
  return { ...body, previous: { ...body, keptAs: KEPT } };
}

test('row 47: what only we use goes with our names', () => {
  const way = findWorkaround(keeping(), corrupt(NAME, KEPT), elsewhere, place);
  expect(way).toEqual({ names: [NAME, KEPT], suggestions: [] });
});

test('row 49: what somebody else uses stays, and both ways out are told', () => {
  const way = findWorkaround(recordOf(NAME), corrupt(NAME, 'theirs:latest', KEPT), elsewhere, place);
  expect(way?.names).toEqual([]);
  expect(way?.suggestions.join()).toMatch(
    /user who can write to \/models.*ollama rm theirs:latest gemma-provision-prev/,
  );
});

test('row 35: the only good copy is not removed with the names', () => {
  const way = findWorkaround(recordOf(NAME), corrupt(NAME), { path: BLOB.path }, place);
  expect(way?.names).toEqual([]);
  expect(way?.suggestions.join()).toContain(`copy ${BLOB.path}`);
});

test('a folder that can be written to needs no way round, nor does a model without a corrupt blob', () => {
  const store = { replace: async function* () {}, drop: async () => {} };
  expect(
    findWorkaround(recordOf(NAME), corrupt(NAME, 'theirs:latest'), elsewhere, { ...place, store }),
  ).toBeUndefined();
  expect(findWorkaround(recordOf(NAME), [], elsewhere, place)).toBeUndefined();
  const unseen = { ...place, contents: { refused: 'It is elsewhere.' } };
  expect(findWorkaround(recordOf(NAME), corrupt(NAME), elsewhere, unseen)).toBeUndefined();
});

test('the record stops promising a version before that version goes', async () => {
  const runtime = new FakeRuntime();
  const done: string[] = [];
  const records = {
    find: async () => undefined,
    put: async ({ previous }: InstallRecord) => void done.push(`record ${previous?.keptAs ?? 'without it'}`),
    drop: async () => {},
  };
  const watched = Object.assign(runtime, { remove: async (name: string) => void done.push(`remove ${name}`) });
  const now = await removeNames(keeping(), [NAME, KEPT], { runtime: watched, records }, never);
  expect(done).toEqual(['record without it', `remove ${NAME}`, `remove ${KEPT}`]);
  expect(now.previous).toMatchObject({ name: NAME });
  expect(now.previous?.keptAs).toBeUndefined();

  done.length = 0;
  const kept = await removeNames(keeping(), [NAME], { runtime: watched, records }, never);
  expect([kept.previous?.keptAs, done]).toEqual([KEPT, [`remove ${NAME}`]]);
});
