/** What is asked of the server's process, its folders, its port and the proxies around it. */
import { describe, expect, test } from 'vitest';
import { GIB } from '../../../src/core/units.ts';
import type { DoctorEffects } from '../../../src/doctor/effects.ts';
import {
  answers,
  check,
  type Entry,
  errno,
  fakeFiles,
  HELPERS,
  hang,
  json,
  PROFILE,
  processEntries,
  server,
  UNREACHABLE,
} from './fakes.ts';

const files = (entries: Record<string, Entry>, environment = 'HOME=/home/anna\0') =>
  fakeFiles({ ...processEntries(environment), ...entries });
const unseen = (entries: Record<string, Entry> = {}) => files({ '/proc/77/fd': errno('EACCES'), ...entries });
const far = server('0.24.0', { endpoint: 'http://gpu.example:11434', loopback: false });

describe('server-environment', () => {
  test('reports the variables of the server and of this user, without secrets', async () => {
    const env = { OLLAMA_HOST: 'http://anna:pa@ss@127.0.0.1:11434', PATH: '/bin' };
    const environment = 'OLLAMA_API_KEY=abc123\0OLLAMA_MODELS=/m\0HOME=/root\0';
    const { status, detail } = await check('server-environment', { env, disk: files({}, environment) });
    expect(status).toBe('ok');
    expect(detail).toBe(
      'The server (process 77) has OLLAMA_API_KEY=(hidden), OLLAMA_MODELS=/m. Here: OLLAMA_HOST=http://***@127.0.0.1:11434.',
    );
  });

  test.each([
    ['CUDA_VISIBLE_DEVICES=-1', 'hides every GPU'],
    ['CUDA_VISIBLE_DEVICES=', 'hides every GPU'],
    ['HIP_VISIBLE_DEVICES=-1', 'hides every GPU'],
    ['OLLAMA_LLM_LIBRARY=cpu', "overrides the server's choice of the GPU library"],
    ['OLLAMA_ORIGINS=http://a,*', 'every web page'],
    ['OLLAMA_NUM_PARALLEL=16', '16 contexts'],
    ['OLLAMA_KEEP_ALIVE="-1"', 'keeps every model'],
    ['OLLAMA_KEEP_ALIVE=0', 'again for every request'],
    ['OLLAMA_KV_CACHE_TYPE=q8_0', 'changes the memory'],
    ['OLLAMA_NEW_ENGINE=1', 'no effect since Ollama 0.30'],
    ['OLLAMA_GO_TEMPLATE=1', 'TEMPLATE always overrides'],
    ['OLLAMA_DEBUG_LOG_REQUESTS=true', 'every prompt'],
  ])('%s has an unexpected effect', async (variable, words) => {
    expect(await check('server-environment', { disk: files({}, `${variable}\0`) })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining(words),
      remedy: expect.any(String),
    });
  });

  test.each([
    'CUDA_VISIBLE_DEVICES=0',
    'HIP_VISIBLE_DEVICES=',
    'OLLAMA_ORIGINS=http://*.example.com',
    'OLLAMA_NUM_PARALLEL=2',
    'OLLAMA_KEEP_ALIVE=5m',
    'OLLAMA_KV_CACHE_TYPE=f16',
    'OLLAMA_GO_TEMPLATE=0',
    'OLLAMA_DEBUG_LOG_REQUESTS=false',
  ])('%s does not', async (variable) => {
    expect(await check('server-environment', { disk: files({}, `${variable}\0`) })).toMatchObject({ status: 'ok' });
  });

  test.each<[string, Partial<DoctorEffects>, RegExp]>([
    ['another user', { disk: unseen() }, /belongs to the user with id 1000/],
    [
      'an environment that is closed',
      { disk: files({ '/proc/77/environ': errno('EPERM') }) },
      /environ cannot be read \(EPERM\)/,
    ],
    ['no /proc', { disk: fakeFiles({}) }, /\/proc\/net\/tcp cannot be read/],
    ['no process on the port', { disk: files({ '/proc/net/tcp': { text: 'nonsense\n\n 0: x y z' } }) }, /no socket/],
    ['another system', { platform: 'darwin' }, /on darwin/],
    ['another machine', { server: far }, /only on its machine/],
  ])('cannot be seen: %s', async (_why, over, words) => {
    expect(await check('server-environment', over)).toMatchObject({
      status: 'skipped',
      detail: expect.stringMatching(words),
    });
  });

  test('a process that ends meanwhile is not an error', async () => {
    const gone = files({
      '/proc/77/comm': errno('ENOENT'),
      '/proc/77/exe': errno('ENOENT'),
      '/proc/77/environ': errno('ESRCH'),
    });
    expect(await check('server-environment', { disk: gone })).toMatchObject({ status: 'skipped' });
    expect(await check('server-program', { disk: gone })).toMatchObject({ status: 'skipped' });
  });
});

