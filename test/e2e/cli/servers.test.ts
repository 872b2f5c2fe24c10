/** The install against servers that are missing, wrong, or misbehave; the fake keeps the protocol of 0.24. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Home, within } from '../../helpers/cli.ts';
import { type FakeOllama, fakeOllama, hang, refuse } from '../../helpers/fake-ollama.ts';
import { homeWithOllama } from '../../helpers/home-with-ollama.ts';
import { TINY_DIGEST } from '../../helpers/plans.ts';

const NAME = 'tiny-gemma-3n:q4_k_m';
let home: Home;
let ollama: FakeOllama;
beforeEach(async () => {
  const setup = await homeWithOllama();
  ({ home, ollama } = setup);
  return setup.remove;
});

function install(...args: string[]) {
  return home.json('install', ['tiny-gemma-3n', '--host', ollama.host, ...args]);
}

async function recorded(): Promise<string[]> {
  return (await home.json('list', [])).data?.records.map(({ name }) => name) ?? [];
}

test('installs into Ollama, moves nothing the second time, talks and removes', async () => {
  const first = await install();
  expect(first).toMatchObject({ code: 0, data: { changed: true, bytesMoved: 3_999_936 } });
  // The server stored exactly what was sent: the only thing to warn of is its version.
  expect(first.warnings).toEqual([expect.stringContaining('fixed in Ollama 0.31.2')]);
  expect([...ollama.models.keys()]).toEqual([NAME]);
  expect(await install()).toMatchObject({ code: 0, data: { changed: false, bytesMoved: 0 } });
  expect(ollama.count('POST /api/blobs')).toBe(1);
  expect((await home.json('run', [NAME, 'Who are you?'])).data?.response).toContain('tiny Gemma 3n');
  expect(await home.json('remove', [NAME])).toMatchObject({ code: 0, data: { removedFromRuntime: true } });
  expect([...ollama.models]).toEqual([]);
});

describe('row 29: no server', () => {
  test('a closed port that was named is exit 13, with what to do', async () => {
    const result = await home.json('install', ['tiny-gemma-3n', '--host', '127.0.0.1:1']);
    expect(result).toMatchObject({ code: 13, ok: false, error: { code: 'runtime-unreachable', exitCode: 13 } });
    expect(result.error.suggestions.join(' ')).toContain('ollama serve');
  });

  test.each([
    ['a web page', 200, '<!doctype html><html><body>It works!</body></html>'],
    ['another JSON', 200, '{"hello":"world"}'],
    ['a 404', 404, 'not here'],
  ])('something else answers on the port: %s', async (_what, status, body) => {
    ollama.trick = refuse('GET /api/version', status, body);
    expect(await install()).toMatchObject({ code: 13, error: { code: 'runtime-not-ollama' } });
  });

  test('a host that is no host is refused before anything is asked', async () => {
    const result = await home.json('install', ['tiny-gemma-3n', '--host', 'ftp://x']);
    expect(result.code).toBe(2);
  });

  test('a server too old for the architecture', async () => {
    const old = await fakeOllama('0.5.13');
    const result = await home.json('install', ['tiny-gemma-3n', '--host', old.host]);
    await old.close();
    expect(result).toMatchObject({ code: 13, error: { code: 'runtime-too-old' } });
    expect(old.count('POST')).toBe(0);
  });
});

describe('failures on the way leave nothing behind', () => {
  test('an error line after HTTP 200 in the create stream', async () => {
    ollama.trick = refuse('POST /api/create', 200, '{"status":"parsing GGUF"}\n{"error":"invalid file magic"}\n');
    expect(await install()).toMatchObject({ code: 16, error: { code: 'bad-gguf' } });
    expect([...ollama.models]).toEqual([]);
    expect(await recorded()).toEqual([]);
  });

  test('a full disk of the server', async () => {
    ollama.trick = refuse('POST /api/create', 500, '{"error":"write: no space left on device"}');
    expect(await install()).toMatchObject({ code: 12, error: { code: 'disk-full' } });
  });

  test.each([
    ['row 44: wrong answers', 'nonsense'],
    ['row 34: the silence of a model without tensors, which the server called a success,', ''],
  ])('%s take the new model back and leave the old one', async (_row, words) => {
    await install();
    const before = ollama.models.get(NAME);
    ollama.answer = () => words;
    expect(await install('--ctx', '256')).toMatchObject({ code: 17, error: { code: 'smoke-failed' } });
    expect([...ollama.models]).toEqual([[NAME, before]]);
  });

  test('a name that another tool uses is not taken', async () => {
    await install('--name', 'mine');
    const [model] = ollama.models.values();
    if (model !== undefined) ollama.models.set(NAME, model);
    expect(await install()).toMatchObject({ code: 16, error: { code: 'foreign-model' } });
  });
});

describe.each([
  ['SIGINT', 130, 'interrupted'],
  ['SIGTERM', 143, 'terminated'],
] as const)('%s', (signal, exitCode, code) => {
  test.each([
    ['the upload', 'POST /api/blobs'],
    ['the create', 'POST /api/create'],
    ['the smoke test', 'POST /api/chat'],
  ])('in %s ends the run at once, leaves nothing, and the next run converges', async (_phase, path) => {
    ollama.trick = hang(path);
    const { child, ended } = home.start(['install', 'tiny-gemma-3n', '--host', ollama.host, '--json']);
    await expect.poll(() => ollama.count(path), { timeout: 10_000 }).toBeGreaterThan(0);
    child.kill(signal);
    const result = await within(3000, ended);
    expect(result.code).toBe(exitCode);
    expect(JSON.parse(result.stdout)).toMatchObject({ ok: false, error: { code, exitCode } });
    expect([...ollama.models]).toEqual([]);
    expect(await recorded()).toEqual([]);
    const locks = join(home.path, 'data/locks');
    for (const name of readdirSync(locks)) expect(readFileSync(join(locks, name), 'utf8')).toMatch(/^released/);
    ollama.trick = () => false;
    expect(await install('--no-smoke')).toMatchObject({ code: 0, data: { changed: true } });
    expect([...ollama.models.keys()]).toEqual([NAME]);
  });
});

describe('a load that falls short of memory', () => {
  const SHORT = '{"error":"model requires more system memory (9.0 GiB) than is available (1.0 GiB)"}';

  /** The server has no room for the larger of the two quants that ship with this tool. */
  function tooSmallFor(digest: string): void {
    ollama.trick = (response, path, body) => {
      const { model } = JSON.parse(body.toString('utf8') || '{}');
      return ollama.models.get(model)?.blob === digest && refuse('POST /api/chat', 500, SHORT)(response, path, body);
    };
  }

  test('takes the next quant where nobody named one, says why, and records it', async () => {
    tooSmallFor(TINY_DIGEST);
    const result = await install();
    expect(result).toMatchObject({ code: 0, data: { quant: 'q2_k', changed: true, smoke: { failed: 0 } } });
    expect(result.data?.choice.reasons[0]).toMatch(/^tiny-gemma-3n:q4_k_m .* does not fit \(.*\); trying .* instead$/);
    expect(result.data?.record?.choice.reasons).toEqual(result.data?.choice.reasons);
    expect([...ollama.models.keys()]).toEqual(['tiny-gemma-3n:q2_k']);
    // What was found out stays: the same command again does not try the large one.
    const chats = ollama.count('POST /api/chat');
    expect(await install()).toMatchObject({ code: 0, data: { quant: 'q2_k', changed: false } });
    expect(ollama.count('POST /api/chat')).toBe(chats);
  });

  test('a quant that was named is not exchanged', async () => {
    tooSmallFor(TINY_DIGEST);
    const result = await install('--quant', 'q4_k_m');
    expect(result).toMatchObject({ code: 12, error: { code: 'memory-short' } });
    expect([...ollama.models]).toEqual([]);
  });
});
