import { beforeEach, expect, test } from 'vitest';
import { dropJournal, findJournal, type Journal, listJournals, putJournal } from '../../../src/registry/index.ts';

const KEY = { name: 'gemma-3n-e4b:q4_k_m', runtime: { kind: 'embedded', endpoint: 'embedded' } } as const;
const JOURNAL: Journal = {
  schemaVersion: 1,
  operation: 'install',
  ...KEY,
  startedAt: '2026-01-02T03:04:05.000Z',
  toolVersion: '1.0.0',
  step: 'stage',
  undo: { restores: [{ name: KEY.name }], drop: ['gemma-provision-staging:x'] },
};

let texts: Map<string, string>;

function registry() {
  return {
    dataDir: '/data',
    disk: {
      readText: async (path: string) => texts.get(path),
      replaceText: async (path: string, text: string) => void texts.set(path, text),
      list: async (folder: string) =>
        [...texts.keys()].filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1)),
      remove: async (path: string) => void texts.delete(path),
    },
  };
}

beforeEach(() => {
  texts = new Map();
});

async function pathOfWritten(): Promise<string> {
  await putJournal(registry(), JOURNAL);
  const [path] = [...texts.keys()];
  if (path === undefined) throw new Error('written');
  return path;
}

test('a journal is found by the name of its model, in every spelling, and dropped', async () => {
  const path = await pathOfWritten();
  expect(path).toMatch(/^\/data\/journal\/gemma-3n-e4b-q4_k_m-[0-9a-f]{10}\.json$/);
  expect(await findJournal(registry(), { ...KEY, name: 'Gemma-3n-E4B:q4_k_m' })).toEqual({ journal: JOURNAL });
  await dropJournal(registry(), KEY);
  expect(await findJournal(registry(), KEY)).toBeUndefined();
  expect(texts.size).toBe(0);
});

test('every spot of one is on its own: another name has none', async () => {
  await pathOfWritten();
  expect(await findJournal(registry(), { ...KEY, name: 'other:t' })).toBeUndefined();
});

test.each([
  ['empty', ''],
  ['cut short', JSON.stringify(JOURNAL).slice(0, 60)],
  ['binary', '\u0000\u0001\u0002'],
  ['of another form', JSON.stringify({ ...JOURNAL, step: 'dance' })],
  ['of another name', JSON.stringify({ ...JOURNAL, name: 'other:t' })],
])('row 25: one that is %s is saved aside, with all that it said', async (_what, text) => {
  const path = await pathOfWritten();
  texts.set(path, text);
  expect(await findJournal(registry(), KEY)).toEqual({ savedAs: `${path}.broken` });
  expect([...texts]).toEqual([[`${path}.broken`, text]]);
  expect(await findJournal(registry(), KEY)).toBeUndefined();
});

test('row 25: one of a newer version is refused and left as it is', async () => {
  const path = await pathOfWritten();
  const text = JSON.stringify({ schemaVersion: 2, operation: 'something new' });
  texts.set(path, text);
  await expect(findJournal(registry(), KEY)).rejects.toMatchObject({ code: 'bad-record', exitCode: 18 });
  expect([...texts]).toEqual([[path, text]]);
});

test('all journals are listed, those that cannot be read by their path alone', async () => {
  const path = await pathOfWritten();
  texts.set('/data/journal/zz.json', 'broken');
  texts.set('/data/journal/yy.json.broken', 'put aside');
  expect(await listJournals(registry())).toEqual([{ path, journal: JOURNAL }, { path: '/data/journal/zz.json' }]);
});
