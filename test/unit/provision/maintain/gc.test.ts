import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { previousNameOf } from '../../../../src/provision/install/versions.ts';
import { stagingNameOf } from '../../../../src/provision/plan/names.ts';
import { findRecord, listJournals } from '../../../../src/registry/index.ts';
import { recordOf } from '../../registry/support.ts';
import { blobName, digest, HOUR, installJournal, manifestPath, WHERE, World } from './gc-world.ts';

const NAME = 'gemma:q4';
const KEPT = previousNameOf(NAME, { entryDigest: digest('e') });
let world: World;

beforeEach(() => {
  world = new World();
});

async function kindsOf(options: Parameters<World['gc']>[0] = {}): Promise<string[]> {
  return (await world.gc(options)).items.map(({ kind }) => kind).sort();
}

/** Lists it, leaves it, then removes it; the second look finds nothing. */
async function expectCollected(kind: string, isThere: () => boolean): Promise<void> {
  expect(await world.gc()).toMatchObject({ applied: false, removed: 0, items: [{ kind, removed: false }] });
  expect(isThere()).toBe(true);
  expect(await world.gc({ apply: true })).toMatchObject({
    applied: true,
    removed: 1,
    items: [{ kind, removed: true }],
  });
  expect(isThere()).toBe(false);
  expect((await world.gc()).items).toEqual([]);
}

test('finds nothing where nothing is left', async () => {
  world.manifest(NAME, [digest('a'), digest('b')]);
  world.blob(blobName('a'));
  world.blob(blobName('b'));
  await world.record(recordOf(NAME));
  expect(await world.gc({ apply: true })).toMatchObject({ items: [], reclaimableBytes: 0, removed: 0, notes: [] });
});

test.each([
  ['server-blob', blobName('f')],
  ['server-upload', 'sha256-1234567890'],
  ['server-pull', `${blobName('f')}-partial-3`],
  ['server-temporary', 'gemma-provision-00000000-0000-4000-8000-000000000000.incomplete'],
])('row 22: a %s of long ago goes, a young one stays', async (kind, name) => {
  world.blob(name, 'x', HOUR - 1);
  const young = await world.gc({ apply: true });
  expect(young.items).toEqual([]);
  expect(young.notes.join()).toContain('1 of the server');
  const path = world.blob(name, 'x', HOUR);
  await expectCollected(kind, () => world.files.has(path));
});

test('all parts of a pull stay while one of them grows', async () => {
  world.blob(`${blobName('f')}-partial`, 'x', 5 * HOUR);
  world.blob(`${blobName('f')}-partial-0`, 'x', 1000);
  expect(await kindsOf()).toEqual([]);
});

test('what is no name of the server’s or ours is left alone', async () => {
  world.blob('notes.txt');
  expect(await kindsOf({ apply: true })).toEqual([]);
  expect(world.files.size).toBe(1);
});

test('nothing of the server goes with OLLAMA_NOPRUNE', async () => {
  world.keepsAll = true;
  world.blob(blobName('f'));
  const report = await world.gc({ apply: true });
  expect(report.items).toEqual([]);
  expect(report.notes.join()).toContain('OLLAMA_NOPRUNE');
  expect(world.files.size).toBe(1);
});

test('an empty manifest goes, and no longer keeps the server from pruning', async () => {
  const path = world.write(manifestPath('foreign:latest'), '');
  await expectCollected('server-manifest', () => world.files.has(path));
});

test.each([
  ['JSON of another kind', '{"digest":"sha256:1"}', {}],
  ['one written just now', '', { ageMs: 10 }],
])('a manifest stays: %s', async (_, text, age) => {
  const path = world.write(manifestPath('foreign:latest'), text, age);
  const report = await world.gc({ apply: true });
  expect([report.items, report.notes.length]).toEqual([[], 1]);
  expect(world.files.has(path)).toBe(true);
});

test('a broken manifest of a model of ours is for repair, and its digests keep their blobs', async () => {
  await world.record(recordOf(NAME));
  world.write(manifestPath(NAME), `{"config":{"digest":"${digest('a')}"`);
  world.blob(blobName('a'));
  const report = await world.gc({ apply: true });
  expect(report.items).toEqual([]);
  expect(report.notes.join()).toContain(`gemma-provision repair ${NAME}`);
  expect(world.files.has(`/models/blobs/${blobName('a')}`)).toBe(true);
});

