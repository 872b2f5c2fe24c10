import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../src/core/errors.ts';
import { GIB } from '../../../src/core/units.ts';
import type { DoctorEffects } from '../../../src/doctor/effects.ts';
import {
  answers,
  check,
  errno,
  fakeFiles,
  hang,
  json,
  NOW,
  PROFILE,
  processEntries,
  RADEON,
  RTX,
  server,
  UNREACHABLE,
} from './fakes.ts';

const noEngine = {
  version: async () => {
    throw new ProvisionError('runtime-missing', 'node-llama-cpp is not installed.', { suggestions: ['Install it.'] });
  },
  tryOut: async () => undefined,
  has: async () => false,
};
const serverOnly = { usesServer: true, serverOnly: true } as const;
const embeddedOnly = { usesServer: false, serverOnly: false } as const;
const ps = (...models: object[]) => answers({ '/api/ps': json({ models }) });

describe('server', () => {
  test('answers', async () => {
    expect(await check('server')).toMatchObject({
      status: 'ok',
      detail: 'Ollama 0.33.0 answers at http://127.0.0.1:11434.',
    });
  });

  test('a substitute or a proxy on the port is named', async () => {
    const disk = fakeFiles({ ...processEntries(''), '/proc/77/exe': { link: '/opt/koboldcpp' } });
    expect(await check('server', { disk })).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining('used by koboldcpp (process 77)'),
    });
  });

  const absent = server(UNREACHABLE);
  test('unreachable: a warning where the embedded runtime is available, a problem where it is not', async () => {
    expect(await check('server', { server: absent })).toMatchObject({
      status: 'warning',
      detail: expect.stringMatching(/nothing listens there\. No ollama program.* would use the embedded runtime\.$/),
      remedy: 'Start Ollama.\nOr use --runtime embedded.',
    });
    expect(await check('server', { server: absent, wanted: serverOnly })).toMatchObject({ status: 'problem' });
    expect(await check('server', { server: absent, embedded: noEngine })).toMatchObject({
      status: 'problem',
      detail: expect.stringContaining('not available as a fallback'),
    });
    expect(await check('server', { server: absent, wanted: embeddedOnly })).toMatchObject({ status: 'skipped' });
  });

  test('reports a program that is installed but not running', async () => {
    const disk = fakeFiles({ '/usr/bin/ollama': { text: '' } });
    expect(await check('server', { server: absent, env: { PATH: '/bin::/usr/bin' }, disk })).toMatchObject({
      detail: expect.stringContaining('/usr/bin/ollama is installed, but not running there.'),
    });
  });

  test('something else on the port: named where it can be seen', async () => {
    const foreign = server(
      new ProvisionError('runtime-not-ollama', 'Something answers, but it is not an Ollama server.'),
    );
    const disk = fakeFiles({ ...processEntries(''), '/proc/77/exe': { link: '/usr/sbin/nginx' } });
    expect(await check('server', { server: foreign, disk, wanted: serverOnly })).toMatchObject({
      status: 'problem',
      detail: expect.stringContaining('The port is served by nginx (process 77).'),
    });
    expect(await check('server', { server: foreign, disk: fakeFiles({}) })).toMatchObject({ status: 'warning' });
  });

  test('a host that cannot be used, and a refusal, block auto as well', async () => {
    const bad = new ProvisionError('bad-configuration', 'The Ollama host cannot be used.', {
      suggestions: ['Use HOST.'],
    });
    expect(await check('server', { server: bad })).toMatchObject({ status: 'problem', remedy: 'Use HOST.' });
    const refused = server(new ProvisionError('unauthorised', 'The server refused.'));
    expect(await check('server', { server: refused })).toMatchObject({ status: 'problem' });
  });

  test('a server that never reports its version exhausts its own time limit, not that of the run', async () => {
    const signalled = (signal: AbortSignal) =>
      new Promise<string>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const dripping = server('', { version: signalled });
    expect(await check('server', { server: dripping, wanted: serverOnly })).toMatchObject({
      status: 'problem',
      detail: expect.stringContaining('did not report its version within 30 ms.'),
    });
    const deaf = server('', { version: hang });
    expect(await check('server', { server: deaf }, 50)).toMatchObject({
      status: 'warning',
      detail: 'No answer within 50 ms.',
    });
  });
});

