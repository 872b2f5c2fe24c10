import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '../../../src/core/units.ts';
import { parseProfile } from '../../../src/hardware/saved.ts';
import { applyWhatIf, parseWhatIf } from '../../../src/hardware/what-if.ts';

const PROFILES = 'test/fixtures/profiles';
const files = readdirSync(PROFILES);

function load(name: string): ReturnType<typeof parseProfile> {
  return parseProfile(readFileSync(`${PROFILES}/${name}.json`, 'utf8'), `${name}.json`);
}

describe('the profiles that ship', () => {
  test.each(files)('%s is valid and named as its file', (file) => {
    const profile = load(file.replace(/\.json$/, ''));
    expect(`${profile.name}.json`).toBe(file);
    expect(profile.description).toBeTruthy();
    expect(profile.disks.map(({ purpose }) => purpose)).toEqual(['models', 'cache', 'data']);
    const facts = [
      'memory.total',
      'memory.available',
      'cpu.model',
      ...profile.gpus.map((_, index) => `gpus[${index}]`),
    ];
    for (const fact of facts) expect(profile.sources, fact).toHaveProperty([fact]);
  });

  test('they cover the classes of machines', () => {
    const vram = files
      .map((file) => load(file.replace(/\.json$/, '')))
      .flatMap(({ gpus }) =>
        gpus.flatMap((gpu) => (gpu.vendor === 'nvidia' ? [Math.round((gpu.vramTotal ?? 0) / GIB)] : [])),
      );
    expect(new Set(vram)).toEqual(new Set([4, 8, 12, 16, 24, 48]));
    expect(files.length).toBeGreaterThanOrEqual(12);
  });
});

describe('parseProfile', () => {
  const good = readFileSync(`${PROFILES}/nvidia-rtx-4060-8gb.json`, 'utf8');
  function changed(change: (profile: ReturnType<typeof JSON.parse>) => void): string {
    const profile = JSON.parse(good);
    change(profile);
    return JSON.stringify(profile);
  }

  test.each([
    ['no JSON', good.slice(0, 100), 'my.json is not JSON'],
    ['an empty file', '', 'my.json is not JSON'],
    ['a list', '[]', 'must be an object, not a list'],
    ['another version', changed((p) => Object.assign(p, { schemaVersion: 2 })), 'schemaVersion: '],
    [
      'a misspelt field',
      changed((p) => Object.assign(p.memory, { avaliable: 1 })),
      'memory.avaliable: unknown field, did you mean available?',
    ],
    [
      'a misspelt field of a GPU',
      changed((p) => Object.assign(p.gpus[0], { vramfre: 1 })),
      'gpus[0].vramfre: unknown field, did you mean vramFree?',
    ],
    ['a size as text', changed((p) => Object.assign(p.gpus[0], { vramTotal: '8 GiB' })), 'gpus[0].vramTotal: '],
    ['a negative size', changed((p) => Object.assign(p.memory, { total: -1 })), 'memory.total: '],
    [
      'more available than there is',
      changed((p) => Object.assign(p.memory, { available: 40 * GIB })),
      'memory.available: 40.00 GiB is more than memory.total (31.01 GiB)',
    ],
    [
      'more usable than available',
      changed((p) => Object.assign(p.memory, { usable: 30 * GIB })),
      'memory.usable: 30.00 GiB is more than memory.available',
    ],
    [
      'more VRAM free than there is',
      changed((p) => Object.assign(p.gpus[0], { vramFree: 9 * GIB })),
      'gpus[0].vramFree: 9.00 GiB is more than vramTotal',
    ],
    ['more disk free than there is', changed((p) => Object.assign(p.disks[0], { total: 1 })), 'disks[0].free: '],
    [
      'GiB where bytes are meant',
      changed((p) => Object.assign(p.memory, { total: 32, available: 24, usable: 24 })),
      'memory.total: 32 is too small; sizes are in bytes',
    ],
    [
      'MiB where bytes are meant',
      changed((p) => Object.assign(p.gpus[0], { vramTotal: 8188, vramFree: 7000 })),
      'gpus[0].vramTotal: 8188 is too small; sizes are in bytes',
    ],
    ['a slip of units upwards', changed((p) => Object.assign(p.memory, { total: GIB * MIB })), 'memory.total: '],
    [
      'more cores than threads',
      changed((p) => Object.assign(p.cpu, { physicalCores: 64 })),
      'cpu.physicalCores: more than cpu.logicalCores',
    ],
  ])('refuses %s', (_what, text, reason) => {
    expect(() => parseProfile(text, 'my.json')).toThrow(expect.objectContaining({ code: 'bad-profile', exitCode: 16 }));
    expect(() => parseProfile(text, 'my.json')).toThrow(reason);
  });
});

