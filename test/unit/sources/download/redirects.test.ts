import { describe, expect, test } from 'vitest';
import type { Http } from '../../../../src/net/http.ts';
import { isPrivateHost, type Reach } from '../../../../src/net/reach.ts';
import { replyWith } from '../../../helpers/http.ts';
import { downloader, FILE, fetchTo, folder, origin, refusalOf, remoteOf, SECRET } from './support.ts';

describe('row 13: redirects', () => {
  test('to another origin go without the secrets of the first, and later requests go there at once', async () => {
    const storage = await origin((n) => (n === 0 ? { cutAfter: 1_000_000 } : {}));
    const hub = await origin(() => ({ redirect: `${storage.url}/m.gguf?signature=1` }));
    const { bytesMoved } = await fetchTo(await folder(), remoteOf(hub));
    expect(bytesMoved).toBe(FILE.length);
    expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${SECRET}`]);
    expect(storage.requests.map(({ headers, url }) => [headers.authorization, url])).toEqual([
      [undefined, '/m.gguf?signature=1'],
      [undefined, '/m.gguf?signature=1'],
    ]);
  });

  test('within one origin keep them', async () => {
    const hub = await origin((n) => (n === 0 ? { redirect: '/m.gguf?moved=1', status: 307 } : {}));
    await fetchTo(await folder(), remoteOf(hub));
    expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${SECRET}`, `Bearer ${SECRET}`]);
  });

  test('whose target is valid for a time only are asked for anew', async () => {
    const storage = await origin((n) => [{ cutAfter: 1_000_000 }, { status: 403 }][n] ?? {});
    const hub = await origin(() => ({ redirect: `${storage.url}/m.gguf` }));
    const { bytesMoved } = await fetchTo(await folder(), remoteOf(hub));
    expect(bytesMoved).toBe(FILE.length);
    expect(hub.requests).toHaveLength(2);
    expect(storage.requests.map(({ status }) => status)).toEqual([206, 403, 206]);
  });

  test('of eleven hops are refused, of ten followed', async () => {
    const chain = (hops: number) => origin((n) => (n < hops ? { redirect: `/m.gguf?hop=${n}` } : {}));
    const long = await chain(11);
    const error = await refusalOf(fetchTo(await folder(), remoteOf(long)));
    expect(error).toMatchObject({ code: 'remote-fault', exitCode: 10 });
    expect(error.message).toContain('more than 10 redirects');
    const allowed = await chain(10);
    expect((await fetchTo(await folder(), remoteOf(allowed))).bytesMoved).toBe(FILE.length);
  });

  test.each([
    ['https://hub.example/m.gguf', 'http://hub.example/m.gguf', 'from https to http'],
    ['https://hub.example/m.gguf', 'https://127.0.0.1/m.gguf', 'from a public server to this machine (127.0.0.1)'],
    ['http://hub.example/m.gguf', 'http://169.254.169.254/latest/meta-data', 'to the local link'],
    ['http://10.0.0.1/m.gguf', 'http://169.254.169.254/latest/meta-data', 'from a private network to the local link'],
    ['http://10.0.0.1/m.gguf', 'http://127.0.0.1/x', 'from a private network to this machine'],
    ['http://127.0.0.1/m.gguf', 'http://[fe80::1]/x', 'from this machine to the local link'],
    ['https://hub.example/m.gguf', 'https://[::ffff:10.0.0.1]:8443/x', 'to a private network'],
    ['https://hub.example/m.gguf', 'https://localhost:11434/api/tags', 'to this machine (localhost:11434)'],
  ])('from %s to %s are refused', async (from, to, why) => {
    const asked: string[] = [];
    const remote = { ...remoteOf({ url: 'http://unused' }), access: { url: from, headers: {} } };
    const error = await refusalOf(fetchTo(await folder(), remote, downloader({}, { http: redirecting(to, asked) })));
    expect(error).toMatchObject({ code: 'unsafe-redirect', exitCode: 16 });
    expect(error.message).toContain(why);
    expect(asked).toEqual([from]);
  });

  test('are judged by the address of the first server, in every later request too', async () => {
    const asked: [string, Reach | undefined][] = [];
    const http: Http = async ({ url, from }) => {
      asked.push([new URL(url).host, from]);
      if (url.startsWith('https://hub.example'))
        return { ...replyWith(302, { location: 'https://storage.example/m.gguf' }), reach: 'private' };
      const range = { 'content-range': `bytes 0-${FILE.length - 1}/${FILE.length}` };
      const broken = async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
        yield FILE.subarray(0, 10);
        throw Object.assign(new Error('cut'), { code: 'ECONNRESET' });
      };
      return { ...replyWith(206, range, broken()), reach: 'public' };
    };
    const remote = { ...remoteOf({ url: 'x' }), access: { url: 'https://hub.example/m.gguf', headers: {} } };
    await refusalOf(fetchTo(await folder(), remote, downloader({ tries: 2 }, { http })));
    expect(asked.slice(0, 3)).toEqual([
      ['hub.example', undefined],
      ['storage.example', 'private'],
      ['storage.example', 'private'],
    ]);
  });

  test('within a private network are followed', async () => {
    const asked: string[] = [];
    const remote = { ...remoteOf({ url: 'http://unused' }), access: { url: 'http://10.0.0.1/m.gguf', headers: {} } };
    const http = redirecting('http://10.0.0.2/m.gguf', asked);
    await refusalOf(fetchTo(await folder(), remote, downloader({}, { http })));
    expect(asked).toContain('http://10.0.0.2/m.gguf');
  });
});

describe('private hosts', () => {
  test.each([
    'localhost',
    'a.localhost',
    'LOCALHOST.',
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
    '10.255.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    'metadata.google.internal',
    '[::1]',
    '[::]',
    '[fe80::1]',
    '[fd00::1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::a00:1]',
    '[64:ff9b:1::a00:1]',
    '[2002:7f00:1::]',
    '[2001:0:808:808::1]',
    '[::ffff:0:7f00:1]',
    '[::7f00:1]',
    '[fec0::1]',
    '[ff02::1]',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
  ])('%s', (host) => {
    expect(isPrivateHost(host)).toBe(true);
  });

  test.each([
    'huggingface.co',
    '8.8.8.8',
    '172.32.0.1',
    '[2606:4700::1111]',
    '[::ffff:808:808]',
    '[64:ff9b::808:808]',
    '[2001:4860:4860::8888]',
    'localhost.example',
    '100.128.0.1',
  ])('%s is none', (host) => {
    expect(isPrivateHost(host)).toBe(false);
  });

  test('addresses in odd spellings are what a URL makes of them', () => {
    for (const odd of ['http://0x7f.1/', 'http://2130706433/', 'http://127.1/', 'http://[0:0:0:0:0:ffff:127.0.0.1]/']) {
      expect(isPrivateHost(new URL(odd).hostname), odd).toBe(true);
    }
  });
});

/** Every request is answered with a redirect to that address. */
function redirecting(to: string, asked: string[]): Http {
  return async ({ url }) => {
    asked.push(url);
    return {
      status: 302,
      header: (name) => (name === 'location' ? to : undefined),
      body: (async function* () {})(),
      close: async () => {},
    };
  };
}
