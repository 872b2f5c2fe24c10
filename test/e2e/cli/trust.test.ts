/** Lock file, signed catalogs and TLS through the built program. */
import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome, Q2, Q4 } from '../../helpers/cli.ts';
import type { FakeOllama } from '../../helpers/fake-ollama.ts';
import { homeWithOllama } from '../../helpers/home-with-ollama.ts';

const MODEL = 'tiny-gemma-3n:q4_k_m';

let home: Home;
let ollama: FakeOllama;
beforeEach(async () => {
  const setup = await homeWithOllama();
  ({ home, ollama } = setup);
  return setup.remove;
});

function here(name: string): string {
  return join(home.path, name);
}

const server = () => ['--host', ollama.host];
const changes = () => ollama.requests.filter((line) => /^(POST|PUT|DELETE) /.test(line) && !line.endsWith('/api/show'));

describe('lock and install --frozen', () => {
  test('the same inputs write the same bytes, and --check says that they are true', async () => {
    const first = await home.json('lock', [MODEL, ...server()]);
    expect(first).toMatchObject({ code: 0, ok: true, data: { changed: true, differences: [] } });
    const text = readFileSync(here('gemma-provision.lock'), 'utf8');
    const again = await home.json('lock', [MODEL, ...server()]);
    expect(again.data).toMatchObject({ changed: false, digest: first.data?.digest });
    const other = makeHome();
    await other.json('lock', [MODEL, ...server()]);
    expect(readFileSync(join(other.path, 'gemma-provision.lock'), 'utf8')).toBe(text);
    other.remove();
    expect(text).not.toContain(home.path);
    expect(await home.json('lock', ['--check', ...server()])).toMatchObject({ code: 0, ok: true });
    expect(changes()).toEqual([]);
  });

  test('a frozen install takes all from the file, and the record says from which', async () => {
    const { data } = await home.json('lock', [MODEL, '--name', 'mine', '--ctx', '256', ...server()]);
    const report = await home.json('install', ['--frozen', ...server()]);
    expect(report).toMatchObject({ code: 0, data: { name: 'mine:latest', quant: 'q4_k_m', changed: true } });
    expect(report.data?.record).toMatchObject({
      lock: data?.digest,
      source: { digest: data?.lock.source.digest },
      parameters: { num_ctx: 256 },
    });
    const again = await home.json('install', ['--frozen', ...server()]);
    expect(again).toMatchObject({ code: 0, data: { changed: false, bytesMoved: 0 } });
  });

  test('a file beside the lock moves with it; other bytes under its name are refused before anything changes', async () => {
    mkdirSync(here('a/models'), { recursive: true });
    copyFileSync(Q4, here('a/models/m.gguf'));
    const locked = await home.json('lock', [MODEL, '--from', './models/m.gguf', ...server()], { cwd: here('a') });
    expect(locked.data?.lock.source.ref).toBe('file:models/m.gguf');
    mkdirSync(here('b/models'), { recursive: true });
    copyFileSync(here('a/gemma-provision.lock'), here('b/gemma-provision.lock'));
    copyFileSync(Q4, here('b/models/m.gguf'));
    rmSync(here('a'), { recursive: true });
    const lock = ['--lock', here('b/gemma-provision.lock')];
    expect(await home.json('install', ['--frozen', ...lock, '--dry-run', ...server()])).toMatchObject({ code: 0 });

    const bytes = readFileSync(here('b/models/m.gguf'));
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(here('b/models/m.gguf'), bytes);
    const { code, error } = await home.json('install', ['--frozen', ...lock, ...server()]);
    expect([code, error.code]).toEqual([16, 'lock-differs']);
    expect(error.message).toMatch(/source\.digest: wanted "sha256:\w+", got "sha256:\w+"/);
    expect(changes()).toEqual([]);
  });

  test.each([
    [['--ctx', '128'], /parameters\.num_ctx: wanted 512, got 128/],
    [['--name', 'other'], /name: wanted "tiny-gemma-3n:q4_k_m", got "other:latest"/],
    [['--from', Q2, '--quant', 'q2_k'], /quant: wanted "q4_k_m", got "q2_k"/],
  ])('%j is a difference, and nothing changes', async (flags, message) => {
    await home.json('lock', [MODEL, ...server()]);
    const { code, error } = await home.json('install', ['--frozen', ...flags, ...server()]);
    expect([code, error.code, error.message]).toEqual([16, 'lock-differs', expect.stringMatching(message)]);
    const checked = await home.json('lock', ['--check', ...flags, ...server()]);
    expect([checked.code, checked.ok]).toEqual([4, false]);
    expect(checked.data?.differences.length).toBeGreaterThan(0);
    expect(changes()).toEqual([]);
  });

  test('no lock file, half of one, and --lock without --frozen', async () => {
    const missing = await home.json('install', ['--frozen', ...server()]);
    expect([missing.code, missing.error.code]).toEqual([3, 'file-not-found']);
    writeFileSync(here('gemma-provision.lock'), '{"schemaVersion":1');
    const half = await home.json('install', ['--frozen', ...server()]);
    expect([half.code, half.error.code]).toEqual([16, 'bad-lock-file']);
    const alone = await home.json('install', [MODEL, '--lock', 'x', ...server()]);
    expect([alone.code, alone.error.code]).toEqual([2, 'bad-usage']);
    expect(changes()).toEqual([]);
  });
});

