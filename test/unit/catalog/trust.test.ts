import { describe, expect, test } from 'vitest';
import { type CatalogPlaces, loadCatalog } from '../../../src/catalog/load.ts';
import type { CatalogTrust } from '../../../src/catalog/trust.ts';
import { digestOf } from '../../../src/core/digest.ts';
import type { ProvisionError } from '../../../src/core/errors.ts';
import type { PrivateKey } from '../../../src/trust/contract.ts';
import { type SeenVersion, type SeenVersions, signManifest } from '../../../src/trust/index.ts';
import { seenVersions } from '../../../src/trust/seen-store.ts';
import { keyPair } from '../trust/support.ts';
import { json, memoryFiles, sampleFamily } from './helpers.ts';

const FILE = '/mine.json';
const NOW = new Date('2026-11-24T12:00:00Z');
const ours = keyPair('prime256v1', 'ours');
const other = keyPair('secp384r1', 'other');

function overlay(fields: object): string {
  return json({ schemaVersion: 1, id: 'sample', ...fields });
}

function signatureOf(text: string, key: PrivateKey = ours.private): string {
  return signManifest({ subject: 'mine.json', files: [{ name: '.', digest: digestOf(text) }] }, key);
}

function memorySeen(before: readonly SeenVersion[] = []): SeenVersions & { readonly kept: SeenVersion[] } {
  const kept: SeenVersion[] = [];
  return {
    kept,
    read: async () => before,
    keep: async (fresh) => {
      kept.push(...fresh);
    },
  };
}

interface Setting extends Partial<CatalogTrust> {
  readonly text: string;
  readonly signature?: string;
  readonly place?: 'flag' | 'user';
}

function load({ text, signature, place = 'flag', ...trust }: Setting) {
  const path = place === 'flag' ? FILE : '/user/mine.json';
  const disk = memoryFiles({
    '/builtin/sample.json': json(sampleFamily()),
    [path]: text,
    ...(signature !== undefined && { [`${path}.sig`]: signature }),
  });
  const places: CatalogPlaces = {
    builtin: '/builtin',
    ...(place === 'flag' ? { extra: [path] } : { user: '/user' }),
    trust: { keys: [ours.public], allowUnsigned: false, seen: memorySeen(), now: NOW, warn: () => {}, ...trust },
  };
  return loadCatalog(disk, places);
}

function refusal(code: 'untrusted' | 'stale-catalog', message: RegExp): Partial<ProvisionError> {
  return expect.objectContaining({ code, exitCode: 11, message: expect.stringMatching(message) });
}

