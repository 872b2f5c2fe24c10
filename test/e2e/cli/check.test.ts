/** `check` as scripts call it: the built program, against servers of every age that answer as the recorded ones did. */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CheckData } from '../../../src/provision/check/check.ts';
import { type Home, makeHome, Q4, ROOT, within } from '../../helpers/cli.ts';
import { type FakeOllama, fakeOllama, hang, refuse, type Trick } from '../../helpers/fake-ollama.ts';
import { loadTranscript, type Recorded } from '../../helpers/transcripts.ts';

const MODEL = 'gemma-3n-e4b:q5_k_m';
let home: Home;
let ollama: FakeOllama;
beforeEach(async () => {
  home = makeHome();
  await serving('0.24.0');
});
afterEach(async () => {
  await ollama.close();
  home.remove();
});

/** A fake that calls itself `word` and answers the probes as a recorded server did. */
async function serving(word: string, as: Recorded = '0.24.0'): Promise<void> {
  await ollama?.close();
  ollama = await fakeOllama(word);
  ollama.trick = behaving(as);
}

function behaving(as: Recorded): Trick {
  const { exchange } = loadTranscript(as, 'http://127.0.0.1');
  const answers = new Map([
    ['POST /api/create', exchange('create.nothing').response],
    ['GET /api/create', exchange('version.wrong-method').response],
    ['GET /api/ps', exchange('ps').response],
  ]);
  return (response, path) => {
    const recorded = answers.get(path);
    if (recorded === undefined) return false;
    response.writeHead(recorded.status ?? 500, { 'content-type': recorded.headers['Content-Type'] ?? '' });
    response.end(recorded.body);
    return true;
  };
}

const check = (...args: string[]) => home.json('check', [...args, '--host', ollama.host]);

describe('the answer for every age of server', () => {
  test.each([
    // What it calls itself, how it behaves, exit code, a warning about its word.
    ['0.1.33', '0.5.4', 4, 'older than'],
    ['0.1.34', '0.5.4', 4, undefined],
    ['0.5.4', '0.5.4', 4, undefined],
    ['0.5.13', '0.5.13', 4, undefined],
    ['0.6.5', '0.5.13', 4, undefined],
    ['0.9.2', '0.9.6', 4, undefined],
    ['0.9.3', '0.9.6', 0, undefined],
    ['0.9.6', '0.9.6', 0, undefined],
    ['0.10.0', '0.10.0', 0, undefined],
    ['0.24.0', '0.24.0', 0, undefined],
    ['0.30.0', '0.33.0-rc2', 0, undefined],
    ['0.33.0-rc2', '0.33.0-rc2', 0, undefined],
    ['0.99.0', '0.33.0-rc2', 0, 'newer than'],
    ['0.99.0', '0.5.13', 4, 'treated as'],
    ['0.0.0', '0.24.0', 0, 'its version is not known'],
    ['0.0.0', '0.5.4', 4, 'treated as'],
    ['0.24.0-fork', '0.24.0', 0, 'custom build'],
    ['0.6.5-fork', '0.5.13', 4, 'custom build'],
    ['a rubbish word', '0.33.0-rc2', 0, 'its version is not known'],
    ['a rubbish word', '0.5.13', 4, 'treated as'],
  ] as const)('%s that behaves like %s: exit %i', async (word, as, code, warning) => {
    await serving(word, as);
    const answer = await check(MODEL);
    expect(answer).toMatchObject({ code, ok: code === 0, command: 'check', stderr: '' });
    expect(answer.data).toMatchObject({
      server: { version: word, endpoint: `http://${ollama.host}` },
      target: { model: 'gemma-3n-e4b', architecture: 'gemma3n', quant: 'q5_k_m' },
      supported: code === 0,
    });
    expect(answer.warnings).toEqual(warning === undefined ? [] : [expect.stringContaining(warning)]);
    const blocked = answer.data?.verdicts.filter(({ ok, blocking }) => blocking && !ok) ?? [];
    expect(blocked.length > 0).toBe(code === 4);
    for (const verdict of blocked) {
      expect(verdict.since).toMatch(/^0\.\d+\.\d+$/);
      expect(verdict.remedy).toMatch(/^Upgrade Ollama to .* or install with --runtime embedded/);
    }
  });

  test("the card and the engine: between 0.9.3 and 0.10.0 only one's own file does it", async () => {
    await serving('0.9.6', '0.9.6');
    const { data } = await check(MODEL);
    const library = data?.verdicts.find(({ id }) => id === 'library.gemma3n');
    expect(library).toMatchObject({ ok: false, blocking: false, since: '0.10.0' });
    expect(library?.remedy).toContain('--from');
  });
});

