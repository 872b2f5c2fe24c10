import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import type { SourceFile, Volume } from '../../../../src/provision/plan/contract.ts';
import { type DiskInputs, diskNeeds, diskObstacles, planTransferAndDisk } from '../../../../src/provision/plan/disk.ts';
import type { TransferPlan, TransferWay } from '../../../../src/runtimes/contract.ts';

const MIB = 1024 ** 2;
const SIZE = 100 * MIB;
const MODELS = '/srv/ollama/models';
const CACHE = '/home/anna/.cache/gemma-provision';

const HERE: SourceFile = {
  kind: 'file',
  ref: './m.gguf',
  path: '/data/m.gguf',
  sizeBytes: SIZE,
  digest: digestOf('m'),
};
const REMOTE: SourceFile = {
  kind: 'remote',
  ref: 'hf:a/b',
  pinnedRef: 'hf:a/b@1',
  fileName: 'b.gguf',
  sizeBytes: SIZE,
  digest: digestOf('m'),
  access: { url: 'https://example.org/b.gguf', headers: {} },
};

const LINK: TransferPlan = { way: 'hard-link', why: 'no byte moves', peakBytes: 0 };
const STREAM: TransferPlan = { way: 'stream', why: 'without a copy here', peakBytes: SIZE };
const UPLOAD: TransferPlan = { way: 'upload', why: 'sent', peakBytes: 3 * SIZE };

interface Disk {
  readonly cache?: Volume;
  readonly models?: Volume;
}

/** Plans with these volumes, and these ways; what is not named works as an upload. */
function inputs(
  { cache, models }: Disk,
  ways: Partial<Record<TransferWay | 'auto', TransferPlan>>,
  changes: Partial<DiskInputs> = {},
): DiskInputs {
  const nothing = () => undefined;
  return {
    runtime: { kind: 'ollama', version: '0.33.0', endpoint: 'http://127.0.0.1:11434' },
    facts: {
      engine: 'ollama-b',
      diskFactor: 3,
      store: { purpose: 'models', path: MODELS },
      warnings: [],
      refusal: nothing,
      quantRefusal: nothing,
      projectorRefusal: nothing,
      pullRefusal: nothing,
    },
    profile: { disks: [{ purpose: 'models', path: MODELS, total: SIZE, free: 7 * MIB }] } as never,
    planTransfer: async (_, way) => ways[way ?? 'auto'] ?? UPLOAD,
    volumeOf: async (path) => (path === CACHE ? cache : models),
    toFetch: async (file) => (file.kind === 'remote' ? { folder: CACHE, bytes: SIZE } : undefined),
    ...changes,
  };
}

const roomy = (device: string): Volume => ({ device, freeBytes: 1000 * MIB });
const tight = (device: string, mib = 10): Volume => ({ device, freeBytes: mib * MIB });