describe('server-version', () => {
  const version = (text: string) => check('server-version', { server: server(text) });
  test('dangers, with the release that has none of them', async () => {
    expect(await version('0.10.0')).toMatchObject({
      status: 'warning',
      // Each once, though the lookup words them as warnings too.
      detail: expect.stringMatching(/^(?!.*CVE-2026-7482.*CVE-2026-7482)crafted-header.*CVE-2026-7482.*CVE-2025-51471/),
      remedy: 'Upgrade Ollama to 0.31.2 or later.',
    });
    expect(await version('0.33.0')).toMatchObject({ status: 'ok' });
  });
  test('too old blocks; unknown, newer and custom versions warn', async () => {
    expect(await version('0.1.20')).toMatchObject({ status: 'problem', remedy: expect.stringContaining('0.1.34') });
    expect(await version('0.0.0')).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('its version is not known'),
    });
    expect(await version('9.0.0')).toMatchObject({ status: 'warning', detail: expect.stringContaining('newer') });
    expect(await version('0.32.0-ipex')).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('custom'),
    });
  });
  test('without a server it is skipped', async () => {
    expect(await check('server-version', { server: server(UNREACHABLE) })).toMatchObject({ status: 'skipped' });
  });
});

describe('model-support', () => {
  const subject: DoctorEffects['subject'] = async () => ({
    label: 'x',
    named: true,
    architecture: 'gemma3n',
    smallest: { quant: 'q2_k', bytes: 1 },
    typical: { quant: 'q2_k', bytes: 1 },
  });
  test.each([
    ['0.6.5', 'problem'],
    ['0.10.0', 'ok'],
    ['0.0.0', 'warning'],
  ])('gemma3n on %s: %s', async (version, status) => {
    expect(await check('model-support', { server: server(version), subject })).toMatchObject({ status });
  });
  test('a model that was not named is not judged', async () => {
    const unnamed = async () => ({ ...(await subject()), named: false });
    expect(await check('model-support', { subject: unnamed })).toMatchObject({ status: 'skipped' });
  });
});

describe('loaded-models', () => {
  test('none, some, one that is never unloaded', async () => {
    expect(await check('loaded-models')).toMatchObject({ status: 'ok', detail: 'No model is in memory.' });
    const soon = new Date(NOW + 300_000).toISOString();
    const model = { name: 'a:b', size: 2 * GIB, size_vram: GIB, expires_at: soon };
    expect(await check('loaded-models', { get: ps(model) })).toMatchObject({
      status: 'ok',
      detail: 'In memory: a:b with 2.00 GiB, 1.00 GiB of it on GPUs.',
    });
    expect(await check('loaded-models', { get: ps({ ...model, expires_at: '2319-03-06T07:29:10Z' }) })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('a:b is never unloaded automatically'),
      remedy: expect.stringContaining('ollama stop a:b'),
    });
  });
  test('little free memory is a warning', async () => {
    const profile = async () => ({ ...PROFILE, memory: { ...PROFILE.memory, usable: GIB } });
    expect(await check('loaded-models', { get: ps({ name: 'a', size: GIB }), profile })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('1.00 GiB of memory are free, gemma-3n-e4b needs 3.00 GiB'),
    });
    const withCard = async () => ({ ...(await profile()), gpus: [RTX] });
    expect(await check('loaded-models', { get: ps({ name: 'a' }), profile: withCard })).toMatchObject({ status: 'ok' });
  });
  test.each([
    ['no JSON', { status: 200, text: '<html>' }, 'not JSON'],
    ['another form', json({ models: [{ name: 7 }] }), 'models.0.name'],
    ['an error', { status: 404, text: '404 page not found' }, 'HTTP 404'],
    ['a connection that breaks', errno('ECONNRESET'), 'ECONNRESET'],
    ['too much', new Error('an answer of more than 8 MiB'), 'more than 8 MiB'],
  ])('%s', async (_what, answer, word) => {
    expect(await check('loaded-models', { get: answers({ '/api/ps': answer }) })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining(word),
    });
  });
  test('a list that is null is an empty one', async () => {
    expect(await check('loaded-models', { get: answers({ '/api/ps': json({ models: null }) }) })).toMatchObject({
      status: 'ok',
    });
  });
});