describe('what a server is asked', () => {
  const asked = () => [...ollama.requests].sort();

  test('of a version that is known: two questions, and nothing that is not a GET', async () => {
    await check(MODEL);
    expect(asked()).toEqual(['GET /api/tags', 'GET /api/version']);
  });

  test('of another: the probes, each once', async () => {
    await serving('0.0.0');
    const { data } = await check(MODEL);
    expect(asked()).toEqual([
      'GET /api/create',
      'GET /api/ps',
      'GET /api/tags',
      'GET /api/version',
      'POST /api/create',
    ]);
    const probes = data?.verdicts.filter(({ id }) => id.startsWith('probe.')) ?? [];
    expect(probes.map(({ id, ok }) => `${id} ${ok}`)).toEqual([
      'probe.ps true',
      'probe.method true',
      'probe.create true',
    ]);
    expect(probes.at(-1)?.reason).toContain('gemma3n came with 0.9.3');
  });

  test('of none with --server-version', async () => {
    const { code, data } = await check(MODEL, '--server-version', '0.6.5');
    expect([code, data?.supported, data?.server]).toEqual([4, false, { version: '0.6.5', endpoint: 'not asked' }]);
    expect(ollama.requests).toEqual([]);
  });

  test.each(['rubbish', '0.0.0', '', '-1', '9'])(
    '--server-version %j is refused before anything else',
    async (word) => {
      const answer = await check(MODEL, `--server-version=${word}`);
      expect(answer).toMatchObject({ code: 2, ok: false, error: { code: 'bad-usage' } });
      expect(ollama.requests).toEqual([]);
    },
  );

  test('a proxy that forbids the probes and the list changes no answer', async () => {
    await serving('0.0.0');
    ollama.trick = (response, path) => path !== 'GET /api/version' && Boolean(response.writeHead(403).end());
    const { code, data } = await check(MODEL);
    expect(code).toBe(0);
    expect(data).not.toHaveProperty('installed');
    expect(data?.verdicts.filter(({ id }) => id.startsWith('probe.'))).toEqual([]);
  });
});

describe('what is installed already', () => {
  const named = (name: string) =>
    ollama.models.set(name, { blob: 'sha256:1', template: '', parameters: {}, license: '', digest: 'a' });

  test('under the name of model and quant, and nothing else', async () => {
    for (const name of [MODEL, 'gemma-3n-e4b:q4_k_m', 'gemma-3n-e4b-x:q5_k_m', 'gemma3n:e4b']) named(name);
    expect((await check(MODEL)).data?.installed).toEqual([MODEL]);
    expect((await check('gemma-3n-e4b')).data?.installed).toEqual([MODEL, 'gemma-3n-e4b:q4_k_m', 'gemma3n:e4b']);
    expect((await home.run(['check', MODEL, '--host', ollama.host])).stdout).toContain(`Installed already: ${MODEL}`);
  });

  test('none where there is none, and no word of it without a model', async () => {
    expect((await check(MODEL)).data?.installed).toEqual([]);
    expect((await check()).data).not.toHaveProperty('installed');
  });
});