test('row 32: a blob that a model comes to need meanwhile stays', async () => {
  const path = world.blob(blobName('f'));
  let reads = 0;
  world.onRead = () => {
    reads += 1;
    if (reads === 2) world.manifest('other:latest', [digest('f')]);
  };
  expect(await world.gc({ apply: true })).toMatchObject({ removed: 0, items: [{ problem: 'a model needs it now' }] });
  expect(world.files.has(path)).toBe(true);
});

test('nothing of a run that is alive is touched', async () => {
  const staging = stagingNameOf(NAME);
  world.manifest(staging, [digest('a')]);
  world.names.add(`gemma-provision-transfer:${'0'.repeat(24)}`);
  world.blob(blobName('f'));
  await world.journal(installJournal(NAME), true);
  const report = await world.gc({ apply: true });
  expect(report).toMatchObject({ items: [], removed: 0 });
  expect(report.notes.join('\n')).toContain(`A run on ${NAME} is in progress`);
  expect(world.names.size).toBe(2);
  expect(await listJournals(world.registry)).toHaveLength(1);
});

test('row 22: an interrupted run that can be finished is told, and stays', async () => {
  world.names.add(stagingNameOf(NAME));
  await world.journal(installJournal(NAME, { undo: { restores: [], drop: [stagingNameOf(NAME)] } }));
  const report = await world.gc({ apply: true });
  expect(report.items).toEqual([]);
  expect(report.notes).toContain(`The install of ${NAME} was interrupted; the next run on it completes it.`);
  expect(world.removedNames).toEqual([]);
});

test('row 22: a journal that left nothing behind goes', async () => {
  await world.journal(installJournal(NAME));
  await expectCollected('journal', () => world.list('/data/journal').length > 0);
});

test('a journal is kept while a record of its name is there', async () => {
  await world.journal(installJournal(NAME));
  await world.record(recordOf(NAME));
  expect(await kindsOf({ apply: true })).toEqual([]);
});

test.each([
  ['staging-name', stagingNameOf(NAME)],
  ['transfer-name', `gemma-provision-transfer:${'0'.repeat(24)}`],
  ['previous-version', KEPT],
])(
  'row 22: a %s that nobody speaks of goes after a day; until then it may be a run of somebody else',
  async (kind, name) => {
    world.manifest(name, [digest('a')], 23 * HOUR);
    const young = await world.gc({ apply: true });
    expect([young.items, world.names.has(name)]).toEqual([[], true]);
    expect(young.notes.join()).toContain('another user or machine');
    world.manifest(name, [digest('a')], 25 * HOUR);
    await expectCollected(kind, () => world.names.has(name));
    expect(world.removedNames).toEqual([name]);
  },
);

test('names stay where the age of none can be seen', async () => {
  world.names.add(stagingNameOf(NAME));
  const report = await world.gc({ apply: true });
  expect([report.items, world.removedNames]).toEqual([[], []]);
  expect(report.notes.join()).toContain('its age cannot be determined from here');
});

test('row 49: the earlier version of a model that somebody else installed stays', async () => {
  const theirs = 'their-model:latest';
  const text =
    world.files.get(world.manifest('was:latest', [digest('b')], 48 * HOUR))?.text ?? expect.fail('it is there');
  world.names.delete('was:latest');
  const kept = previousNameOf(theirs, { entryDigest: digestOf(text) });
  world.manifest(theirs, [digest('a')], 48 * HOUR);
  world.manifest(kept, [digest('b')], 48 * HOUR);
  const report = await world.gc({ apply: true });
  expect(world.removedNames).toEqual([]);
  expect(report.notes.join()).toContain(`the previous version of ${theirs}`);
  // Once that model is gone, nothing can go back to it any more.
  world.names.delete(theirs);
  await world.gc({ apply: true });
  expect(world.removedNames).toEqual([kept]);
});

test('a kept version stays while a record refers to it, and goes with --previous', async () => {
  const { previous: _, ...body } = recordOf(NAME);
  await world.record({ ...body, previous: { ...body, keptAs: KEPT } });
  world.manifest(KEPT, [digest('a')]);
  world.blob(blobName('a'), 'x'.repeat(30));
  expect(await kindsOf({ apply: true })).toEqual([]);
  const offered = await world.gc({ previous: true });
  expect(offered).toMatchObject({ reclaimableBytes: 30, items: [{ kind: 'previous-version', sizeBytes: 30 }] });
  expect(offered.items[0]?.reason).toContain('rollback');
  await world.gc({ previous: true, apply: true });
  expect(world.names.has(KEPT)).toBe(false);
  const record = await findRecord(world.registry, { name: NAME, runtime: WHERE });
  expect(record?.previous).toMatchObject({ name: NAME });
  expect(record?.previous?.keptAs).toBeUndefined();
});