describe('server-program', () => {
  test('helpers of 0.30 must be there', async () => {
    const lib = (names: string[]) => files({ '/opt/ollama/lib/ollama': { names } });
    expect(await check('server-program', { disk: lib(HELPERS) })).toMatchObject({ status: 'ok' });
    expect(await check('server-program', { disk: lib(['llama-server']) })).toMatchObject({
      status: 'problem',
      detail: expect.stringMatching(/^llama-quantize should be in \/opt\/ollama\/lib\/ollama/),
    });
    expect(await check('server-program', { disk: lib([]), server: server('0.24.0') })).toMatchObject({ status: 'ok' });
  });
  test('a program that was replaced under a running server', async () => {
    const old = files({ '/proc/77/exe': { link: '/usr/bin/ollama (deleted)' } });
    expect(await check('server-program', { disk: old, server: server('0.24.0') })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining(
        '/usr/bin/ollama was replaced or removed while the server was running: the old version, Ollama 0.24.0',
      ),
    });
  });
  test('unseen or far away', async () => {
    expect(await check('server-program', { disk: unseen() })).toMatchObject({ status: 'skipped' });
    expect(await check('server-program', { server: far })).toMatchObject({ status: 'skipped' });
  });
});

describe('models-folder', () => {
  const run = (
    entries: Record<string, Entry>,
    over: Partial<DoctorEffects> = {},
    uid = 1000,
    environment = 'OLLAMA_MODELS=/m\0',
  ) => check('models-folder', { disk: fakeFiles({ ...processEntries(environment, { uid }), ...entries }), ...over });

  test.each<[string, Entry, number, string]>([
    ['its own user may write', { names: [] }, 1000, 'ok'],
    ['its own user may not', { names: [], write: errno('EACCES') }, 1000, 'problem'],
    ['root may write', { names: [], write: errno('EACCES') }, 0, 'ok'],
    ['a read-only disk stops root too', { names: [], write: errno('EROFS') }, 0, 'problem'],
    ['it belongs to the server’s user', { names: [], uid: 998, write: errno('EACCES') }, 998, 'ok'],
    ['its owner took the right to write away', { names: [], uid: 998, mode: 0o555 }, 998, 'problem'],
    ['everybody may write', { names: [], mode: 0o777 }, 998, 'ok'],
    ['perhaps its group', { names: [], mode: 0o775 }, 998, 'skipped'],
    ['another user’s folder', { names: [], mode: 0o755 }, 998, 'problem'],
    ['a file in its place', { text: '' }, 1000, 'warning'],
  ])('%s', async (_what, entry, uid, status) => {
    expect(await run({ '/m': entry }, {}, uid)).toMatchObject({ status });
  });

  test('a folder that does not exist yet counts as its parent', async () => {
    expect(
      await run({ '/srv': { names: [], write: errno('EACCES') } }, {}, 1000, 'OLLAMA_MODELS=/srv/x/y\0'),
    ).toMatchObject({
      status: 'problem',
      detail: expect.stringContaining('/srv/x/y (from the server'),
    });
  });

  test('of another user: the home in /etc/passwd, otherwise unknown', async () => {
    const passwd = { text: 'root:x:0:0::/root:/bin/sh\nollama:x:998:998::/usr/share/ollama:/bin/false\n' };
    const entries = { '/proc/77/fd': errno('EACCES'), '/usr/share/ollama/.ollama/models': { names: [], uid: 998 } };
    expect(await run({ ...entries, '/etc/passwd': passwd }, {}, 998)).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining('/usr/share/ollama/.ollama/models (a guess'),
    });
    expect(await run(entries, {}, 997)).toMatchObject({
      status: 'skipped',
      detail: expect.stringContaining('cannot be determined'),
    });
  });

  test('a server in a container is reached through its root', async () => {
    const inside = {
      '/proc/77/ns/mnt': { link: 'mnt:[2]' },
      '/proc/77/root/m': { names: [], write: errno('EROFS') },
      '/m': { names: [] },
    };
    expect(await run(inside)).toMatchObject({ status: 'problem', detail: expect.stringMatching(/^\/m .*read-only/) });
  });

  test('a folder that this user may not look into is not judged', async () => {
    expect(await run({ '/m': errno('EACCES') })).toMatchObject({ status: 'skipped' });
    expect(await check('disk-space', { disk: files({ '/m': errno('EACCES') }, 'OLLAMA_MODELS=/m\0') })).toMatchObject({
      status: 'skipped',
    });
  });

  test('behind a process that only passes requests on, nothing is guessed', async () => {
    const docker = { '/proc/77/exe': { link: '/usr/bin/docker-proxy' }, '/proc/77/environ': { text: 'HOME=/root\0' } };
    expect(await run(docker)).toMatchObject({ status: 'skipped' });
    expect(await check('server-program', { disk: files(docker) })).toMatchObject({
      status: 'skipped',
      detail: expect.stringContaining('belongs to docker-proxy (process 77), which forwards requests'),
    });
    expect(await check('disk-space', { disk: files(docker) })).toMatchObject({ status: 'skipped' });
  });

  test('without any information, the usual folder', async () => {
    const over = {
      platform: 'darwin',
      disk: fakeFiles({ '/home/anna/.ollama/models': { names: [], write: errno('EACCES') } }),
    };
    expect(await check('models-folder', over)).toMatchObject({
      status: 'skipped',
      detail: expect.stringContaining('/home/anna/.ollama/models (a guess'),
    });
    expect(await check('models-folder', { server: far })).toMatchObject({ status: 'skipped' });
  });
});

