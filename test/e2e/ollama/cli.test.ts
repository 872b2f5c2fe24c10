/** The main job with the built command line and a real Ollama: install, talk, upgrade, fail, crash, remove. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verdictFor } from '../../../src/compat/verdict.ts';
import { digestOf } from '../../../src/core/digest.ts';
import { type Home, makeHome, Q2, Q4 } from '../../helpers/cli.ts';
import { type OllamaServer, startOllama, whyNoOllama } from '../../helpers/ollama-server.ts';
import { writePadded } from './padded-gguf.ts';

const MIB = 1024 ** 2;
const SLOW = { timeout: 240_000 };
const skipped = whyNoOllama();

/** Set up before the tests are collected, since what they expect depends on the server's version. */
const server: OllamaServer | undefined = skipped === undefined ? await startOllama() : undefined;
const version = server === undefined ? '' : await versionOf(server);
const runs = verdictFor({ architecture: 'gemma3n', version }).ok;
const pulls = verdictFor({ architecture: 'gemma3n', version, pull: true }).ok;
const ours = server?.crash === undefined ? 'no server of our own: only OLLAMA_BIN can be killed' : undefined;

const tag = randomBytes(4).toString('hex');
const NAME = `gemma-provision-test:${tag}`;
const OTHER = `gemma-provision-test:${tag}-other`;
let home: Home;
let folder: string;

beforeAll(async () => {
  home = makeHome();
  folder = await mkdtemp(join(tmpdir(), 'ollama-cli-e2e-'));
});

afterAll(async () => {
  for (const name of [NAME, OTHER]) await api('DELETE', '/api/delete', { model: name }).catch(() => undefined);
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
  home.remove();
}, 60_000);

async function versionOf({ host }: OllamaServer): Promise<string> {
  const { version: found } = (await (await fetch(`http://${host}/api/version`)).json()) as { version: string };
  return found;
}

async function api(method: string, path: string, body?: unknown): Promise<Response> {
  const request = { method, ...(body !== undefined && { body: JSON.stringify(body) }) };
  const reply = await fetch(`http://${server?.host}${path}`, request);
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
  return reply;
}

/** Names that the server lists, or has in memory. */
async function names(path: '/api/tags' | '/api/ps'): Promise<string[]> {
  const { models } = (await (await api('GET', path)).json()) as { models: { name: string }[] | null };
  return (models ?? []).map(({ name }) => name);
}

/** What only a candidate under test is called. */
const STAGING = expect.stringContaining('gemma-provision-staging');

async function expectNoStaging(): Promise<void> {
  expect(await names('/api/tags')).not.toContainEqual(STAGING);
  await expectUnloaded(STAGING);
}

/** Servers answer an unload at once and carry it out a moment later. */
async function expectUnloaded(name: unknown): Promise<void> {
  await expect.poll(() => names('/api/ps'), { timeout: 10_000 }).not.toContainEqual(name);
}

const at = () => ['--runtime', 'ollama', '--host', server?.host ?? ''];
const install = (model: string, file: string, ...more: string[]) =>
  home.json('install', [model, '--from', file, '--name', NAME, ...more, ...at()]);
const answer = async (name = NAME) =>
  (await home.json('run', [name, 'What is the capital of France?', ...at()])).data?.response;
const blobs = () => (server?.models === undefined ? [] : blobsIn(join(server.models, 'blobs')));
const blobsIn = (path: string) => (existsSync(path) ? readdirSync(path) : []);

async function suiteThatFails(): Promise<string> {
  const messages = [{ role: 'user', content: 'Who are you?' }];
  const judges = [{ kind: 'exactly', text: 'I am a cat.' }];
  const checks = [{ id: 'cat', level: 'answers', title: 'Is a cat', messages, judges }];
  const path = join(folder, 'cat.json');
  await writeFile(path, JSON.stringify({ schemaVersion: 1, id: 'cat', title: 'Cats', checks }));
  return path;
}

/** The tiny model under the name of an architecture that nobody has: the rest of the file is sound. */
async function unknownArchitecture(): Promise<string> {
  const bytes = await readFile(Q4);
  bytes.write('gemma9z', bytes.indexOf('gemma3n'), 'utf8');
  const path = join(folder, 'unknown.gguf');
  await writeFile(path, bytes);
  return path;
}

const because = (reason: string | undefined) => (reason === undefined ? '' : ` (skipped: ${reason})`);