describe('staging', () => {
  test('remains are named', async () => {
    const models = [{ name: 'gemma:7b' }, { name: 'gemma-provision-staging:tiny-q4-k-m' }];
    expect(await check('staging', { get: answers({ '/api/tags': json({ models }) }) })).toMatchObject({
      status: 'warning',
      remedy: expect.stringContaining('ollama rm gemma-provision-staging:tiny-q4-k-m'),
    });
    expect(await check('staging')).toMatchObject({ status: 'ok' });
    expect(await check('staging', { get: answers({}) })).toMatchObject({ status: 'warning' });
  });
});

describe('gpu', () => {
  const card = async () => ({ ...PROFILE, gpus: [RTX] });
  test('none is fine', async () => {
    expect(await check('gpu')).toMatchObject({ status: 'ok' });
  });
  test.each([
    ['all of it on the GPU', { size: 10, size_vram: 10 }, 'ok'],
    ['a part of it', { size: 10, size_vram: 4 }, 'warning'],
    ['nothing of it', { size: 10, size_vram: 0 }, 'warning'],
    ['a server that does not report it', { size: 10 }, 'skipped'],
  ])('a model with %s: %s', async (_what, model, status) => {
    expect(await check('gpu', { profile: card, get: ps({ name: 'a', ...model }) })).toMatchObject({ status });
  });
  test('no model loaded: unknown, unless the build has no libraries for it', async () => {
    expect(await check('gpu', { profile: card })).toMatchObject({ status: 'skipped' });
    const build = (names: string[]) => fakeFiles({ ...processEntries('A=b\0'), '/opt/ollama/lib/ollama': { names } });
    expect(await check('gpu', { profile: card, disk: build(['libggml-cpu.so', 'llama-server']) })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('no GPU libraries'),
    });
    expect(await check('gpu', { profile: card, disk: build(['libggml-cpu.so', 'cuda_v12']) })).toMatchObject({
      status: 'skipped',
    });
    expect(await check('gpu', { profile: card, server: server('0.5.13'), disk: build(['runners']) })).toMatchObject({
      status: 'skipped',
    });
  });
  test('an integrated GPU is ignored since 0.30', async () => {
    const profile = async () => ({ ...PROFILE, gpus: [RADEON] });
    expect(await check('gpu', { profile })).toMatchObject({
      status: 'warning',
      remedy: expect.stringContaining('OLLAMA_IGPU_ENABLE=1'),
    });
    expect(await check('gpu', { profile, server: server('0.24.0') })).toMatchObject({ status: 'ok' });
    const enabled = fakeFiles(processEntries('OLLAMA_IGPU_ENABLE=true\0'));
    expect(await check('gpu', { profile, disk: enabled })).toMatchObject({ status: 'skipped' });
    expect(await check('gpu', { profile, disk: enabled, get: ps({ name: 'a', size: 1, size_vram: 0 }) })).toMatchObject(
      {
        status: 'warning',
        detail: expect.stringContaining('Radeon 780M is available, but a runs only on the processor.'),
      },
    );
    expect(await check('gpu', { profile, get: ps({ name: 'a', size: 1, size_vram: 1 }) })).toMatchObject({
      status: 'ok',
    });
  });
  test('the embedded runtime with its GPU switched off', async () => {
    const env = { GEMMA_PROVISION_GPU: 'off' };
    expect(await check('gpu', { profile: card, wanted: embeddedOnly, env })).toMatchObject({ status: 'warning' });
    expect(await check('gpu', { profile: card, wanted: embeddedOnly })).toMatchObject({ status: 'skipped' });
  });
  test('a profile that cannot be made is a warning', async () => {
    expect(await check('gpu', { profile: hang }, 50)).toMatchObject({ status: 'warning' });
  });
});