describe('disk-space', () => {
  const free = (gib: number) => files({ '/m': { names: [], free: gib * GIB } }, 'OLLAMA_MODELS=/m\0');
  test.each([
    ['0.33.0', 8, 'problem', '9.00 GiB'],
    ['0.33.0', 11, 'warning', '12.00 GiB as q4_k_m'],
    ['0.33.0', 12, 'ok', 'rewrites the file on create: 3 times its size'],
    ['0.24.0', 3, 'problem', '3.06 GiB'],
    ['0.24.0', 5, 'ok', 'one copy'],
  ])('%s with %d GiB free: %s', async (version, gib, status, words) => {
    expect(await check('disk-space', { server: server(version), disk: free(gib) })).toMatchObject({
      status,
      detail: expect.stringContaining(words),
    });
  });
  test('the need is that of the transfer that an install would plan; one that cannot be planned costs the most', async () => {
    const planned = async () => ({ way: 'copy', why: 'one copy', peakBytes: 7 * GIB }) as const;
    const cheap = server('0.33.0', { planTransfer: planned });
    expect(await check('disk-space', { server: cheap, disk: free(8) })).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining('needs 7.00 GiB as q4_k_m (copy: one copy)'),
    });
    const failing = server('0.33.0', { planTransfer: () => Promise.reject(new Error('no')) });
    expect(await check('disk-space', { server: failing, disk: free(8) })).toMatchObject({
      status: 'problem',
      detail: expect.stringContaining('9.00 GiB (Ollama 0.33.0 rewrites the file'),
    });
  });
  test('the embedded runtime puts one copy into the data folder', async () => {
    const over = {
      server: server(UNREACHABLE),
      disk: fakeFiles({ '/home/anna/data': { names: [], free: GIB } }),
    };
    expect(await check('disk-space', over)).toMatchObject({
      status: 'problem',
      detail: expect.stringContaining('/home/anna/data has 1.00 GiB free'),
    });
  });
  test('a number that makes no sense is a warning, a server far away is skipped', async () => {
    expect(await check('disk-space', { disk: free(Number.NaN) })).toMatchObject({ status: 'warning' });
    expect(await check('disk-space', { server: far })).toMatchObject({ status: 'skipped' });
    const none = { server: server(UNREACHABLE), wanted: { usesServer: true, serverOnly: true } } as const;
    expect(await check('disk-space', none)).toMatchObject({ status: 'skipped' });
  });
});

