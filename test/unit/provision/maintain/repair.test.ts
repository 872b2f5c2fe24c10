/** What verify finds, and where repair takes the bytes from. */

import { beforeEach, describe, expect, test } from 'vitest';
import type { Digest } from '../../../../src/core/digest.ts';
import { digestOf } from '../../../../src/core/digest.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { drive } from '../../../../src/core/progress.ts';
import type { HashFile } from '../../../../src/disk/hash.ts';
import { install } from '../../../../src/provision/install/install.ts';
import { exitOf, type Problem, repairExit } from '../../../../src/provision/maintain/problems.ts';
import type { RepairEffects } from '../../../../src/provision/maintain/repair-blobs.ts';
import { repairModel } from '../../../../src/provision/maintain/repair-model.ts';
import { verifyRecords } from '../../../../src/provision/maintain/verify.ts';
import type { InstallRecord } from '../../../../src/registry/schema.ts';
import type { FolderContents } from '../../../../src/runtimes/contents.ts';
import type { BlobStore } from '../../../../src/runtimes/contract.ts';
import type { LocalFile } from '../../../../src/sources/contract.ts';
import { never } from '../../../helpers/failure.ts';
import { MemoryState } from '../../../helpers/memory-state.ts';
import { SPEC, tinyPlan } from '../../../helpers/plans.ts';

const NAME = 'tiny-gemma-3n:q4_k_m';
const LAYER = digestOf('good bytes');
const CONFIG = digestOf('config');

let state: MemoryState;
let record: InstallRecord;
/** Text of every file, by path. */
let disk: Map<string, string>;
let asked: string[];

beforeEach(async () => {
  state = new MemoryState();
  asked = [];
  const file = { kind: 'file', ref: '/m.gguf', path: '/m.gguf', sizeBytes: 10, digest: LAYER } as const;
  const plan = tinyPlan({ source: { kind: 'file', file, spec: SPEC } });
  await drive(install(plan, { force: false }, state.effects(), never), () => undefined);
  record = state.records.get(NAME) ?? expect.fail('there is a record');
  disk = new Map([
    ['/blobs/layer', 'good bytes'],
    ['/blobs/config', 'config'],
  ]);
});

const place = () => ({ runtime: state.runtime, contents: contents(), store });

function contents(): FolderContents {
  const blob = (name: string, digest: Digest) => {
    const text = disk.get(`/blobs/${name}`);
    return text === undefined ? [] : [{ name, digest, path: `/blobs/${name}`, sizeBytes: text.length, modifiedMs: 0 }];
  };
  return {
    folder: '/',
    manifests: [
      { name: NAME, path: '/manifests/a', digests: [CONFIG, LAYER] },
      { name: 'foreign:latest', path: '/manifests/b', digests: [LAYER] },
    ],
    blobs: [...blob('layer', LAYER), ...blob('config', CONFIG)],
    links: [],
  };
}

// biome-ignore lint/correctness/useYield: a hash that has nothing to tell
const hash: HashFile = async function* ({ path, digest }) {
  asked.push(`hash ${path}`);
  const text = disk.get(path);
  if (text === undefined) throw new ProvisionError('file-access', `${path}: EACCES`);
  if (digest !== undefined && digest !== digestOf(text)) throw new ProvisionError('digest-mismatch', path);
  return digestOf(text);
};

const store: BlobStore = {
  // biome-ignore lint/correctness/useYield: a copy that has nothing to tell
  async *replace({ path, digest }) {
    asked.push(`replace from ${path}`);
    const text = disk.get(path) ?? '';
    if (digestOf(text) !== digest) throw new ProvisionError('digest-mismatch', path);
    disk.set('/blobs/layer', text);
  },
  async drop(digest) {
    asked.push(`drop ${digest === LAYER ? 'layer' : 'config'}`);
    disk.delete(digest === LAYER ? '/blobs/layer' : '/blobs/config');
  },
};

function copy(path: string, digest: Digest = LAYER): LocalFile {
  return { ref: path, path, sizeBytes: 10, digest };
}

function mend(changes: Partial<RepairEffects> = {}) {
  const effects: RepairEffects = {
    ...state.effects(),
    replacesChanged: false,
    hash,
    place: async () => place(),
    copies: async () => [],
    // biome-ignore lint/correctness/useYield: a fetch that has nothing to tell
    async *fetch() {
      asked.push('fetch');
      return undefined;
    },
    // biome-ignore lint/correctness/useYield: an install that has nothing to tell
    async *again(was, { path }) {
      asked.push(`again from ${path}`);
      disk.set('/blobs/config', 'config');
      disk.set('/blobs/layer', 'good bytes');
      return { ...was, installedAt: '2026-01-03T03:04:05.000Z' };
    },
    rebuild: async () => undefined,
    setAside: async () => '/records/x.broken',
    ...changes,
  };
  return drive(repairModel(NAME, effects, never), () => undefined);
}