describe('what each volume needs', () => {
  test('a file of this machine needs what its way takes, and nothing in the cache', async () => {
    const { transfer, disk } = await planTransferAndDisk(
      HERE,
      undefined,
      inputs({ models: roomy('1') }, { auto: LINK }),
    );
    expect(transfer).toEqual(LINK);
    expect(disk).toEqual([
      { purpose: 'models', path: MODELS, needBytes: 0, freeBytes: 1000 * MIB, why: 'hard-link: no byte moves' },
    ]);
    expect(diskObstacles(disk)).toEqual([]);
  });

  test('a remote file needs the cache and the models folder, on two volumes', async () => {
    const disks = { cache: roomy('1'), models: roomy('2') };
    const { disk } = await planTransferAndDisk(REMOTE, undefined, inputs(disks, {}));
    expect(disk.map(({ path, needBytes }) => [path, needBytes])).toEqual([
      [CACHE, SIZE],
      [MODELS, 3 * SIZE],
    ]);
  });

  test('one volume is asked for the sum', async () => {
    const both = { device: '1', freeBytes: 350 * MIB };
    const { disk } = await planTransferAndDisk(REMOTE, 'upload', inputs({ cache: both, models: both }, {}));
    expect(disk.map(({ needBytes, freeBytes }) => [needBytes, freeBytes])).toEqual([[4 * SIZE, 350 * MIB]]);
    const [error] = diskObstacles(disk);
    expect(error?.message).toContain(CACHE);
    expect(error?.message).toContain(MODELS);
    expect(error?.message).toContain('350.0 MiB free, but 400.0 MiB are needed');
  });

  test('without a look at the volumes the host’s profile has to do', async () => {
    const { volumeOf: _, ...rest } = inputs({}, {});
    const { disk } = await planTransferAndDisk(HERE, undefined, rest);
    expect(disk).toMatchObject([{ path: MODELS, needBytes: 3 * SIZE, freeBytes: 7 * MIB }]);
  });

  test('a pull looks at the volume of the folder that the server has, not at that of the host’s profile', async () => {
    const given = inputs({ models: { device: '1', freeBytes: 11 * MIB } }, {});
    const facts = { ...given.facts, store: { purpose: 'models', path: '/mnt/other/models' } as const };
    const needs = await diskNeeds(SIZE, { ...given, facts });
    expect(needs).toMatchObject([{ path: '/mnt/other/models', freeBytes: 11 * MIB }]);
  });

  test('a server elsewhere: its room is not known, and forbids nothing', async () => {
    const given = inputs({ models: tight('1') }, {});
    const { store: _, ...facts } = given.facts;
    const { disk } = await planTransferAndDisk(HERE, undefined, { ...given, facts });
    expect(disk).toMatchObject([{ path: 'models folder of http://127.0.0.1:11434', needBytes: 3 * SIZE }]);
    expect(disk[0]).not.toHaveProperty('freeBytes');
    expect(diskObstacles(disk)).toEqual([]);
  });

  test('a runtime that plans no way counts by its version', async () => {
    const { planTransfer: _, ...rest } = inputs({ models: roomy('1') }, {});
    const { transfer, disk } = await planTransferAndDisk(HERE, undefined, rest);
    expect(transfer).toBeUndefined();
    expect(disk).toMatchObject([{ needBytes: 3 * SIZE, why: expect.stringContaining('rewrites the file') }]);
    expect(await diskNeeds(SIZE, rest)).toMatchObject([{ needBytes: 3 * SIZE }]);
  });
});

describe('row 17: our cache is too small', () => {
  test('the file goes straight into the runtime, where that has room', async () => {
    const disks = { cache: tight('1'), models: roomy('2') };
    const { transfer, disk } = await planTransferAndDisk(
      REMOTE,
      undefined,
      inputs(disks, { auto: LINK, stream: STREAM }),
    );
    expect(transfer?.way).toBe('stream');
    expect(transfer?.why).toContain(CACHE);
    expect(disk.map(({ purpose }) => purpose)).toEqual(['models']);
    expect(diskObstacles(disk)).toEqual([]);
  });

  test('also where both are one volume, and only one copy fits', async () => {
    const both = tight('1', 150);
    const copied = { way: 'copy', why: 'one copy', peakBytes: SIZE } as const;
    const given = inputs({ cache: both, models: both }, { auto: copied, stream: STREAM });
    expect((await planTransferAndDisk(REMOTE, undefined, given)).transfer?.way).toBe('stream');
  });

  test.each([
    ['a link needs no second copy', undefined, roomy('1')],
    ['another way was asked for', 'upload' as const, tight('1')],
  ])('but not when %s', async (_, wanted, cache) => {
    const given = inputs({ cache, models: roomy('1') }, { auto: LINK, stream: STREAM });
    expect((await planTransferAndDisk(REMOTE, wanted, given)).transfer?.way).not.toBe('stream');
  });

  test('refused where neither has room: need, have, where', async () => {
    const given = inputs({ cache: tight('1'), models: tight('2', 50) }, { auto: LINK, stream: STREAM });
    const { disk } = await planTransferAndDisk(REMOTE, undefined, given);
    const [error] = diskObstacles(disk);
    expect([error?.code, error?.exitCode]).toEqual(['disk-full', 12]);
    expect(error?.message).toContain(CACHE);
    expect(error?.message).toContain('10.0 MiB free, but 100.0 MiB are needed');
  });
});

test('row 19: three times the size on 0.30 and later where the server rewrites the file', async () => {
  const { disk } = await planTransferAndDisk(HERE, undefined, inputs({ models: tight('1', 299) }, { auto: UPLOAD }));
  const [error] = diskObstacles(disk);
  expect([error?.code, error?.exitCode]).toEqual(['disk-full', 12]);
  expect(error?.message).toContain(MODELS);
  expect(error?.message).toContain('299.0 MiB free, but 300.0 MiB are needed');
  const fits = await planTransferAndDisk(HERE, undefined, inputs({ models: tight('1', 300) }, { auto: UPLOAD }));
  expect(diskObstacles(fits.disk)).toEqual([]);
});