describe('parseWhatIf', () => {
  test.each([
    ['vram=16GiB,ram=32GiB', { vram: 16 * GIB, ram: 32 * GIB }],
    [' RAM = 8 GiB ', { ram: 8 * GIB }],
    ['vram=0', { vram: 0 }],
    ['vram=6144MiB', { vram: 6 * GIB }],
  ])('%j', (text, expected) => {
    expect(parseWhatIf(text)).toEqual(expected);
  });

  test.each([
    ['', 'does not support ""'],
    ['vrm=6GiB', 'does not support "vrm"'],
    ['vram', '"" is not a valid size for vram'],
    ['vram=16', 'vram=16 has no unit'],
    ['ram=16g', 'ram=16g has no unit'],
    ['vram=lots', '"lots" is not a valid size for vram'],
    ['vram=-6GiB', '"-6GiB" is not a valid size for vram'],
    ['vram=6GiB=7', '"6GiB=7" is not a valid size for vram'],
    ['vram=6GiB,vram=7GiB', 'sets vram twice'],
    ['ram=0', 'no machine has ram=0'],
    ['vram=6GiB,', 'does not support ""'],
  ])('refuses %j', (text, reason) => {
    expect(() => parseWhatIf(text)).toThrow(expect.objectContaining({ code: 'bad-usage' }));
    expect(() => parseWhatIf(text)).toThrow(reason);
  });

  test('a size without a unit gets the whole of what was typed, with the unit that is meant', () => {
    expect(() => parseWhatIf('ram=32GiB,vram=16')).toThrow(
      expect.objectContaining({
        suggestions: expect.arrayContaining(['Did you mean --what-if ram=32GiB,vram=16GiB?']),
      }),
    );
  });

  test('a slip of the hand gets the nearest word', () => {
    expect(() => parseWhatIf('vrm=6GiB')).toThrow(
      expect.objectContaining({ suggestions: expect.arrayContaining(['Did you mean vram?']) }),
    );
  });
});

describe('applyWhatIf', () => {
  test('another size of the card that is there keeps what is in use', () => {
    const before = load('nvidia-rtx-4060-8gb');
    const after = applyWhatIf(before, { vram: 16 * GIB });
    expect(after.gpus).toEqual([{ ...before.gpus[0], vramTotal: 16 * GIB, vramFree: 16 * GIB - (8188 - 7638) * MIB }]);
    expect(after.sources['gpus[0]']).toBe('--what-if');
    expect(after.warnings.at(-1)).toBe('Assumed by --what-if: NVIDIA GeForce RTX 4060 with 16.00 GiB.');
  });

  test('less than what is in use leaves nothing free', () => {
    expect(applyWhatIf(load('nvidia-rtx-4060-8gb'), { vram: 256 * MIB }).gpus[0]?.vramFree).toBe(0);
  });

  test('where there is no card of its own memory, one is supposed, and said so', () => {
    const after = applyWhatIf(load('cpu-only-8gb'), { vram: 6 * GIB });
    expect(after.gpus).toEqual([
      {
        index: 0,
        vendor: 'nvidia',
        model: 'NVIDIA GPU (supposed)',
        memoryKind: 'dedicated',
        vramTotal: 6 * GIB,
        vramFree: 6 * GIB,
        backend: 'cuda',
      },
    ]);
    expect(after.warnings.at(-1)).toContain('an NVIDIA GPU with 6.00 GiB that this machine does not have');
  });

  test('several cards become one, and vram=0 takes all away', () => {
    const two = load('nvidia-2x-rtx-3090-24gb');
    expect(applyWhatIf(two, { vram: 12 * GIB }).gpus).toHaveLength(1);
    const none = applyWhatIf(two, { vram: 0 });
    expect(none.gpus).toEqual([]);
    expect(Object.keys(none.sources).filter((fact) => fact.startsWith('gpus'))).toEqual(['gpus']);
  });

  test('other RAM keeps what is in use, a cgroup limit, and the share of a GPU that has no memory of its own', () => {
    const desktop = load('cpu-only-8gb');
    const used = desktop.memory.total - desktop.memory.available;
    expect(applyWhatIf(desktop, { ram: 16 * GIB }).memory).toEqual({
      total: 16 * GIB,
      available: 16 * GIB - used,
      usable: 16 * GIB - used,
    });
    const container = load('container-6gib');
    expect(applyWhatIf(container, { ram: 64 * GIB }).memory.usable).toBe(container.memory.cgroupHeadroom);
    const mac = applyWhatIf(load('apple-m3-max-36gb'), { ram: 72 * GIB });
    expect(mac.gpus[0]?.vramTotal).toBe(54 * GIB);
    // Of less RAM the same share is in use: what runs on 8 GiB does not all run on 1 GiB.
    const free = Math.floor((GIB * desktop.memory.available) / desktop.memory.total);
    expect(Math.abs(applyWhatIf(desktop, { ram: GIB }).memory.usable - free)).toBeLessThanOrEqual(1);
    expect(applyWhatIf(desktop, { ram: GIB }).warnings.at(-1)).toMatch(/1\.00 GiB of RAM, of which \S+ MiB are free/);
  });

  test.each(files)('%s stays a valid profile', (file) => {
    const after = applyWhatIf(load(file.replace(/\.json$/, '')), { vram: 6 * GIB, ram: 12 * GIB });
    expect(parseProfile(JSON.stringify(after), file)).toEqual(after);
  });

  test('the profile that was given is not changed', () => {
    const before = load('nvidia-rtx-4060-8gb');
    const copy = structuredClone(before);
    applyWhatIf(before, { vram: GIB, ram: GIB });
    expect(before).toEqual(copy);
  });
});