const tooNew = skipped ?? (runs ? `Ollama ${version} runs gemma3n` : undefined);
describe.skipIf(tooNew !== undefined)(`a real Ollama that is too old for gemma3n${because(tooNew)}`, () => {
  test('is refused before a byte is sent, with what to do', async () => {
    const refused = await install('tiny-gemma-3n:q4_k_m', Q4);
    expect(refused).toMatchObject({ code: 13, ok: false, error: { code: 'runtime-too-old', exitCode: 13 } });
    expect(refused.error.suggestions.join(' ')).toMatch(/0\.9\.3.*--runtime embedded/);
    expect(await names('/api/tags')).not.toContain(NAME);
    expect(blobs()).toEqual([]);
  });

  test('is refused the pre-built model too', async () => {
    const refused = await home.json('install', ['--from', 'ollama:gemma3n:e4b', '--accept-license', ...at()]);
    expect(refused).toMatchObject({ code: 13, error: { code: 'runtime-too-old' } });
  });
});

const tooOld = skipped ?? (runs ? undefined : `Ollama ${version} has no gemma3n`);
describe.skipIf(tooOld !== undefined)(`the main job on a real Ollama${because(tooOld)}`, () => {
  test('a dry run sends nothing', async () => {
    const { code, data } = await install('tiny-gemma-3n:q4_k_m', Q4, '--dry-run');
    expect([code, data?.dryRun, data?.bytesMoved]).toEqual([0, true, 0]);
    expect(await names('/api/tags')).not.toContain(NAME);
  });

  test('a wrong digest is exit 11, and nothing is created', async () => {
    const wrong = `sha256:${'ab'.repeat(32)}`;
    // Not the file of the next tests: servers keep the bytes under their true digest, although they refuse them.
    const refused = await install('tiny-gemma-3n:q2_k', Q2, '--digest', wrong);
    expect(refused).toMatchObject({ code: 11, error: { code: 'digest-mismatch' } });
    expect(await names('/api/tags')).not.toContain(NAME);
    await expectNoStaging();
  });

  test('a file of an architecture that nobody has is refused before a byte is sent', async () => {
    const before = blobs();
    const path = await unknownArchitecture();
    const refused = await install('tiny-gemma-3n:q4_k_m', path);
    expect(refused).toMatchObject({ code: 16, error: { code: 'wrong-architecture' } });
    const alone = await home.json('install', ['--from', path, '--name', NAME, ...at()]);
    expect(alone.code).not.toBe(0);
    expect(blobs()).toEqual(before);
    expect(await names('/api/tags')).not.toContain(NAME);
  });

  test('installs a file, tests it, and leaves only the model', SLOW, async () => {
    const { code, data } = await install('tiny-gemma-3n:q4_k_m', Q4);
    expect(code).toBe(0);
    expect(data).toMatchObject({ changed: true, name: NAME, runtime: { kind: 'ollama', version } });
    expect(data?.bytesMoved).toBe(3_999_936);
    // On a busy machine the time of an install does not suffice for all of them.
    expect(data?.smoke).toMatchObject({ failed: 0 });
    expect((data?.smoke?.passed ?? 0) + (data?.smoke?.skipped ?? 0)).toBe(20);
    expect(data?.steps.map(({ id, status }) => `${id} ${status}`)).toEqual(
      ['verify', 'store', 'smoke', 'prove', 'promote', 'record', 'clean'].map((id) => `${id} done`),
    );
    expect(await names('/api/tags')).toContain(NAME);
    await expectNoStaging();
  });

  test('answers', SLOW, async () => {
    expect(await answer()).toBe('The capital of France is Paris.');
  });

  test('the second install moves no byte and says so', async () => {
    const again = await install('tiny-gemma-3n:q4_k_m', Q4);
    expect(again).toMatchObject({ code: 0, data: { changed: false, bytesMoved: 0 } });
    const text = await home.run(['install', 'tiny-gemma-3n:q4_k_m', '--from', Q4, '--name', NAME, ...at()]);
    expect(text.stdout).toContain('no byte moved, nothing changed');
  });

  test('a digest of other bytes that the server has is exit 11 as well', async () => {
    const digest = digestOf(await readFile(Q4));
    const args = ['tiny-gemma-3n:q2_k', '--from', Q2, '--name', OTHER, '--digest', digest];
    const refused = await home.json('install', [...args, ...at()]);
    expect(refused).toMatchObject({ code: 11, error: { code: 'digest-mismatch' } });
    expect(await names('/api/tags')).not.toContain(OTHER);
    await expectNoStaging();
  });

  test('smoke, list and show know it', SLOW, async () => {
    expect(await home.json('smoke', [NAME])).toMatchObject({ code: 0, data: { passed: 20, failed: 0 } });
    const record = { name: NAME, quant: 'q4_k_m', runtime: { kind: 'ollama', version } };
    expect((await home.json('list', [])).data?.records).toMatchObject([record]);
    expect((await home.json('show', [NAME])).data?.records).toMatchObject([record]);
  });

  test('a model that fails its suite is taken back, and the old one still answers', SLOW, async () => {
    const failed = await install('tiny-gemma-3n:q2_k', Q2, '--suite', await suiteThatFails());
    expect(failed).toMatchObject({ code: 17, error: { code: 'smoke-failed' } });
    expect(failed.error.message).toContain('cat');
    await expectNoStaging();
    expect(await answer()).toBe('The capital of France is Paris.');
    expect((await home.json('show', [NAME])).data?.records).toMatchObject([{ quant: 'q4_k_m' }]);
  });

  test('another quant takes the name over and remembers what was there', SLOW, async () => {
    const { code, data } = await install('tiny-gemma-3n:q2_k', Q2);
    expect(code).toBe(0);
    expect(data).toMatchObject({ changed: true, quant: 'q2_k', previous: { quant: 'q4_k_m' } });
    expect(await answer()).toMatch(/Paris/);
    await expectNoStaging();
  });

  test('without smoke it is created untested, and says so', async () => {
    // The server goes on holding the replaced model in memory under this name: unload it for the tests below.
    await api('POST', '/api/generate', { model: NAME, prompt: '', keep_alive: 0, stream: false });
    const { code, data } = await install('tiny-gemma-3n:q4_k_m', Q4, '--no-smoke');
    expect(code).toBe(0);
    expect(data?.smoke).toBeUndefined();
    expect(data?.steps.find(({ id }) => id === 'smoke')?.status).toBe('skipped');
    expect(data?.record?.smoke).toBeUndefined();
  });

  test('a name of somebody else is neither replaced nor removed', async () => {
    await api('POST', '/api/copy', { source: NAME, destination: OTHER });
    const over = await home.json('install', ['tiny-gemma-3n:q2_k', '--from', Q2, '--name', OTHER, ...at()]);
    expect(over).toMatchObject({ code: 16, error: { code: 'foreign-model' } });
    const away = await home.json('remove', [OTHER, ...at()]);
    expect(away).toMatchObject({ code: 16, error: { code: 'foreign-model' } });
    expect(await names('/api/tags')).toContain(OTHER);
    await api('DELETE', '/api/delete', { model: OTHER });
  });

  test('the pre-built model is pulled where the version allows it: here no registry is in reach', async () => {
    const refused = await home.json('install', [
      '--from',
      'ollama:gemma3n:e4b',
      '--accept-license',
      '--force',
      ...at(),
    ]);
    const expected = pulls
      ? { code: 10, error: { code: 'network' } }
      : { code: 13, error: { code: 'runtime-too-old' } };
    expect(refused).toMatchObject(expected);
    expect(await names('/api/tags')).not.toContain('gemma3n:e4b');
    await expectNoStaging();
  });

  test('is removed', async () => {
    expect(await home.json('remove', [NAME])).toMatchObject({ code: 0, data: { removedFromRuntime: true } });
    expect(await names('/api/tags')).not.toContain(NAME);
    expect((await home.json('list', [])).data?.records).toEqual([]);
  });

  test('is not left in memory by its removal', SLOW, async () => {
    expect((await install('tiny-gemma-3n:q4_k_m', Q4, '--no-smoke')).code).toBe(0);
    expect(await answer()).toBe('The capital of France is Paris.');
    expect(await home.json('remove', [NAME])).toMatchObject({ code: 0 });
    await expectUnloaded(NAME);
  });

  describe.skipIf(ours !== undefined)(`when the server is killed${because(ours)}`, () => {
    /** Kills the server when the progress of an install shows `sign`; then starts it and installs again. */
    async function killedAt(sign: string, file: string, ...more: string[]): Promise<void> {
      const args = ['tiny-gemma-3n:q4_k_m', '--from', file, '--name', NAME, ...more, ...at()];
      const { child, ended } = home.start(['install', ...args]);
      let seen = '';
      let crash: Promise<void> | undefined;
      child.stderr?.on('data', (text: string) => {
        seen += text;
        if (seen.includes(sign)) crash ??= server?.crash?.();
      });
      const { code, stderr } = await ended;
      await crash;
      await server?.restart?.();
      expect(crash, `"${sign}" was never shown: ${stderr}`).toBeDefined();
      expect(code, stderr).toBe(13);
      expect(stderr).toMatch(/runtime-|server/);
      expect(await names('/api/tags')).not.toContain(NAME);
      expect((await home.json('list', [])).data?.records).toEqual([]);

      expect(await home.json('install', args)).toMatchObject({ code: 0, data: { changed: true } });
      await expectNoStaging();
      expect(await home.json('remove', [NAME, ...at()])).toMatchObject({ code: 0 });
    }

    test('in the middle of an upload: exit 13, and the next run converges', SLOW, async () => {
      const file = join(folder, 'padded.gguf');
      await writePadded(Q4, file, { sizeBytes: 256 * MIB, fill: 'random' });
      await killedAt('upload: ', file, '--no-smoke', '--via', 'upload');
      await rm(file);
    });

    test('in the middle of the smoke test: exit 13, and the next run converges', SLOW, async () => {
      await killedAt('✓ loads', Q4);
    });
  });
});