describe('a server that is no help', () => {
  test.each([
    ['a web page', 200, '<!doctype html><html><body>It works!</body></html>'],
    ['another JSON', 200, '{"hello":"world"}'],
    ['a list', 200, '["0.24.0"]'],
    ['an empty version', 200, '{"version":""}'],
    ['a number for a version', 200, '{"version":24}'],
    ['a version of a page', 200, JSON.stringify({ version: 'x'.repeat(5000) })],
    ['nothing', 200, ''],
    ['a 404', 404, 'not here'],
  ])('%s is exit 13', async (_what, status, body) => {
    ollama.trick = refuse('GET /api/version', status, body);
    const answer = await check(MODEL);
    expect(answer).toMatchObject({ code: 13, ok: false, error: { code: 'runtime-not-ollama', exitCode: 13 } });
    expect(answer.error.message.length).toBeLessThan(600);
  });

  test('a gateway without its server is exit 13, a password prompt 14', async () => {
    ollama.trick = refuse('GET /api/version', 502, '<html>Bad Gateway</html>');
    expect(await check(MODEL)).toMatchObject({ code: 13, error: { code: 'runtime-refused' } });
    ollama.trick = refuse('GET /api/version', 401, 'who are you');
    expect(await check(MODEL)).toMatchObject({ code: 14, error: { code: 'unauthorised' } });
  });

  test('a closed port', async () => {
    const answer = await home.json('check', [MODEL, '--host', '127.0.0.1:1']);
    expect(answer).toMatchObject({ code: 13, error: { code: 'runtime-unreachable' } });
    expect(answer.error.suggestions.join(' ')).toContain('ollama serve');
    const text = await home.run(['check', MODEL, '--host', '127.0.0.1:1']);
    expect(text).toMatchObject({ code: 13, stdout: '' });
    expect(text.stderr).toContain('No Ollama server answers at http://127.0.0.1:1');
  });

  test.each(['GET /api/version', 'GET /api/tags'])('one that hangs at %s takes the time it is given', async (path) => {
    ollama.trick = hang(path);
    const answer = await within(8000, check(MODEL, '--timeout', '1'));
    const expected = path.endsWith('tags') ? { code: 0 } : { code: 13, error: { code: 'runtime-timeout' } };
    expect(answer).toMatchObject(expected);
  });

  test('something else that also hangs is not waited for', async () => {
    ollama.trick = async (response, path, body) =>
      (await hang('GET /api/tags')(response, path, body)) ||
      refuse('GET /api/version', 404, 'not here')(response, path, body);
    expect(await within(5000, check(MODEL))).toMatchObject({ code: 13, error: { code: 'runtime-not-ollama' } });
  });

  test('one without TLS that is asked for it, and a host that is none', async () => {
    const secure = await home.json('check', [MODEL, '--host', `https://${ollama.host}`]);
    expect(secure).toMatchObject({ code: 13, error: { code: 'runtime-not-ollama' } });
    expect(await home.json('check', [MODEL, '--host', 'ftp://x'])).toMatchObject({ code: 2 });
  });

  test('one that never ends its answer', async () => {
    ollama.trick = (response, path) => {
      if (path !== 'GET /api/version') return false;
      response.writeHead(200);
      const drip = setInterval(() => response.write(' '), 100);
      response.once('close', () => clearInterval(drip));
      return true;
    };
    const answer = await within(8000, check(MODEL, '--timeout', '1'));
    expect(answer).toMatchObject({ code: 13, error: { code: 'runtime-timeout' } });
  });

  test.each(['0', '-1', '1.5', 'soon', '3601'])('--timeout %s is refused', async (seconds) => {
    expect(await check(MODEL, `--timeout=${seconds}`)).toMatchObject({ code: 2, error: { code: 'bad-usage' } });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends the wait', async (signal, code) => {
    ollama.trick = hang('GET /api/version');
    const { child, ended } = home.start(['check', MODEL, '--host', ollama.host, '--json']);
    await expect.poll(() => ollama.count('GET /api/version'), { timeout: 10_000 }).toBe(1);
    child.kill(signal);
    expect((await within(3000, ended)).code).toBe(code);
  });
});

describe('what is asked about', () => {
  test.each([
    ['gemma-3n-e4', 'model-not-found', 'gemma-3n-e4b'],
    ['gemma-3n-e4b:q5km', 'quant-not-found', 'q5_k_m'],
  ])('%s gets the nearest match, and no server is asked', async (typed, code, near) => {
    const answer = await check(typed);
    expect(answer).toMatchObject({ code: 3, error: { code } });
    expect(answer.error.suggestions.join(' ')).toContain(near);
    expect(ollama.requests).toEqual([]);
  });

  test('a mistyped flag gets one too', async () => {
    const answer = await check(MODEL, '--server-versio', '0.24.0');
    expect(answer).toMatchObject({ code: 2, command: 'check', error: { code: 'bad-usage' } });
    expect(answer.error.suggestions.join(' ')).toContain('--server-version');
  });

  test('a file: its header says what it needs', async () => {
    const { code, data } = await check('--from', Q4);
    expect(code).toBe(0);
    expect(data?.target).toEqual({ file: Q4, architecture: 'gemma3n', quant: 'q4_k_m' });
    await serving('0.6.5');
    expect(await check('--from', Q4)).toMatchObject({ code: 4 });
  });

  test('a file as a model or a family', async () => {
    expect((await check('tiny-gemma-3n', '--from', Q4)).data?.target?.model).toBe('tiny-gemma-3n');
    const family = await check('--from', Q4, '--family', 'gemma-3n');
    expect(family.data?.verdicts.map(({ id }) => id)).toContain('option.num_ctx');
    expect(await check(MODEL, '--from', Q4)).toMatchObject({ code: 16, error: { code: 'wrong-architecture' } });
  });

  test('a file that is none, not there, or not here', async () => {
    expect(await check('--from', join(ROOT, 'package.json'))).toMatchObject({ code: 16, error: { code: 'bad-gguf' } });
    expect(await check('--from', './nowhere.gguf')).toMatchObject({ code: 3 });
    expect(await check('--from', 'ollama:gemma3n:e4b')).toMatchObject({ code: 2 });
    expect(ollama.requests).toEqual([]);
  });

  test('a family without a model, but not both', async () => {
    expect((await check('--family', 'gemma-3n')).data?.target).toEqual({ family: 'gemma-3n', architecture: 'gemma3n' });
    expect(await check('--family', 'gemma-3m')).toMatchObject({ code: 3 });
    expect(await check(MODEL, '--family', 'gemma-3n')).toMatchObject({ code: 2 });
  });

  test('the server alone', async () => {
    const { code, data } = await check();
    expect([code, data?.supported]).toEqual([0, true]);
    expect(data).not.toHaveProperty('target');
    await serving('0.1.20');
    expect((await check()).code).toBe(4);
  });
});

