/** Files and settings of the user that are missing, broken or not what they are said to be. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome, Q4, ROOT, within } from '../../helpers/cli.ts';
import { buildGguf, modelSpec } from '../../helpers/gguf-builder.ts';

const NAME = 'tiny-gemma-3n:q4_k_m';
let home: Home;
let folder: string;
beforeAll(() => {
  home = makeHome();
});
beforeEach(() => {
  folder = mkdtempSync(join(home.path, 'files-'));
});
afterAll(() => home.remove());

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('a GGUF that cannot be installed', () => {
  const whole = readFileSync(Q4);
  test.each([
    ['missing', undefined, 3, 'source-not-found'],
    ['empty', Buffer.alloc(0), 11, 'truncated-file'],
    ['cut in its data', whole.subarray(0, 3_000_000), 11, 'truncated-file'],
    ['cut in its header', whole.subarray(0, 5000), 11, 'truncated-file'],
    ['no GGUF', Buffer.from('<!doctype html><html>Not found</html>'.repeat(40)), 16, 'bad-gguf'],
    ['of another architecture', buildGguf(modelSpec('llama')), 16, 'wrong-architecture'],
    ['another model of the architecture', buildGguf(modelSpec('gemma3n')), 16, 'wrong-architecture'],
  ])('%s', async (_what, content, exit, code) => {
    const path = join(folder, 'model.gguf');
    if (content !== undefined) writeFileSync(path, content);
    const result = await home.json('install', [NAME, '--from', path]);
    expect(result).toMatchObject({ code: exit, ok: false, error: { code, exitCode: exit } });
    expect(result.error.message).toContain(path);
    expect(result.error.suggestions).not.toEqual([]);
  });

  test('an architecture that no family has, when the file alone should decide', async () => {
    const path = file('x.gguf', buildGguf(modelSpec('novel')));
    const result = await home.json('install', ['--from', path]);
    expect(result).toMatchObject({ code: 16, error: { code: 'wrong-architecture' } });
    expect(result.error.suggestions.join(' ')).toContain('gemma3n');
    expect(result.error.suggestions.join(' ')).toContain('catalog derive');
  });

  test('a chat template in a format that nobody here knows', async () => {
    const path = file('x.gguf', buildGguf(modelSpec('llama')));
    const result = await home.json('install', ['--from', path]);
    expect(result).toMatchObject({ code: 16, error: { code: 'bad-template' } });
    expect(result.error.suggestions.join(' ')).toContain('chatml');
  });

  test('another quant than the one that was asked for', async () => {
    const result = await home.json('install', ['tiny-gemma-3n:q2_k', '--from', Q4]);
    expect(result).toMatchObject({ code: 2, error: { code: 'bad-usage' } });
    expect(result.error.message).toContain('q4_k_m');
  });

  test('another digest than the one that was given', async () => {
    const result = await home.json('install', [NAME, '--from', Q4, '--digest', 'a'.repeat(64)]);
    expect(result).toMatchObject({ code: 11, error: { code: 'digest-mismatch' } });
    expect(readdirSync(join(home.path, 'data/embedded/blobs'))).toEqual([]);
  });

  test('a quant that no one publishes has no source: those that are published are named, and how to make it', async () => {
    const result = await home.json('install', ['gemma-3-4b:q5_0', '--accept-license']);
    expect(result).toMatchObject({ code: 3, error: { code: 'source-not-found' } });
    const advice = result.error.suggestions.join(' ');
    expect(advice).toContain('q4_k_m');
    expect(advice).toMatch(/llama-quantize .* q5_0.*--from/);
  });
});

describe('a catalog of the user', () => {
  test.each([
    ['no JSON', '{"schemaVersion": 1,', 'is not JSON'],
    ['a wrong field', '{"schemaVersion":1,"id":"tiny-gemma-3n","publishr":"me"}', 'publisher'],
  ])('%s is exit 16 and says where', async (_what, text, message) => {
    const path = file('mine.json', text);
    const result = await home.json('catalog list', ['--catalog', path]);
    expect(result).toMatchObject({ code: 16, error: { code: 'bad-catalog' } });
    expect(result.error.message).toContain(path);
    expect(result.error.message).toContain(message);
  });

  test('validate says what is wrong under which path, and exits with 16', async () => {
    const path = file('mine.json', '{"schemaVersion":1,"id":"tiny-gemma-3n","publishr":"me"}');
    const { code, ok, data } = await home.json('catalog validate', [path]);
    expect([code, ok]).toEqual([16, false]);
    expect(data?.errors).toEqual([{ path: 'publishr', message: expect.stringContaining('publisher') }]);
    const good = file('good.json', '{"schemaVersion":1,"id":"tiny-gemma-3n","publisher":"me"}');
    expect(await home.json('catalog validate', [good])).toMatchObject({ code: 0, ok: true, data: { errors: [] } });
    expect(await home.json('catalog validate', [join(folder, 'none.json')])).toMatchObject({ code: 3 });
  });

  test('row 40: validate refuses a file that is too large, in bytes or in values', async () => {
    const large = file('large.json', ' '.repeat(5 * 1024 * 1024));
    const { code, error } = await home.json('catalog validate', [large]);
    expect([code, error.message]).toEqual([16, `${large} is 5.0 MiB, too large for a catalog file`]);
    const wide = file('wide.json', `{"schemaVersion":1,"id":"x","models":[${'{},'.repeat(50_000)}{}]}`);
    const { data } = await home.json('catalog validate', [wide]);
    expect(data?.errors).toEqual([{ path: 'models', message: expect.stringContaining('has 50001 entries') }]);
  });

  test('a broken file in the config folder stops what needs the catalog, and names the file', async () => {
    const config = join(home.path, 'config/catalog');
    mkdirSync(config, { recursive: true });
    const path = join(config, 'broken.json');
    writeFileSync(path, '[]');
    const result = await home.json('install', ['tiny-gemma-3n', '--dry-run']);
    truncateSync(path);
    writeFileSync(path, '{"schemaVersion":1,"id":"tiny-gemma-3n","publisher":"a team"}');
    expect(result).toMatchObject({ code: 16, error: { code: 'bad-catalog' } });
    expect(result.error.message).toContain(path);
    const shown = await home.json('catalog show', ['tiny-gemma-3n']);
    expect(shown.data?.family.publisher).toBe('a team');
  });
});

describe('a licence that must be accepted', () => {
  test('is exit 14 without a terminal, and is accepted once for the host', async () => {
    const { licence } = JSON.parse(readFileSync(join(ROOT, 'catalog/tiny-gemma-3n.json'), 'utf8'));
    const overlay = {
      schemaVersion: 1,
      id: 'tiny-gemma-3n',
      licence: { ...licence, text: 'Test terms.', acceptanceRequired: true },
    };
    const args = [
      'tiny-gemma-3n',
      '--no-smoke',
      '--name',
      'licensed',
      '--catalog',
      file('l.json', JSON.stringify(overlay)),
    ];
    const refused = await home.json('install', args);
    expect(refused).toMatchObject({ code: 14, error: { code: 'licence-not-accepted' } });
    expect(refused.error.suggestions.join(' ')).toContain('--accept-license');
    expect((await home.json('list', [])).data?.records).toEqual([]);
    expect(await home.json('install', [...args, '--accept-license'])).toMatchObject({ code: 0 });
    expect(await home.json('install', [...args, '--force'])).toMatchObject({ code: 0, data: { changed: true } });
    const { acceptances } = JSON.parse(readFileSync(join(home.path, 'data/acceptances.json'), 'utf8'));
    expect(acceptances).toMatchObject([{ how: 'flag', licence: licence.id }]);
    await home.run(['remove', 'licensed']);
  });
});

describe('state that was spoilt', () => {
  test('a record that is no JSON: the others are listed, the name says 18, --force heals', async () => {
    await home.json('install', [NAME, '--no-smoke']);
    await home.json('install', ['tiny-gemma-3n:q2_k', '--no-smoke']);
    const registry = join(home.path, 'data/registry');
    const spoilt = join(registry, readdirSync(registry).find((name) => name.includes('q2_k')) ?? '');
    writeFileSync(spoilt, 'no json');
    const list = await home.json('list', []);
    expect(list).toMatchObject({ code: 18, ok: false, data: { broken: [{ path: spoilt }] } });
    expect(list.warnings?.join(' ')).toContain('gemma-provision repair NAME');
    expect(list.data?.records.map(({ name }) => name)).toEqual([NAME]);
    for (const args of [
      ['show', 'tiny-gemma-3n:q2_k'],
      ['install', 'tiny-gemma-3n:q2_k', '--no-smoke'],
    ] as const) {
      const [command, ...rest] = args;
      const result = await home.json(command, rest);
      expect(result).toMatchObject({ code: 18, error: { code: 'bad-record' } });
      expect(result.error.message).toContain(spoilt);
      expect(result.error.suggestions.join(' ')).toMatch(/gemma-provision repair \S+.*--force/);
    }
    expect(await home.json('install', ['tiny-gemma-3n:q2_k', '--no-smoke', '--force'])).toMatchObject({ code: 0 });
    expect(await home.json('list', [])).toMatchObject({ code: 0, data: { broken: [] } });
  });

  test('a record of a newer version is left alone, even with --force', async () => {
    const registry = join(home.path, 'data/registry');
    const path = join(registry, readdirSync(registry).find((name) => name.includes('q2_k')) ?? '');
    const text = JSON.stringify({ schemaVersion: 3 });
    writeFileSync(path, text);
    const result = await home.json('install', ['tiny-gemma-3n:q2_k', '--no-smoke', '--force']);
    expect(result).toMatchObject({ code: 18, error: { code: 'bad-record' } });
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  test.each([
    ['no JSON', '{'],
    ['an unknown field', '{"hosst":"127.0.0.1"}'],
  ])('a settings file: %s', async (_what, text) => {
    const path = join(home.path, 'config/config.json');
    mkdirSync(join(home.path, 'config'), { recursive: true });
    writeFileSync(path, text);
    const result = await home.json('list', []);
    writeFileSync(path, '{}');
    expect(result).toMatchObject({ code: 2, error: { code: 'bad-configuration' } });
    expect(result.error.message).toContain(path);
  });
});

describe('too small a machine', () => {
  test('a disk that is too small is refused before a byte moves, unless forced', async () => {
    // Where the bytes are there already no room is needed.
    const empty = makeHome();
    const profile = JSON.parse(readFileSync(join(ROOT, 'test/fixtures/profiles/cpu-only-8gb.json'), 'utf8'));
    const disks = [{ purpose: 'data', path: '/data', free: 1000, total: 5000 }];
    const args = [
      'tiny-gemma-3n',
      '--name',
      'big',
      '--no-smoke',
      '--profile',
      file('p.json', JSON.stringify({ ...profile, disks })),
    ];
    const result = await empty.json('install', args);
    expect(result).toMatchObject({ code: 12, error: { code: 'disk-full' } });
    expect(result.error.message).toContain('1000 B free');
    const forced = await empty.json('install', [...args, '--force']);
    empty.remove();
    expect(forced).toMatchObject({ code: 0, warnings: [expect.stringContaining('forced:')] });
  });

  test('too little memory', async () => {
    const result = await home.json('install', ['tiny-gemma-3n', '--name', 'ram', '--what-if', 'ram=16MiB']);
    expect(result).toMatchObject({ code: 12, error: { code: 'memory-short' } });
  });
});

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s on the embedded runtime', (signal, exit) => {
  async function stopAt(pattern: RegExp, args: readonly string[]) {
    const { child, ended } = home.start(['install', NAME, '--name', 'stopped', ...args]);
    let seen = '';
    await new Promise<void>((resolve, reject) => {
      child.stderr?.on('data', (text: string) => {
        seen += text;
        if (pattern.test(seen)) resolve();
      });
      child.once('close', () => reject(new Error(`ended before ${pattern}: ${seen}`)));
    });
    child.kill(signal);
    const result = await within(3000, ended);
    expect(result.code).toBe(exit);
    expect(result.stderr).toContain(`stopped by ${signal}`);
    expect((await home.json('list', [])).data?.records.filter(({ name }) => name.startsWith('stopped'))).toEqual([]);
    const left = readdirSync(join(home.path, 'data/embedded'), { recursive: true }).map(String);
    expect(left.filter((name) => /staging|incomplete|stopped/.test(name))).toEqual([]);
  }

  /** A model with so many zeros behind it that reading them takes a while; the file is sparse. */
  function long(): string {
    const path = file('long.gguf', readFileSync(Q4));
    truncateSync(path, 8 * 1024 ** 3);
    return path;
  }

  test('while the bytes are verified', () => stopAt(/verify: .* \(10 %\)/, ['--from', long()]));

  test('in the smoke test, and the next run converges', async () => {
    const check = { level: 'loads', title: 't', messages: [{ role: 'user', content: 'Hello' }], judges: [] };
    const checks = Array.from({ length: 2000 }, (_, index) => ({ ...check, id: `c${index}` }));
    const suite = file('long.json', JSON.stringify({ schemaVersion: 1, id: 'long', title: 'long', checks }));
    await stopAt(/✓ c1 /, ['--suite', suite]);
    expect(await home.json('install', [NAME, '--name', 'stopped', '--no-smoke'])).toMatchObject({ code: 0 });
    await home.run(['remove', 'stopped']);
  });
});
