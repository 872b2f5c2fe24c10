/** What is asked of this machine and of the tool's own folders and settings. */
import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../src/core/errors.ts';
import { MIB } from '../../../src/core/units.ts';
import { putRecord } from '../../../src/registry/index.ts';
import { memoryRegistry, recordOf } from '../registry/support.ts';
import { answers, check, type Entry, errno, fakeFiles, json, NOW, server, UNREACHABLE } from './fakes.ts';

describe('node', () => {
  test.each([
    ['22.19.0', 'problem'],
    ['20.20.2', 'problem'],
    ['22.20.0', 'ok'],
    ['24.21.0', 'ok'],
    ['23.11.0', 'warning'],
    ['30.0.0', 'ok'],
  ])('%s: %s', async (nodeVersion, status) => {
    expect(await check('node', { nodeVersion })).toMatchObject({ status });
  });
  test('the end of its life is a date', async () => {
    expect(await check('node', { nodeVersion: '22.20.0', now: () => Date.parse('2027-06-01') })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('2027-04-30'),
    });
  });
});

describe('clock', () => {
  const date = (text: string) => ({ get: answers({ '/api/version': json({}, text) }) });
  test.each([
    ['Tue, 01 Dec 2026 12:00:01 GMT', 'ok', 'the same as'],
    ['Tue, 01 Dec 2026 14:00:00 GMT', 'warning', '2 h 0 m ahead of'],
    ['Tue, 01 Dec 2026 11:00:00 GMT', 'warning', '1 h 0 m behind'],
    ['yesterday', 'ok', 'no server to compare'],
  ])('a server that says %s: %s', async (text, status, words) => {
    expect(await check('clock', date(text))).toMatchObject({ status, detail: expect.stringContaining(words) });
  });
  test('before this tool existed, and before it was installed', async () => {
    expect(await check('clock', { now: () => 0 })).toMatchObject({
      status: 'problem',
      detail: expect.stringContaining('1970'),
    });
    const disk = fakeFiles({ '/opt/tool/package.json': { names: [], modifiedMs: NOW + 3 * 86_400_000 } });
    expect(await check('clock', { disk })).toMatchObject({ status: 'warning' });
  });
  test('no server, no comparison', async () => {
    expect(await check('clock', { get: answers({}) })).toMatchObject({ status: 'ok' });
    expect(await check('clock', { server: UNREACHABLE })).toMatchObject({ status: 'ok' });
  });
});

describe.each(['data', 'cache'])('%s-folder', (purpose) => {
  const run = (entry: Entry) => check(`${purpose}-folder`, { disk: fakeFiles({ [`/home/anna/${purpose}`]: entry }) });
  test.each<[string, Entry, string, string]>([
    ['in order', { names: [] }, 'ok', 'free'],
    ['closed', { names: [], write: errno('EACCES') }, 'problem', 'permission denied'],
    ['read-only', { names: [], write: errno('EROFS') }, 'problem', 'read-only'],
    ['over its quota', { names: [], write: errno('EDQUOT') }, 'problem', 'quota'],
    ['full', { names: [], free: 1000 }, 'problem', 'full'],
    ['nearly full', { names: [], free: 50 * MIB }, 'warning', 'nearly full'],
    ['a file', { text: '' }, 'problem', 'is not a folder'],
    ['closed above', errno('EACCES'), 'problem', 'permission denied'],
  ])('%s', async (_what, entry, status, words) => {
    expect(await run(entry)).toMatchObject({ status, detail: expect.stringContaining(words) });
  });
});

test('data-folder: a subfolder that a run as another user left counts', async () => {
  const disk = fakeFiles({ '/home/anna/data/locks': { names: [], write: errno('EACCES') } });
  expect(await check('data-folder', { disk })).toMatchObject({
    status: 'problem',
    detail: expect.stringContaining('/home/anna/data/locks'),
    remedy: expect.stringContaining('chown'),
  });
});

test('data-folder: one that has to be made below a closed folder: advice that works there', async () => {
  const disk = fakeFiles({ '/home/anna': { names: [], write: errno('EACCES') } });
  expect(await check('data-folder', { disk })).toMatchObject({
    status: 'problem',
    remedy: expect.stringMatching(
      /^Create it for this user: sudo install -d -o "\$USER" \/home\/anna\/data\. Or set GEMMA/,
    ),
  });
});

test('data-folder: a file system without a size, such as /proc, is not a full disk', async () => {
  const disk = { ...fakeFiles({}), space: async () => ({ free: 0, total: 0 }) };
  expect(await check('data-folder', { disk })).toMatchObject({
    status: 'warning',
    detail: expect.stringContaining('reports no size'),
    remedy: expect.stringContaining('GEMMA_PROVISION_HOME'),
  });
});

describe('config-folder', () => {
  test.each<[string, Record<string, Entry>, string]>([
    ['absent', {}, 'ok'],
    ['with settings', { '/home/anna/config': { names: ['config.json'] } }, 'ok'],
    ['closed', { '/home/anna/config': { names: [], write: errno('EACCES') } }, 'warning'],
  ])('%s', async (_what, entries, status) => {
    expect(await check('config-folder', { disk: fakeFiles(entries) })).toMatchObject({ status });
  });
});