describe('row 41: whom a catalog file comes from', () => {
  test.each(['flag', 'user'] as const)(
    'a signed file of the %s folder is taken, and its version is kept',
    async (place) => {
      const text = overlay({ version: 3, summary: 'signed' });
      const seen = memorySeen();
      const catalog = await load({ text, signature: signatureOf(text), seen, place });
      expect(catalog.families[0]?.family.summary).toBe('signed');
      expect(seen.kept).toEqual([{ key: ours.public.hint, id: 'sample', version: 3, digest: digestOf(text) }]);
    },
  );

  test.each(['flag', 'user'] as const)('an unsigned file of the %s folder is refused', async (place) => {
    const seen = memorySeen();
    const work = load({ text: overlay({ version: 3 }), seen, place });
    await expect(work).rejects.toThrow(refusal('untrusted', /is not signed: .*mine\.json\.sig does not exist/));
    await expect(work).rejects.toMatchObject({
      suggestions: expect.arrayContaining([expect.stringMatching(/--allow-unsigned/)]),
    });
    expect(seen.kept).toEqual([]);
  });

  test('by another key, over another file, and not a signature at all', async () => {
    const text = overlay({ version: 3 });
    const cases: [string, RegExp][] = [
      [signatureOf(text, other.private), /was not made by ours\.pub/],
      [signatureOf(overlay({ version: 4 })), /does not match its signature: it is sha256:/],
      ['{}', /is not valid/],
    ];
    for (const [signature, message] of cases) {
      await expect(load({ text, signature })).rejects.toThrow(refusal('untrusted', message));
    }
  });

  test('a wrong signature is told before what is wrong in the file', async () => {
    const signature = signatureOf('x');
    await expect(load({ text: '{', signature })).rejects.toThrow(refusal('untrusted', /does not match its signature/));
    await expect(load({ text: '{', signature: signatureOf('{') })).rejects.toMatchObject({ code: 'bad-catalog' });
  });

  test('signed under its own name, as the specification has it', async () => {
    const text = overlay({ version: 3 });
    const signed = (name: string) =>
      signManifest({ subject: 'mine.json', files: [{ name, digest: digestOf(text) }] }, ours.private);
    await expect(load({ text, signature: signed('mine.json') })).resolves.toBeDefined();
    await expect(load({ text, signature: signed('other.json') })).rejects.toThrow(
      refusal('untrusted', /other\.json is missing/),
    );
  });

  test('any of several keys will do', async () => {
    const text = overlay({});
    const keys = [other.public, ours.public];
    await expect(load({ text, signature: signatureOf(text), keys })).resolves.toBeDefined();
  });

  test('without a key, the file is taken and nothing is kept', async () => {
    const seen = memorySeen();
    const catalog = await load({ text: overlay({ version: 9, summary: 'plain' }), seen, keys: [] });
    expect(catalog.families[0]?.family.summary).toBe('plain');
    expect(seen.kept).toEqual([]);
  });

  test('--allow-unsigned excuses a missing signature, with a warning, and nothing is kept', async () => {
    const seen = memorySeen([{ key: ours.public.hint, id: 'sample', version: 3, digest: digestOf('three') }]);
    for (const fields of [{ version: 9 }, {}]) {
      const warnings: string[] = [];
      const warn = (message: string) => void warnings.push(message);
      await load({ text: overlay(fields), seen, allowUnsigned: true, warn });
      expect(warnings).toEqual([expect.stringMatching(/mine\.json is not signed; --allow-unsigned accepts it/)]);
    }
    expect(seen.kept).toEqual([]);
  });

  test('--allow-unsigned excuses no signature that does not hold, and no older version', async () => {
    const two = overlay({ version: 2 });
    const seen = memorySeen([{ key: ours.public.hint, id: 'sample', version: 3, digest: digestOf('three') }]);
    const broken = load({ text: two, signature: signatureOf(overlay({ version: 4 })), allowUnsigned: true });
    await expect(broken).rejects.toThrow(refusal('untrusted', /does not match its signature/));
    const foreign = load({ text: two, signature: signatureOf(two, other.private), allowUnsigned: true });
    await expect(foreign).rejects.toThrow(refusal('untrusted', /was not made by ours\.pub/));
    const older = refusal('stale-catalog', /is version 2, but version 3 of sample/);
    await expect(load({ text: two, signature: signatureOf(two), allowUnsigned: true, seen })).rejects.toThrow(older);
    await expect(load({ text: two, allowUnsigned: true, seen })).rejects.toThrow(older);
  });

  test('the built-in files need no signature', async () => {
    const disk = memoryFiles({ '/builtin/sample.json': json(sampleFamily()) });
    const trust = { keys: [ours.public], allowUnsigned: false, seen: memorySeen(), now: NOW, warn: () => {} };
    await expect(loadCatalog(disk, { builtin: '/builtin', trust })).resolves.toMatchObject({
      families: [{ family: { id: 'sample' } }],
    });
  });
});