async function look(quick = false) {
  const report = await drive(
    verifyRecords({ records: [record], broken: [], quick }, { hash, place: async () => place() }, never),
    () => undefined,
  );
  return report.results[0] ?? expect.fail('there is a result');
}

describe('verify', () => {
  test('row 35: a corrupt blob is told with every model that uses it, and each blob is read once', async () => {
    disk.set('/blobs/layer', 'bad bytes!');
    const { ok, problems, bytesRead } = await look();
    expect([ok, bytesRead]).toEqual([false, 16]);
    expect(problems).toMatchObject([{ kind: 'corrupt-blob', digest: LAYER, models: [NAME, 'foreign:latest'] }]);
    expect(asked).toEqual(['hash /blobs/config', 'hash /blobs/layer']);
  });

  test('a blob that may not be read is told as not checked, and nothing is wrong with it', async () => {
    const { problems, unchecked } = await drive(
      verifyRecords(
        { records: [record], broken: [], quick: false },
        { place: async () => ({ ...place(), contents: contents() }), hash: refusing },
        never,
      ),
      () => undefined,
    ).then(({ results }) => results[0] ?? expect.fail());
    expect(problems).toEqual([]);
    expect(unchecked).toEqual(['/blobs/config was not read: EACCES', '/blobs/layer was not read: EACCES']);
  });

  test('a runtime that is away costs its own models, and not those elsewhere', async () => {
    const away: InstallRecord = {
      ...record,
      name: 'away:latest',
      runtime: { ...record.runtime, endpoint: 'http://127.0.0.1:1' },
    };
    const { results } = await drive(
      verifyRecords(
        { records: [away, record], broken: [], quick: true },
        {
          hash,
          async place({ endpoint }) {
            if (endpoint === away.runtime.endpoint) throw new ProvisionError('runtime-unreachable', 'nobody answers');
            return place();
          },
        },
        never,
      ),
      () => undefined,
    );
    expect(results).toMatchObject([
      { ok: false, problems: [{ kind: 'not-asked' }] },
      { name: NAME, ok: true },
    ]);
    expect(exitOf(results)).toBe(13);
  });

  test('row 25: broken record files stand beside the good ones', async () => {
    const broken = [{ path: '/records/x.json', error: new ProvisionError('bad-record', 'it is empty') }];
    const { results } = await drive(
      verifyRecords({ records: [record], broken, quick: true }, { hash, place: async () => place() }, never),
      () => undefined,
    );
    expect(results.map(({ name, ok }) => [name, ok])).toEqual([
      ['/records/x.json', false],
      [NAME, true],
    ]);
    expect(exitOf(results)).toBe(18);
  });

  test('an abort is no finding', async () => {
    const stopped = AbortSignal.abort(new Error('stop'));
    const work = drive(
      verifyRecords(
        { records: [record], broken: [], quick: false },
        { hash, place: async () => stopped.throwIfAborted() ?? place() },
        stopped,
      ),
      () => undefined,
    );
    await expect(work).rejects.toThrow('stop');
  });
});

// biome-ignore lint/correctness/useYield: a hash that has nothing to tell
const refusing: HashFile = async function* () {
  throw new ProvisionError('file-access', 'EACCES');
};

test.each<[Problem['kind'][], number, number]>([
  [[], 0, 0],
  [['missing', 'entry-drift'], 4, 18],
  [['entry-drift', 'not-asked'], 13, 18],
  [['not-asked'], 13, 13],
  [['entry-drift', 'corrupt-blob', 'not-asked'], 11, 18],
  [['corrupt-blob', 'bad-record', 'kept-drift'], 18, 18],
])('the worst of %j decides: exit %i, and %i after a repair', (kinds, found, left) => {
  const results = [{ problems: kinds.map((kind) => ({ kind, detail: '' })) }];
  expect([exitOf(results), repairExit(results)]).toEqual([found, left]);
});