describe('catalog', () => {
  test('one wrong file stops every install', async () => {
    const catalog = async () => {
      throw new ProvisionError('bad-catalog', 'my.json is not valid', { suggestions: ['Mend it.'] });
    };
    expect(await check('catalog', { catalog })).toMatchObject({ status: 'problem', remedy: 'Mend it.' });
    expect(await check('catalog')).toMatchObject({ status: 'ok' });
  });
  test('checks that need it say why they cannot', async () => {
    const subject = async () => {
      throw new ProvisionError('bad-catalog', 'my.json is not valid');
    };
    expect(await check('disk-space', { subject })).toMatchObject({
      status: 'warning',
      detail: 'Could not be checked: my.json is not valid',
    });
  });
});

describe('records', () => {
  const tags = (...names: string[]) => answers({ '/api/tags': json({ models: names.map((name) => ({ name })) }) });
  test('what the server still holds is fine, under any spelling', async () => {
    const registry = memoryRegistry();
    await putRecord(registry, recordOf('tiny:latest'));
    expect(await check('records', { registry, get: tags('tiny:latest') })).toMatchObject({
      status: 'ok',
      detail: '1 model is recorded.',
    });
  });
  test('a lost model is reported; a runtime that cannot be asked is not judged', async () => {
    const registry = memoryRegistry();
    await putRecord(registry, recordOf('tiny:q4'));
    expect(await check('records', { registry, get: tags('other:q4') })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('tiny:q4 is recorded, but ollama no longer has it.'),
    });
    expect(await check('records', { registry, get: answers({}) })).toMatchObject({ status: 'ok' });
    const elsewhere = server('0.24.0', { endpoint: 'http://other:11434', loopback: false });
    expect(await check('records', { registry, get: tags(), server: elsewhere })).toMatchObject({ status: 'ok' });
  });
  test('a broken and a damaged one', async () => {
    const registry = memoryRegistry();
    registry.write('/data/registry/broken.json', '{');
    const runtime = { kind: 'embedded', version: '3', endpoint: 'embedded' } as const;
    await putRecord(registry, recordOf('tiny:q2', { runtime }));
    const embedded = {
      version: async () => '3',
      tryOut: async () => undefined,
      has: async () => {
        throw new ProvisionError('needs-repair', 'its manifest is not valid');
      },
    };
    expect(await check('records', { registry, embedded })).toMatchObject({
      status: 'warning',
      detail: expect.stringMatching(/broken\.json is not JSON.*tiny:q2 is recorded, but damaged: its manifest/s),
      remedy: expect.stringContaining('remove tiny:q2 --runtime embedded'),
    });
  });
});

describe('locks', () => {
  const at = (modifiedMs: number, holder?: string) =>
    fakeFiles({
      '/home/anna/data/locks': { names: ['a.1.lock'] },
      '/home/anna/data/locks/a.1.lock': { text: holder ?? '', modifiedMs },
    });
  const since = '2026-12-01T11:00:00.000Z';
  const holder = JSON.stringify({ pid: 12, place: 'here', command: 'install tiny', since, token: 'x' });
  test('none, one that is held, one of a dead run', async () => {
    expect(await check('locks')).toMatchObject({ status: 'ok' });
    expect(await check('locks', { disk: at(NOW - 1000, 'released\n') })).toMatchObject({ status: 'ok' });
    expect(await check('locks', { disk: at(NOW - 1000, holder) })).toMatchObject({
      status: 'warning',
      detail: expect.stringMatching(/^gemma-provision install tiny \(process 12\) holds a lock; .*exit code 15\.$/),
    });
    expect(await check('locks', { disk: at(NOW - 3_600_000, '{') })).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('An unknown run died 1 h 0 m ago'),
    });
  });
  test('a folder that cannot be read is a warning', async () => {
    const disk = fakeFiles({ '/home/anna/data/locks': errno('EACCES') });
    expect(await check('locks', { disk })).toMatchObject({ status: 'warning' });
  });
});

describe('settings', () => {
  const base = { flags: {}, env: {}, file: {}, filePath: '/c/config.json' };
  test('defaults, and which source overruled which', async () => {
    expect(await check('settings')).toMatchObject({ status: 'ok', detail: 'All settings have their defaults.' });
    const configuration = { ...base, flags: { host: 'a:1' }, env: { OLLAMA_HOST: 'b:2' }, file: { host: 'c:3' } };
    expect(await check('settings', { configuration })).toMatchObject({
      detail: 'host is a:1 (--host, over /c/config.json and OLLAMA_HOST); all others have their defaults.',
    });
  });
  test('a variable that means nothing gets the nearest one that does', async () => {
    const configuration = { ...base, env: { GEMMA_PROVISION_HOSTS: 'x' } };
    expect(await check('settings', { configuration })).toMatchObject({
      status: 'warning',
      remedy: 'Did you mean GEMMA_PROVISION_HOST instead of GEMMA_PROVISION_HOSTS?',
    });
  });
  test('a file that cannot be used stops every other command', async () => {
    const invalid = new ProvisionError('bad-configuration', 'config.json is not JSON', { suggestions: ['Mend it.'] });
    expect(await check('settings', { configuration: { ...base, fault: invalid } })).toMatchObject({
      status: 'problem',
      remedy: 'Mend it.',
      detail: expect.stringMatching(/^config\.json is not JSON\. /),
    });
    const listed = new ProvisionError('bad-configuration', 'config.json is not valid:\n  host: is wrong\n  a: unknown');
    expect(await check('settings', { configuration: { ...base, fault: listed } })).toMatchObject({
      detail: expect.stringMatching(/^config\.json is not valid: host: is wrong; a: unknown\. /),
    });
    expect(await check('settings', { configuration: { ...base, fault: errno('EACCES') } })).toMatchObject({
      status: 'problem',
      detail: expect.stringContaining('permission denied'),
    });
  });
});