describe("the user's own files", () => {
  const write = (name: string, value: unknown) => {
    const path = join(home.path, 'config', name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, JSON.stringify(value));
    return path;
  };

  test('settings name the host; the flag and the environment win over them', async () => {
    write('config.json', { host: ollama.host });
    expect((await home.json('check', [MODEL])).data?.server.version).toBe('0.24.0');
    const closed = { env: { GEMMA_PROVISION_HOST: '127.0.0.1:1' } };
    expect((await home.json('check', [MODEL], closed)).code).toBe(13);
    expect((await home.json('check', [MODEL, '--host', ollama.host], closed)).code).toBe(0);
  });

  test('the long way gives the answer of the short one', async () => {
    const short = await check(MODEL);
    write('config.json', {});
    const long = await check(MODEL);
    expect(long).toEqual(short);
  });

  test('a model of a catalog file, by its folder and by its flag', async () => {
    const card = { temperature: 1, top_p: 0.95, top_k: 64, min_p: 0.01, source: 'mine' };
    const path = write('mine.json', { schemaVersion: 1, id: 'gemma-3n', profiles: { card } });
    const option = { id: 'option.min_p', ok: true };
    expect((await check(MODEL)).data?.verdicts).not.toContainEqual(expect.objectContaining(option));
    expect((await check(MODEL, '--catalog', path)).data?.verdicts).toContainEqual(expect.objectContaining(option));
    write('catalog/mine.json', { schemaVersion: 1, id: 'gemma-3n', profiles: { card } });
    expect((await check(MODEL)).data?.verdicts).toContainEqual(expect.objectContaining(option));
    write('catalog/mine.json', { schemaVersion: 1, id: 'gemma-3n', titel: 'x' });
    const broken = await check(MODEL);
    expect(broken).toMatchObject({ code: 16, error: { code: 'bad-catalog' } });
  });
});

describe('as a rollout script calls it', () => {
  test('stderr has nothing, stdout one table; --quiet silences the warning', async () => {
    const good = await home.run(['check', MODEL, '--host', ollama.host]);
    expect(good).toMatchObject({ code: 0, stderr: '' });
    expect(good.stdout.match(/REASON/g)).toHaveLength(1);
    await serving('0.99.0');
    expect((await home.run(['check', MODEL, '--host', ollama.host])).stderr).toMatch(/^Warning: .*newer than/);
    expect((await home.run(['check', MODEL, '--host', ollama.host, '--quiet'])).stderr).toBe('');
  });

  test('it leaves the list of hosts on stdin to its caller', async () => {
    const run = join(ROOT, 'bin/run.js');
    const script = `while read -r host; do "${process.execPath}" "${run}" check --host "$host" --json >/dev/null; echo "$host $?"; done`;
    const child = spawn('sh', ['-c', script], { env: { ...process.env, GEMMA_PROVISION_HOME: home.path } });
    child.stdin.end(`${ollama.host}\n127.0.0.1:1\n${ollama.host}\n`);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    await new Promise((resolve) => child.once('close', resolve));
    expect(output).toBe(`${ollama.host} 0\n127.0.0.1:1 13\n${ollama.host} 0\n`);
  });

  test('its JSON follows its schema in the main program too', async () => {
    const { code, stdout } = await home.run(['check', '--no-color', MODEL, '--json', '--host', ollama.host, '-v']);
    expect(code).toBe(0);
    expect(CheckData.safeParse(JSON.parse(stdout).data).success).toBe(true);
  });

  test('the environment may ask for JSON', async () => {
    const env = { GEMMA_PROVISION_CONTENT_TYPE: 'json' };
    expect(JSON.parse((await home.run(['check', '--host', ollama.host], { env })).stdout).ok).toBe(true);
  });
});