describe('row 41: signed catalogs', () => {
  function keys() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(here('key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(here('key.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  }
  function catalog(fields: object) {
    writeFileSync(here('mine.json'), JSON.stringify({ schemaVersion: 1, id: 'tiny-gemma-3n', ...fields }));
  }
  const sign = () => home.json('catalog sign', ['mine.json', '--key', 'key.pem']);
  const verify = () => home.json('catalog verify', ['mine.json', '--key', 'key.pub']);
  const list = (...more: string[]) =>
    home.json('catalog list', ['--catalog', 'mine.json', '--catalog-key', 'key.pub', ...more]);

  test('signed and newer is taken; unsigned, changed and older are not; --allow-unsigned spells it out', async () => {
    keys();
    catalog({ version: 2 });
    expect((await list()).error).toMatchObject({ code: 'untrusted', exitCode: 11 });
    expect(existsSync(here('data/trust.json'))).toBe(false);
    expect(await sign()).toMatchObject({ code: 0, data: { version: 2 }, warnings: [] });
    expect(await verify()).toMatchObject({ code: 0, data: { keyFile: 'key.pub' } });
    expect(existsSync(here('data/trust.json'))).toBe(false);
    expect(await list()).toMatchObject({ code: 0 });
    const state = readFileSync(here('data/trust.json'), 'utf8');

    catalog({ version: 3 });
    expect((await list()).error).toMatchObject({
      code: 'untrusted',
      message: expect.stringMatching(/does not match its signature/),
    });
    catalog({ version: 1 });
    await sign();
    expect((await list()).error).toMatchObject({ code: 'stale-catalog', exitCode: 11 });
    expect((await verify()).error).toMatchObject({ code: 'stale-catalog', exitCode: 11 });
    // An unsigned file may be excused, with a warning; a signature that does not hold or an older version never is.
    expect((await list('--allow-unsigned')).error).toMatchObject({ code: 'stale-catalog', exitCode: 11 });
    catalog({ version: 4 });
    expect((await list('--allow-unsigned')).error).toMatchObject({ code: 'untrusted', exitCode: 11 });
    rmSync(here('mine.json.sig'));
    expect(await list('--allow-unsigned')).toMatchObject({
      code: 0,
      warnings: [expect.stringMatching(/mine\.json is not signed/)],
    });
    expect(readFileSync(here('data/trust.json'), 'utf8')).toBe(state);
  });

  test('expired is refused, with a key and without', async () => {
    keys();
    catalog({ version: 1, expires: '2020-01-01T00:00:00Z' });
    await sign();
    expect((await list()).error).toMatchObject({ code: 'stale-catalog', message: expect.stringMatching(/expired at/) });
    const plain = await home.json('catalog list', ['--catalog', 'mine.json']);
    expect(plain.error).toMatchObject({ code: 'stale-catalog', exitCode: 11 });
  });

  test('by another key', async () => {
    keys();
    catalog({ version: 1 });
    await sign();
    keys();
    expect((await verify()).error).toMatchObject({
      code: 'untrusted',
      message: expect.stringMatching(/was not made by key\.pub/),
    });
  });

  test('what is no catalog is not signed, and a file without a version gets a warning', async () => {
    keys();
    catalog({ versio: 1 });
    expect((await sign()).error).toMatchObject({ code: 'bad-catalog', exitCode: 16 });
    expect(existsSync(here('mine.json.sig'))).toBe(false);
    catalog({});
    expect((await sign()).warnings).toEqual([expect.stringMatching(/has no "version"/)]);
  });
});

describe('row 43: a server on another host', () => {
  test('is refused before any request with --require-tls and its variable; loopback is exempt', async () => {
    for (const [args, env] of [
      [['--require-tls'], {}],
      [[], { GEMMA_PROVISION_REQUIRE_TLS: 'true' }],
    ] as const) {
      const { code, error } = await home.json('install', [MODEL, '--host', 'http://203.0.113.1:9', ...args], { env });
      expect([code, error.code]).toEqual([13, 'tls-required']);
    }
    const near = await home.json('install', [MODEL, '--require-tls', '--dry-run', ...server()]);
    expect(near).toMatchObject({ code: 0, warnings: [] });
  });

  test('is refused where the settings say so', async () => {
    mkdirSync(here('config'), { recursive: true });
    writeFileSync(here('config/config.json'), JSON.stringify({ 'require-tls': true }));
    const { code, error } = await home.json('check', ['--host', 'http://203.0.113.1:9']);
    expect([code, error.code]).toEqual([13, 'tls-required']);
  });

  test('warns once', async () => {
    const { warnings } = await home.json('check', ['--host', 'http://no-such-host.invalid:9', '--timeout', '5']);
    const { warnings: recommended, stderr } = await home.json('recommend', ['--host', 'http://no-such-host.invalid:9']);
    expect(stderr).not.toContain('is another host without TLS');
    expect(warnings.concat(recommended).filter((text) => text.includes('is another host without TLS'))).toHaveLength(1);
  });
});

describe('row 38: texts that would break out of a Modelfile', () => {
  const evil = `a"""\nFROM evil\n{{ .System }}\u0000\u202e\r\n${'x'.repeat(1024 * 1024)}"""`;

  test('a licence arrives byte for byte', async () => {
    const licence = {
      id: 'LicenseRef-Evil',
      title: 'Evil',
      url: 'https://example.org/licence',
      text: evil,
      acceptanceRequired: false,
    };
    writeFileSync(here('mine.json'), JSON.stringify({ schemaVersion: 1, id: 'tiny-gemma-3n', licence }));
    const report = await home.json('install', [MODEL, '--catalog', 'mine.json', '--no-smoke', ...server()]);
    expect(report.error).toMatchObject({ code: 'none' });
    expect([...ollama.models.values()].map(({ license }) => license === evil)).toEqual([true]);
    expect(Buffer.byteLength(JSON.stringify(report))).toBeLessThan(1024 * 1024);
  });
});