describe('row 41: an old catalog', () => {
  function seenAt(version: number, text: string): SeenVersion {
    return { key: ours.public.hint, id: 'sample', version, digest: digestOf(text) };
  }
  const two = overlay({ version: 2 });

  test('a lower version than was seen, and none after one, are refused', async () => {
    const seen = memorySeen([seenAt(3, 'three')]);
    await expect(load({ text: two, signature: signatureOf(two), seen })).rejects.toThrow(
      refusal('stale-catalog', /is version 2, but version 3 of sample was accepted here before/),
    );
    const none = overlay({});
    await expect(load({ text: none, signature: signatureOf(none), seen })).rejects.toThrow(
      refusal('stale-catalog', /has no version, but version 3/),
    );
    expect(seen.kept).toEqual([]);
  });

  test('the same file again is taken; other content under its version is refused', async () => {
    const seen = memorySeen([seenAt(2, two)]);
    await expect(load({ text: two, signature: signatureOf(two), seen })).resolves.toBeDefined();
    expect(seen.kept).toEqual([]);
    const forged = overlay({ version: 2, summary: 'other' });
    await expect(load({ text: forged, signature: signatureOf(forged), seen })).rejects.toThrow(
      refusal('stale-catalog', /accepted here before with different content/),
    );
  });

  test('versions of another key and of another family do not count', async () => {
    const before = [
      { ...seenAt(9, 'x'), key: other.public.hint },
      { ...seenAt(9, 'x'), id: 'else' },
    ];
    await expect(load({ text: two, signature: signatureOf(two), seen: memorySeen(before) })).resolves.toBeDefined();
  });

  test.each([
    ['2026-11-24T12:00:00Z', false],
    ['2026-11-24T12:00:01Z', true],
    ['2026-11-24T13:30:00+01:00', true],
    ['2026-11-24T12:30:00+01:00', false],
  ])('a file that expires at %s is taken at noon: %s', async (expires, taken) => {
    const text = overlay({ expires });
    const work = load({ text, signature: signatureOf(text) });
    if (taken) await expect(work).resolves.toBeDefined();
    else await expect(work).rejects.toThrow(refusal('stale-catalog', /expired at/));
    // Without a key as well: the file says so of itself.
    if (!taken) await expect(load({ text, keys: [] })).rejects.toThrow(refusal('stale-catalog', /expired at/));
  });

  test('version and expiry are of the file and not handed on to the family', async () => {
    const text = overlay({ version: 7, expires: '2030-01-01T00:00:00Z' });
    const { families } = await load({ text, signature: signatureOf(text) });
    expect(families[0]?.family).not.toHaveProperty('version');
    expect(families[0]?.family).not.toHaveProperty('expires');
  });

  test.each([
    ['version', 0],
    ['version', 1.5],
    ['version', '3'],
    ['version', 2 ** 53 + 1],
    ['expires', 'tomorrow'],
    ['expires', '2027-01-31'],
  ])('%s %s is no catalog', async (field, value) => {
    const text = overlay({ [field]: value });
    await expect(load({ text, keys: [] })).rejects.toMatchObject({
      code: 'bad-catalog',
      message: expect.stringMatching(new RegExp(`  ${field}: `)),
    });
  });
});

describe('what was seen', () => {
  function store(text?: string) {
    const state = { text, locks: 0, held: false };
    const files = {
      readText: async () => state.text,
      replaceText: async (_path: string, next: string) => {
        expect(state.held).toBe(true);
        state.text = next;
      },
      async locked<Result>(task: () => Promise<Result>) {
        state.locks += 1;
        state.held = true;
        return task().finally(() => {
          state.held = false;
        });
      },
    };
    return { state, seen: seenVersions(files, '/data/trust.json', 'catalogs') };
  }
  const entry = (version: number, id = 'sample'): SeenVersion => ({
    key: 'k',
    id,
    version,
    digest: digestOf(`${version}`),
  });

  test('nothing new locks and writes nothing', async () => {
    const { state, seen } = store();
    await seen.keep([]);
    expect(state).toMatchObject({ text: undefined, locks: 0 });
    expect(await seen.read()).toEqual([]);
  });

  test('the highest version of each key and family stays, whatever another process wrote meanwhile', async () => {
    const { seen } = store();
    await seen.keep([entry(2), entry(1, 'zeta')]);
    await seen.keep([entry(1), entry(5, 'alpha')]);
    expect(await seen.read()).toEqual([entry(5, 'alpha'), entry(2), entry(1, 'zeta')]);
  });

  test('catalogs and models of the same name are kept apart, and a file without models is read', async () => {
    const { state, seen } = store(JSON.stringify({ schemaVersion: 1, catalogs: [entry(1)] }));
    const files = {
      readText: async () => state.text,
      async replaceText(_path: string, next: string) {
        state.text = next;
      },
      locked: <Result>(task: () => Promise<Result>) => task(),
    };
    const models = seenVersions(files, '/data/trust.json', 'models');
    expect(await models.read()).toEqual([]);
    await models.keep([entry(7)]);
    expect(await models.read()).toEqual([entry(7)]);
    expect(await seen.read()).toEqual([entry(1)]);
  });

  test.each(['', '{', '[]', '{"schemaVersion":1}', '{"schemaVersion":2,"catalogs":[]}'])(
    'a broken file (%s) is refused, and stays',
    async (text) => {
      const { state, seen } = store(text);
      await expect(seen.read()).rejects.toMatchObject({ code: 'bad-record', exitCode: 18 });
      await expect(seen.keep([entry(1)])).rejects.toMatchObject({ code: 'bad-record' });
      expect(state.text).toBe(text);
    },
  );

  test('a folder that cannot be written is told', async () => {
    const files = {
      readText: async () => undefined,
      replaceText: async () => Promise.reject(Object.assign(new Error('EROFS'), { code: 'EROFS' })),
      locked: <Result>(task: () => Promise<Result>) => task(),
    };
    await expect(seenVersions(files, '/data/trust.json', 'catalogs').keep([entry(1)])).rejects.toMatchObject({
      code: 'file-access',
      exitCode: 14,
    });
  });
});
