/** The built command line on disks that are full and in folders that are not its own. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome, Q4 } from '../../helpers/cli.ts';
import { type Origin, startOrigin } from '../../helpers/origin.ts';
import {
  cached,
  errorText,
  FILES,
  filesUnder,
  fromOrigin,
  installOf,
  NAME,
  NEW,
  quantsOf,
  snapshot,
  withOldModel,
} from './host.ts';

const LONG = { timeout: 120_000 };
const KIB = 1024;

let home: Home;
let origin: Origin;
const mounted: string[] = [];

beforeEach(async () => {
  home = makeHome();
  origin = await startOrigin({ files: FILES });
});
afterEach(async () => {
  for (const place of mounted.splice(0)) execFileSync('umount', ['-l', place], { stdio: 'ignore' });
  home.remove();
  await origin.close();
});

function mount(place: string, sizeKib: number): void {
  mkdirSync(place, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKib}k`, 'tmpfs', place], { stdio: 'ignore' });
  mounted.push(place);
}

/** Why no small disk can be made here. */
function whyNoDisk(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can mount a tmpfs';
  const place = mkdtempSync(join(tmpdir(), 'can-mount-'));
  try {
    mount(place, 64);
    execFileSync('umount', ['-l', place], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'a tmpfs cannot be mounted here';
  } finally {
    mounted.splice(0);
    rmSync(place, { recursive: true, force: true });
  }
}

const noDisk = whyNoDisk();
const install = () => installOf(home, fromOrigin(origin.url, '/new.gguf'));
const bytesSent = () => origin.requests.filter(({ sent }) => sent > 1_100_000).length;

describe.skipIf(noDisk !== undefined)(`a small disk${noDisk === undefined ? '' : ` (skipped: ${noDisk})`}`, () => {
  test(
    'row 17: a disk that is too small is refused before the first byte, with what is needed, what is free, and where',
    LONG,
    async () => {
      mount(home.path, 6 * KIB);
      const before = await withOldModel(home);
      const answer = await install();
      expect(answer).toMatchObject({ code: 12, error: { code: 'disk-full' } });
      expect(errorText(answer)).toMatch(/has [\d.]+ MiB free, but 3\.8 MiB are needed/);
      expect(errorText(answer)).toContain(join(home.path, 'data'));
      expect(bytesSent()).toBe(0);
      expect(snapshot(home)).toEqual(before);
      expect(cached(home)).toEqual({ partial: [], blobs: [] });
    },
  );

  test('row 17: where only the cache is too small, the file is streamed to the server without it', LONG, async () => {
    await withOldModel(home);
    mount(join(home.path, 'cache'), 2 * KIB);
    const answer = await install();
    expect(answer, errorText(answer)).toMatchObject({ code: 0, data: { changed: true, way: 'stream' } });
    expect(await quantsOf(home)).toEqual(['q4_k_m']);
    expect(cached(home)).toEqual({ partial: [], blobs: [] });
  });

  test(
    'row 18: a disk that fills up during a download: the installed model stays, and with space again only the rest is fetched',
    LONG,
    async () => {
      mount(home.path, 12 * KIB);
      const before = await withOldModel(home);
      await origin.close();
      origin = await startOrigin({ files: FILES, behave: () => ({ bytesPerSecond: 1_000_000 }) });
      const running = install();
      await expect.poll(() => cached(home).partial.length, { timeout: 30_000 }).toBeGreaterThan(0);
      const other = join(home.path, 'of-another');
      expect(() => writeFileSync(other, Buffer.alloc(14 * KIB * KIB))).toThrow('ENOSPC');
      const answer = await running;
      expect(answer, errorText(answer)).toMatchObject({ code: 12, error: { code: 'disk-full' } });
      expect(snapshot(home)).toEqual(before);
      expect(cached(home).blobs).toEqual([]);
      expect(cached(home).partial).not.toContain(0);
      rmSync(other);
      expect(await install()).toMatchObject({ code: 0, ok: true });
      expect(await quantsOf(home)).toEqual(['q4_k_m']);
      expect(cached(home)).toEqual({ partial: [], blobs: [NEW.length] });
    },
  );

  test.each(['data/registry', 'data/journal', 'data/locks'])(
    'row 24: %s on a full disk is reported as such, the installed model stays, and it works again with space',
    LONG,
    async (folder) => {
      const before = await withOldModel(home);
      const place = join(home.path, folder);
      const aside = join(home.path, 'aside');
      mkdirSync(place, { recursive: true });
      renameSync(place, aside);
      mount(place, 64);
      execFileSync('cp', ['-a', `${aside}/.`, place]);
      const filler = join(place, 'filler');
      expect(() => writeFileSync(filler, Buffer.alloc(KIB * KIB))).toThrow('ENOSPC');
      const answer = await installOf(home, ['--from', Q4, '--name', NAME, '--runtime', 'embedded', '--no-smoke']);
      expect(answer, errorText(answer)).toMatchObject({ code: 12, error: { code: 'disk-full' } });
      rmSync(filler);
      expect(snapshot(home)).toEqual(before);
      const again = await installOf(home, ['--from', Q4, '--name', NAME, '--runtime', 'embedded', '--no-smoke']);
      expect(again, errorText(again)).toMatchObject({ code: 0, ok: true });
      expect(await quantsOf(home)).toEqual(['q4_k_m']);
    },
  );

  test('row 47: the cache can be on another file system', LONG, async () => {
    mount(join(home.path, 'cache'), 16 * KIB);
    expect(await install()).toMatchObject({ code: 0, ok: true });
    expect(await quantsOf(home)).toEqual(['q4_k_m']);
    expect(cached(home)).toEqual({ partial: [], blobs: [NEW.length] });
  });
});

describe('folders of others', () => {
  test('row 47: a cache that is a file is reported with its path and a remedy', LONG, async () => {
    const before = await withOldModel(home);
    rmSync(join(home.path, 'cache'), { recursive: true, force: true });
    writeFileSync(join(home.path, 'cache'), 'not a folder');
    const answer = await install();
    expect(answer).toMatchObject({ code: 2, error: { code: 'bad-configuration' } });
    expect(errorText(answer)).toContain(join(home.path, 'cache'));
    expect(snapshot(home)).toEqual(before);
  });

  test.skipIf(process.getuid?.() !== 0)(
    'row 47: a cache of another user that is not writable is reported (skipped unless run as root)',
    LONG,
    async () => {
      const cache = join(home.path, 'cache');
      mkdirSync(join(cache, 'blobs'), { recursive: true });
      for (const folder of [cache, join(cache, 'blobs')]) chmodSync(folder, 0o755);
      chmodSync(home.path, 0o755);
      mkdirSync(join(home.path, 'data'));
      chownSync(join(home.path, 'data'), 65_534, 65_534);
      const args = ['install', ...fromOrigin(origin.url, '/new.gguf'), '--json'];
      const { stdout, code } = await home.run(args, { user: 65_534 });
      expect(code, stdout).toBe(14);
      expect(stdout).toContain('EACCES');
      expect(stdout).toContain(cache);
      expect(cached(home)).toEqual({ partial: [], blobs: [] });
    },
  );

  test('row 47: a link in the cache that points outside is not followed for writing', LONG, async () => {
    const outside = join(home.path, 'outside');
    mkdirSync(outside);
    mkdirSync(join(home.path, 'cache'));
    symlinkSync(outside, join(home.path, 'cache/partial'));
    const answer = await install();
    expect(answer).toMatchObject({ code: 14, ok: false });
    expect(errorText(answer)).toContain(join(home.path, 'cache/partial'));
    expect(filesUnder(home.path, 'outside')).toEqual([]);
    expect(await quantsOf(home)).toEqual([]);
  });

  test.each([0o000, 0o077])(
    'row 47: with umask %o an install works, and no other user can read its files',
    LONG,
    async (umask) => {
      const before = process.umask(umask);
      try {
        expect(await install()).toMatchObject({ code: 0, ok: true });
      } finally {
        process.umask(before);
      }
      // Blobs are readable for a server that runs as somebody else; here their folder is closed to others.
      const paths = ['data', 'cache', ...filesUnder(home.path, 'data').filter((path) => !path.includes('/blobs/'))];
      const open = paths.filter((path) => (lstatSync(join(home.path, path)).mode & 0o077) !== 0);
      expect(paths.length).toBeGreaterThan(4);
      expect(open).toEqual([]);
      expect(await installOf(home, fromOrigin(origin.url, '/new.gguf'))).toMatchObject({ data: { changed: false } });
    },
  );
});