describe('context', () => {
  const withVram = (gib: number) => async () => ({ ...PROFILE, gpus: [{ ...RTX, vramTotal: gib * GIB }] });
  test.each([
    ['0.5.4', 8, 'warning', '2048 tokens'],
    ['0.10.0', 24, 'ok', '4096 tokens'],
    ['0.24.0', 12, 'ok', '4096 tokens'],
    ['0.24.0', 24, 'warning', '32768 tokens, since its GPUs have 24 GiB'],
    ['0.24.0', 48, 'warning', '262144 tokens'],
  ])('%s with %d GiB of VRAM: %s', async (version, gib, status, words) => {
    expect(await check('context', { server: server(version), profile: withVram(gib) })).toMatchObject({
      status,
      detail: expect.stringContaining(words),
    });
  });
  const setTo = (value: string) => fakeFiles(processEntries(`OLLAMA_CONTEXT_LENGTH=${value}\0`));
  test.each([
    ['8192', 'ok', 'get 8192 tokens'],
    ['"8192"', 'ok', 'get 8192 tokens'],
    ['131072', 'warning', 'memory for 131072 tokens'],
    ['32k', 'warning', 'not a number'],
    ['0', 'ok', '4096 tokens'],
    ['', 'ok', '4096 tokens'],
  ])('OLLAMA_CONTEXT_LENGTH=%s of the server: %s', async (value, status, words) => {
    expect(await check('context', { disk: setTo(value) })).toMatchObject({
      status,
      detail: expect.stringContaining(words),
    });
  });
  test('a variable here may not reach the server', async () => {
    const env = { OLLAMA_CONTEXT_LENGTH: '65536' };
    expect(await check('context', { env, disk: fakeFiles({}) })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('here (the server has its own environment)'),
    });
    expect(await check('context', { env })).toMatchObject({ status: 'ok' });
  });
  test('of a server elsewhere only the least is known', async () => {
    const far = server('0.24.0', { endpoint: 'http://gpu.example:11434', loopback: false });
    expect(await check('context', { server: far })).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining('or more'),
    });
  });
});

describe('embedded', () => {
  const broken = {
    ...noEngine,
    version: async () => '3.22.1',
    tryOut: async () => {
      throw new ProvisionError('runtime-died', 'The embedded runtime died (signal SIGILL).', {
        suggestions: ['Again.'],
      });
    },
  };
  test('is tried out only where an install would use it', async () => {
    expect(await check('embedded', { embedded: broken })).toMatchObject({ status: 'ok' });
    expect(await check('embedded', { embedded: broken, server: server(UNREACHABLE) })).toMatchObject({
      status: 'problem',
      detail: expect.stringContaining('SIGILL'),
      remedy: 'Again.',
    });
    expect(await check('embedded', { wanted: embeddedOnly })).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining('answers'),
    });
  });
  test('missing is a problem only where it is needed', async () => {
    expect(await check('embedded', { embedded: noEngine })).toMatchObject({ status: 'skipped' });
    expect(await check('embedded', { embedded: noEngine, wanted: serverOnly })).toMatchObject({ status: 'skipped' });
    expect(await check('embedded', { embedded: noEngine, wanted: embeddedOnly })).toMatchObject({ status: 'problem' });
  });
  test('one that hangs is a warning', async () => {
    const hanging = { ...noEngine, version: async () => '3.22.1', tryOut: hang };
    expect(await check('embedded', { embedded: hanging, wanted: embeddedOnly }, 50)).toMatchObject({
      status: 'warning',
    });
  });
});