describe('exposure', () => {
  const bound = (address: string) => ({ disk: fakeFiles(processEntries('', { address })) });
  test.each([
    ['0100007F', 'ok', 'only on 127.0.0.1'],
    ['00000000', 'warning', 'every address (0.0.0.0)'],
  ])('a socket of %s: %s', async (address, status, words) => {
    expect(await check('exposure', bound(address))).toMatchObject({ status, detail: expect.stringContaining(words) });
  });
  test('in a container the remedy says what a published port needs', async () => {
    const profile = async () => ({ ...PROFILE, os: { ...PROFILE.os, container: 'docker' } });
    expect(await check('exposure', { ...bound('00000000'), profile })).toMatchObject({
      remedy: expect.stringContaining('-p 127.0.0.1:11434:11434'),
    });
  });
  test('where sockets cannot be seen, its own addresses are tried', async () => {
    const over = { platform: 'darwin', disk: fakeFiles({}) };
    const tried: string[] = [];
    const get: DoctorEffects['get'] = async (url) => {
      tried.push(url);
      return json({ version: '0.24.0' });
    };
    expect(await check('exposure', { ...over, get })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('answers on 192.0.2.7'),
    });
    expect(tried).toEqual(['http://192.0.2.7:11434/api/version']);
    expect(await check('exposure', { ...over, get: answers({}) })).toMatchObject({ status: 'ok' });
    const page = answers({ '/api/version': { status: 200, text: '<html>' } });
    expect(await check('exposure', { ...over, get: page })).toMatchObject({ status: 'ok' });
    expect(await check('exposure', { ...over, get: hang }, 40)).toMatchObject({ status: 'warning' });
  });
  test('a server elsewhere is used over the network on purpose', async () => {
    expect(await check('exposure', { server: far })).toMatchObject({ status: 'ok' });
  });
  test('one of our own addresses is this machine', async () => {
    const own = server('0.24.0', { endpoint: 'http://192.0.2.7:11434', loopback: false });
    expect(await check('exposure', { server: own, ...bound('00000000') })).toMatchObject({ status: 'warning' });
  });
});

describe('proxy', () => {
  const HTTP = { HTTP_PROXY: 'http://anna:secret@proxy.example:3128' };
  test('none', async () => {
    expect(await check('proxy')).toMatchObject({ status: 'ok', detail: 'No proxy is set here.' });
  });
  test('in front of loopback: other clients ask it, the password stays hidden', async () => {
    const found = await check('proxy', { env: HTTP });
    expect(found).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('curl, Python'),
      remedy: expect.stringContaining('export NO_PROXY=localhost,127.0.0.1,::1'),
    });
    expect(JSON.stringify(found)).not.toContain('secret');
  });
  test('for another machine: the ollama command uses it too', async () => {
    expect(await check('proxy', { env: HTTP, server: far })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('the ollama command and other clients use the proxy'),
      remedy: expect.stringMatching(/gpu\.example$/),
    });
  });
  test.each(['*', '127.0.0.1', 'localhost,127.0.0.0/8', '127.0.0.1:11434'])('NO_PROXY=%s is enough', async (list) => {
    expect(await check('proxy', { env: { ...HTTP, NO_PROXY: list } })).toMatchObject({ status: 'ok' });
  });
  test('an exception that is there stays in the remedy', async () => {
    expect(await check('proxy', { env: { ...HTTP, no_proxy: 'intra.example' } })).toMatchObject({
      remedy: expect.stringContaining('NO_PROXY=intra.example,localhost'),
    });
  });
  test('a proxy here that the server does not have, and one that only the server has', async () => {
    const env = { https_proxy: 'http://proxy:3128' };
    expect(await check('proxy', { env })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('https_proxy is set here, but not for the server'),
    });
    const theirs = files({}, 'HTTPS_PROXY=http://u:p@proxy:3128\0');
    expect(await check('proxy', { disk: theirs })).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining('pulls through http://***@proxy:3128'),
    });
    expect(await check('proxy', { disk: files({}, 'HTTP_PROXY=http://proxy:3128\0') })).toMatchObject({
      status: 'warning',
    });
  });
  test('without a server to ask', async () => {
    expect(await check('proxy', { env: HTTP, wanted: { usesServer: false, serverOnly: false } })).toMatchObject({
      status: 'skipped',
    });
  });
});