describe('repair', () => {
  test('nothing wrong: nothing is asked for and nothing changed', async () => {
    expect(await mend()).toMatchObject({ ok: true, changed: false, found: [], repairs: [] });
    expect(asked.filter((each) => !each.startsWith('hash'))).toEqual([]);
    expect(state.records.get(NAME)).toEqual(record);
  });

  test('row 35: the first copy that is good is taken; the network is not asked', async () => {
    disk.set('/blobs/layer', 'bad bytes!');
    disk.set('/bad', 'bad as well');
    disk.set('/good', 'good bytes');
    const result = await mend({ copies: async () => [copy('/bad'), copy('/good'), copy('/never')] });
    expect(result).toMatchObject({ ok: true, changed: true, problems: [] });
    expect(disk.get('/blobs/layer')).toBe('good bytes');
    expect(asked.filter((each) => !each.startsWith('hash'))).toEqual(['replace from /bad', 'replace from /good']);
  });

  test('row 49: a model that was changed since is left alone unless it may be replaced', async () => {
    const entry = state.runtime.models.get(NAME) ?? expect.fail('installed');
    state.runtime.models.set(NAME, { ...entry, entryDigest: digestOf('edited') });
    const changes = { copies: async () => [copy('/m.gguf')] };
    disk.set('/m.gguf', 'good bytes');
    const left = await mend(changes);
    expect(left).toMatchObject({ ok: false, changed: false });
    expect(left.problems.map(({ kind }) => kind)).toContain('entry-drift');
    expect(left.suggestions.join()).toContain(`gemma-provision repair ${NAME} --force`);
    expect(asked.filter((each) => each.startsWith('again'))).toEqual([]);
    await mend({ ...changes, replacesChanged: true });
    expect(asked).toContain('again from /m.gguf');
  });

  test('row 35: the network is the last resort', async () => {
    disk.set('/blobs/layer', 'bad bytes!');
    disk.set('/cache/m', 'good bytes');
    const result = await mend({
      copies: async () => [copy('/absent')],
      // biome-ignore lint/correctness/useYield: a fetch that has nothing to tell
      async *fetch() {
        asked.push('fetch');
        return copy('/cache/m');
      },
    });
    expect(result).toMatchObject({ ok: true, changed: true });
    expect(asked.filter((each) => !each.startsWith('hash'))).toEqual([
      'replace from /absent',
      'fetch',
      'replace from /cache/m',
    ]);
  });

  test('row 35: without any good copy the corrupt blob stays, and what to do is told', async () => {
    disk.set('/blobs/layer', 'bad bytes!');
    const result = await mend();
    expect(result).toMatchObject({ ok: false, changed: false, problems: [{ kind: 'corrupt-blob' }] });
    expect(result.suggestions.join('\n')).toContain(`--digest ${LAYER} --name ${NAME} --force`);
    expect(disk.get('/blobs/layer')).toBe('bad bytes!');
    expect(repairExit([result])).toBe(18);
  });

  test('a blob that only the server can make goes, and the model is made again from proven bytes', async () => {
    disk.set('/blobs/config', 'spoilt');
    disk.set('/m.gguf', 'good bytes');
    const copies = async (digest: Digest) => (digest === LAYER ? [copy('/m.gguf')] : []);
    const result = await mend({ copies });
    expect(result).toMatchObject({ ok: true, changed: true, found: [{ kind: 'corrupt-blob', digest: CONFIG }] });
    expect(asked.filter((each) => !each.startsWith('hash /blobs'))).toEqual([
      'hash /m.gguf',
      'drop config',
      'again from /m.gguf',
    ]);
    expect(state.records.get(NAME)).toEqual(record);
  });

  test('and stays where the bytes of the model cannot be had', async () => {
    disk.set('/blobs/config', 'spoilt');
    disk.set('/m.gguf', 'edited since');
    const result = await mend({ copies: async () => [copy('/m.gguf')] });
    expect(result).toMatchObject({ ok: false, changed: false });
    expect(disk.get('/blobs/config')).toBe('spoilt');
    expect(asked).not.toContain('drop config');
  });

  test('row 25: a record that cannot be rebuilt is kept aside and dropped; the runtime is not touched', async () => {
    const { records } = state.effects();
    const broken: RepairEffects['records'] = {
      ...records,
      async find(_, replace) {
        if (replace === undefined) throw new ProvisionError('bad-record', 'it is empty');
        return undefined;
      },
    };
    const before = [...state.runtime.models.keys()];
    await expect(mend({ records: broken })).rejects.toMatchObject({ code: 'needs-repair', exitCode: 18 });
    expect(state.records.has(NAME)).toBe(false);
    expect([...state.runtime.models.keys()]).toEqual(before);
  });

  test('row 25: one that can be is written, and what it says is verified', async () => {
    const { records } = state.effects();
    let isBroken = true;
    const broken: RepairEffects['records'] = {
      ...records,
      async find(name, replace) {
        if (isBroken && replace === undefined) throw new ProvisionError('bad-record', 'it is empty');
        return isBroken ? undefined : records.find(name);
      },
      async put(now) {
        isBroken = false;
        await records.put(now);
      },
    };
    const result = await mend({ records: broken, rebuild: async () => record });
    expect(result).toMatchObject({ ok: true, changed: true, found: [{ kind: 'bad-record' }] });
    expect(result.repairs.join()).toContain('/records/x.broken');
    expect(state.held).toEqual([]);
  });
});
