/** The built command line against origins that cut, lie, send too much, refuse, and lead astray. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAuthority } from '../../helpers/certificates.ts';
import { type Home, makeHome } from '../../helpers/cli.ts';
import { type Behaviour, type LoggedRequest, type Origin, sha256, startOrigin } from '../../helpers/origin.ts';
import {
  cached,
  errorText,
  FILES,
  fromOrigin,
  installOf,
  NEW,
  quantsOf,
  type Snapshot,
  snapshot,
  withOldModel,
} from './host.ts';

const MIB = 1_048_576;
const LONG = { timeout: 120_000 };

let home: Home;
let before: Snapshot;
const origins: Origin[] = [];

beforeEach(async () => {
  home = makeHome();
  before = await withOldModel(home);
}, 120_000);
afterEach(async () => {
  home.remove();
  await Promise.all(origins.splice(0).map((each) => each.close()));
});

async function serve(
  behave: (number: number, request: LoggedRequest) => Behaviour,
  options: { readonly tls?: { readonly key: string; readonly cert: string } } = {},
): Promise<Origin> {
  const origin = await startOrigin({ files: FILES, behave, ...options });
  origins.push(origin);
  return origin;
}

/** Whether a request asks for the file, and not only for its first MiB, where the header is. */
const forBytes = ({ method, range }: LoggedRequest) => method === 'GET' && range !== `bytes=0-${MIB - 1}`;

async function isInstalled(): Promise<void> {
  expect(await quantsOf(home)).toEqual(['q4_k_m']);
  expect(cached(home)).toEqual({ partial: [], blobs: [NEW.length] });
}

function nothingChanged(): void {
  expect(snapshot(home)).toEqual(before);
  expect(cached(home).blobs).toEqual([]);
}

describe('an origin that gets well', () => {
  test.each([
    ['the file, three times,', true],
    ['its header', false],
  ])('row 1: a connection cut at %s costs at most 1 MiB', LONG, async (_, ofFile) => {
    let cuts = 0;
    const origin = await serve((_number, request) => {
      if (request.method !== 'GET' || forBytes(request) !== ofFile || cuts >= 3) return {};
      cuts += 1;
      return { cutAfter: ofFile ? 700_000 : 70_000 };
    });
    expect(await installOf(home, fromOrigin(origin.url, '/new.gguf'))).toMatchObject({ code: 0, ok: true });
    await isInstalled();
    expect(cuts).toBe(ofFile ? 3 : 1);
    // The file, its first MiB for the header, and what was under way when it was cut.
    expect(origin.sentBytes()).toBeLessThanOrEqual(NEW.length + MIB + cuts * MIB);
  });

  test.each<[string, Behaviour]>([
    ['row 3: ignores ranges', { ranges: 'ignore' }],
    ['row 4: has another ETag after a cut', { etag: '"another"' }],
    ['row 4: answers with another range than requested', { ranges: 'shifted' }],
    ['row 5: refuses the range after a cut', { ranges: 'refuse' }],
  ])('%s: started again from 0, never appended to', LONG, async (_, later) => {
    let seen = 0;
    const origin = await serve((_number, request) => {
      if (!forBytes(request)) return {};
      seen += 1;
      // The whole file without ranges has an end; the others get well after one bad answer.
      if (seen === 1) return { cutAfter: 700_000 };
      return seen === 2 || later.ranges === 'ignore' ? later : {};
    });
    expect(await installOf(home, fromOrigin(origin.url, '/new.gguf'))).toMatchObject({ code: 0, ok: true });
    await isInstalled();
  });

  test.each<[string, Readonly<Record<string, string>>, number]>([
    ['429 with Retry-After: 1', { 'retry-after': '1' }, 429],
    ['503', {}, 503],
  ])('row 11: %s is waited for', LONG, async (_, headers, status) => {
    let refused = 0;
    const origin = await serve((_number, request) => {
      if (!forBytes(request) || refused >= 2) return {};
      refused += 1;
      return { status, headers };
    });
    expect(await installOf(home, fromOrigin(origin.url, '/new.gguf'))).toMatchObject({ code: 0, ok: true });
    expect(refused).toBe(2);
    await isInstalled();
  });
});