test('with a record that cannot be read, kept versions stay', async () => {
  world.manifest(KEPT, [digest('a')], 48 * HOUR);
  world.write('/data/registry/gemma.json', 'not json');
  const report = await world.gc({ apply: true });
  expect([report.items, [...world.names]]).toEqual([[], [KEPT]]);
  expect(report.notes.join()).toContain('a record cannot be read');
});

test.each([
  ['state-file', '/data/journal/gemma.json.broken'],
  ['temporary-file', '/data/registry/gemma.json.123456'],
  ['stored-file', `/data/embedded/blobs/${blobName('f')}`],
  ['stored-file', '/data/embedded/blobs/.incomplete-1'],
])('a %s of our own goes: %s', async (kind, path) => {
  world.write(path, 'text');
  await expectCollected(kind, () => world.files.has(path));
});

test('a file that a state writer is writing stays, and so do blobs that the embedded runtime names', async () => {
  world.write('/data/registry/gemma.json.123456', 'text', { ageMs: 1000 });
  world.write(`/data/embedded/blobs/${blobName('f')}`, 'x');
  world.write('/data/embedded/models/a.json', JSON.stringify({ digest: digest('f') }));
  expect(await kindsOf({ apply: true })).toEqual([]);
});

test('a file with two links is freed once, and only when both go', async () => {
  world.blob(blobName('f'), 'x'.repeat(50));
  world.write('/cache/blobs/f', 'x'.repeat(50), { inode: `/models/blobs/${blobName('f')}` });
  expect(await world.gc()).toMatchObject({ reclaimableBytes: 0 });
  world.cached.push({ path: '/cache/blobs/f', digest: digest('f') });
  expect(await world.gc()).toMatchObject({ reclaimableBytes: 50, items: [{ sizeBytes: 50 }, { sizeBytes: 50 }] });
  expect(await world.gc({ apply: true })).toMatchObject({ reclaimableBytes: 50, removed: 2 });
});

test('one collection at a time', async () => {
  world.heldLocks.add('gc');
  await expect(world.gc({ apply: true })).rejects.toMatchObject({ code: 'busy', exitCode: 15 });
});

test('after --apply every model of a record still has all its blobs', async () => {
  const letters = ['a', 'b', 'c', 'd', 'e'] as const;
  const model = fc.record({
    layers: fc.uniqueArray(fc.constantFrom(...letters), { minLength: 1 }),
    ours: fc.boolean(),
    run: fc.constantFrom('none', 'dead', 'alive'),
    keptLayers: fc.option(fc.uniqueArray(fc.constantFrom(...letters), { minLength: 1 }), { nil: undefined }),
    spoilt: fc.boolean(),
  });
  const property = fc.asyncProperty(fc.array(model, { maxLength: 4 }), fc.boolean(), async (models, previous) => {
    const here = new World();
    for (const letter of letters) here.blob(blobName(letter));
    const needed = new Map<string, string[]>();
    for (const [index, { layers, ours, run, keptLayers, spoilt }] of models.entries()) {
      const name = `m${index}:latest`;
      here.manifest(name, layers.map(digest));
      needed.set(name, layers);
      if (spoilt) here.write(manifestPath(`spoilt${index}:latest`), '');
      const keptAs = previousNameOf(name, { entryDigest: digest('e') });
      if (keptLayers !== undefined) here.manifest(keptAs, keptLayers.map(digest));
      const record = recordOf(name);
      if (ours) await here.record({ ...record, ...(keptLayers !== undefined && { previous: { ...record, keptAs } }) });
      if (ours && keptLayers !== undefined && !previous) needed.set(keptAs, keptLayers);
      if (run !== 'none') await here.journal(installJournal(name), run === 'alive');
    }
    await here.gc({ apply: true, previous });
    for (const [name, layers] of needed) {
      expect(here.files.has(manifestPath(name))).toBe(true);
      for (const letter of layers) expect(here.files.has(`/models/blobs/${blobName(letter)}`)).toBe(true);
    }
  });
  await fc.assert(property, { numRuns: 150 });
});