describe('an origin that does not: what was installed stays, byte for byte', () => {
  test.each<[string, Behaviour]>([
    ['row 8: an endless body, longer than its stated length', { endless: true }],
    ['row 8: a stated length that differs from the file’s', { length: NEW.length + 5 }],
  ])('%s', LONG, async (_, behaviour) => {
    const origin = await serve((_number, request) => (forBytes(request) ? { ranges: 'ignore', ...behaviour } : {}));
    // The digest of other bytes: an answer that is cut at the size of the file must not pass.
    const wrong = sha256(Buffer.from('other'));
    const answer = await installOf(home, fromOrigin(origin.url, '/new.gguf', wrong));
    expect([10, 11], errorText(answer)).toContain(answer.code);
    expect(origin.sentBytes()).toBeLessThan(8 * (NEW.length + MIB));
    nothingChanged();
  });

  test('row 9: an answer in gzip is refused', LONG, async () => {
    const origin = await serve(() => ({ encoding: 'gzip' }));
    const answer = await installOf(home, fromOrigin(origin.url, '/new.gguf'));
    expect([10, 11], errorText(answer)).toContain(answer.code);
    expect(errorText(answer)).toContain('gzip');
    nothingChanged();
    expect(cached(home).partial).toEqual([]);
  });

  test('row 11: a Retry-After of 31 years is reported and not waited for', LONG, async () => {
    const origin = await serve(() => ({ status: 429, headers: { 'retry-after': '1000000000' } }));
    const answer = await installOf(home, fromOrigin(origin.url, '/new.gguf'));
    expect(answer).toMatchObject({ code: 10, ok: false });
    expect(errorText(answer)).toMatch(/429|again/);
    nothingChanged();
  });

  test.each([401, 403])(
    'row 12: %i is not retried, and the message names the missing credential',
    LONG,
    async (status) => {
      const origin = await serve(() => ({ status }));
      const answer = await installOf(home, fromOrigin(origin.url, '/new.gguf'));
      expect(answer).toMatchObject({ code: 14, error: { code: 'unauthorised' } });
      expect(errorText(answer)).toContain('127.0.0.1');
      expect(origin.requests.length).toBeLessThanOrEqual(2);
      nothingChanged();
    },
  );

  test('row 13: redirects without end', LONG, async () => {
    const origin = await serve((number) => ({ redirect: `/new.gguf?hop=${number}` }));
    const answer = await installOf(home, fromOrigin(origin.url, '/new.gguf'));
    expect([10, 16], errorText(answer)).toContain(answer.code);
    expect(errorText(answer)).toMatch(/redirect/i);
    expect(origin.requests.length).toBeLessThan(60);
    nothingChanged();
  });
});

describe('certificates', () => {
  const authority = createAuthority();
  const DAY = 86_400_000;

  test('row 14: from an unknown authority: refused with a remedy; with --ca it installs', LONG, async () => {
    const origin = await serve(() => ({}), { tls: authority.issue() });
    const refused = await installOf(home, fromOrigin(origin.url, '/new.gguf'));
    expect(refused).toMatchObject({ code: 10, ok: false });
    expect(errorText(refused)).toContain('GEMMA_PROVISION_CA');
    expect(origin.requests).toEqual([]);
    nothingChanged();
    const ca = join(home.path, 'ca.pem');
    writeFileSync(ca, authority.cert);
    const env = { GEMMA_PROVISION_CA: ca };
    expect(await installOf(home, fromOrigin(origin.url, '/new.gguf'), { env })).toMatchObject({ code: 0, ok: true });
    await isInstalled();
  });

  test.each<[string, Parameters<typeof authority.issue>[0], RegExp]>([
    ['row 14: for another name', { names: ['elsewhere.test'], addresses: [] }, /another name/],
    ['row 48: from the past', { notBefore: new Date(0), notAfter: new Date(Date.now() - DAY) }, /clock/],
    ['row 48: from the future', { notBefore: new Date(Date.now() + DAY) }, /clock/],
  ])('%s: refused with the reason', LONG, async (_, options, why) => {
    const origin = await serve(() => ({}), { tls: authority.issue(options) });
    const ca = join(home.path, 'ca.pem');
    writeFileSync(ca, authority.cert);
    const env = { GEMMA_PROVISION_CA: ca };
    const answer = await installOf(home, fromOrigin(origin.url, '/new.gguf'), { env });
    expect(answer).toMatchObject({ code: 10, ok: false });
    expect(errorText(answer)).toMatch(why);
    expect(origin.requests).toEqual([]);
    nothingChanged();
  });
});
