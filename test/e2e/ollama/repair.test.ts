/** Damage of every kind on a real Ollama, found by `verify` and put right by `repair`, without a network. */
import { randomBytes } from 'node:crypto';
import {
  chmod,
  copyFile,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verdictFor } from '../../../src/compat/verdict.ts';
import { type Home, makeHome, Q4 } from '../../helpers/cli.ts';
import { type OllamaServer, startOllama, whyNoOllama } from '../../helpers/ollama-server.ts';
import { digestOfFile, manifestsOf } from './ways-support.ts';

const SLOW = { timeout: 240_000 };
const skipped = process.env.OLLAMA_BIN ? whyNoOllama() : 'set OLLAMA_BIN to an ollama program';
const server: OllamaServer | undefined = skipped === undefined ? await startOllama() : undefined;
const version = server === undefined ? '' : await versionOf(server);
const reason =
  skipped ?? (verdictFor({ architecture: 'gemma3n', version }).ok ? undefined : `Ollama ${version} has no gemma3n`);

const tag = randomBytes(4).toString('hex');
const NAME = `gemma-provision-test:${tag}`;
const FOREIGN = `somebody-elses:${tag}`;
/** A byte of a tensor: no header tells that it changed. */
const IN_A_TENSOR = 3_000_000;
const MIB = 1024 ** 2;

async function versionOf({ host }: OllamaServer): Promise<string> {
  const { version: found } = (await (await fetch(`http://${host}/api/version`)).json()) as { version: string };
  return found;
}

describe.skipIf(reason !== undefined)(`damage on a real Ollama${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let home: Home;
  let folder: string;
  let models: string;
  let source: string;
  let blob: string;

  const at = () => ['--runtime', 'ollama', '--host', server?.host ?? ''];
  const verify = (...more: string[]) => home.json('verify', [...more, ...at()]);
  /** Without the smoke test: an old engine on a busy machine takes minutes for it, and `run` asks the model all the same. */
  const repair = (...more: string[]) => home.json('repair', [NAME, ...more, '--no-smoke', ...at()]);
  const answer = async () => (await home.json('run', [NAME, 'What is the capital of France?', ...at()])).data?.response;
  const record = async () => (await home.json('show', [NAME, ...at()])).data?.records[0];
  const recordFile = async () => {
    const registry = join(home.path, 'data/registry');
    const [file] = (await readdir(registry)).filter((each) => each.endsWith('.json'));
    return join(registry, file ?? expect.fail('there is no record'));
  };

  beforeAll(async () => {
    home = makeHome();
    models = server?.models ?? expect.fail('a server of our own has a models folder');
    folder = await mkdtemp(join(tmpdir(), 'ollama-repair-e2e-'));
    source = join(folder, 'model.gguf');
    await copyFile(Q4, source);
    const what = ['tiny-gemma-3n:q4_k_m', '--from', source, '--name', NAME, '--no-smoke'];
    const done = await home.json('install', [...what, ...at()]);
    expect(done, done.error.message).toMatchObject({ code: 0, data: { changed: true } });
    const digest = (await record())?.stored.layerDigest ?? expect.fail('the layer is known');
    blob = join(models, 'blobs', digest.replace(':', '-'));
    await api('POST', '/api/copy', { source: NAME, destination: FOREIGN });
  }, 120_000);

  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
    home.remove();
  }, 60_000);

  async function api(method: string, path: string, body: unknown): Promise<void> {
    const reply = await fetch(`http://${server?.host}${path}`, { method, body: JSON.stringify(body) });
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
  }

  /** Also takes the model out of memory: what is loaded would go on answering. */
  async function flip(path: string, position: number): Promise<void> {
    await api('POST', '/api/generate', { model: NAME, prompt: '', keep_alive: 0, stream: false });
    const handle = await open(path, 'r+');
    try {
      const byte = Buffer.alloc(1);
      await handle.read(byte, 0, 1, position);
      byte.writeUInt8(byte.readUInt8(0) ^ 0x40);
      await handle.write(byte, 0, 1, position);
    } finally {
      await handle.close();
    }
  }

  async function loaded(): Promise<string[]> {
    const { models: running } = (await (await fetch(`http://${server?.host}/api/ps`)).json()) as {
      models: { name: string }[] | null;
    };
    return (running ?? []).map(({ name }) => name);
  }

  const manifestOf = (name: string) => join(models, 'manifests/registry.ollama.ai/library', name.replace(':', '/'));
  const hexOf = (path: string) => path.slice(-64);

  async function expectGood(): Promise<void> {
    expect(await verify()).toMatchObject({ code: 0, ok: true, data: { results: [{ name: NAME, ok: true }] } });
    expect(await digestOfFile(blob)).toBe(`sha256:${hexOf(blob)}`);
    expect(await answer()).toBe('The capital of France is Paris.');
  }

  test('nothing is wrong after an install, and every byte was read', SLOW, async () => {
    const { code, data } = await verify(NAME);
    expect([code, data?.results[0]?.problems, data?.results[0]?.unchecked]).toEqual([0, [], []]);
    expect(data?.results[0]?.bytesRead).toBeGreaterThan((await stat(Q4)).size);
    expect(await repair()).toMatchObject({ code: 0, data: { results: [{ ok: true, changed: false, found: [] }] } });
    await expectGood();
  });

  test(
    'row 35: a flipped byte in a blob is exit 11, with the blob and every model that uses it; repair',
    SLOW,
    async () => {
      const before = await manifestsOf(models);
      await flip(blob, IN_A_TENSOR);
      const found = await verify();
      expect(found).toMatchObject({ code: 11, ok: false });
      const [problem] = found.data?.results[0]?.problems ?? [];
      expect(problem).toMatchObject({ kind: 'corrupt-blob', digest: `sha256:${hexOf(blob)}`, path: blob });
      expect(problem?.models?.toSorted()).toEqual([NAME, FOREIGN].toSorted());
      expect(problem?.detail).toContain(FOREIGN);

      const repaired = await repair('--offline');
      expect(repaired, repaired.error.message).toMatchObject({ code: 0, ok: true });
      expect(repaired.data?.results[0]).toMatchObject({ ok: true, changed: true, found: [{ kind: 'corrupt-blob' }] });
      await expectGood();
      // The bytes went in under the names that use them: no name was made again.
      expect(await manifestsOf(models)).toEqual(before);
    },
  );

  test(
    'row 35: a model that is in memory is loaded anew: it goes on reading the file that was replaced',
    SLOW,
    async () => {
      expect(await answer()).toBe('The capital of France is Paris.');
      expect(await loaded()).toContain(NAME);
      const handle = await open(blob, 'r+');
      await handle.write(Buffer.alloc(MIB, 0x55), 0, MIB, IN_A_TENSOR - MIB);
      await handle.close();
      expect((await verify()).code).toBe(11);
      expect(await repair('--offline')).toMatchObject({ code: 0, data: { results: [{ ok: true, changed: true }] } });
      // Servers answer an unload at once and carry it out a moment later.
      await expect.poll(loaded, { timeout: 10_000 }).not.toContain(NAME);
      await expectGood();
    },
  );

  test('row 35: without a good copy nothing is touched, and the way out is told', SLOW, async () => {
    await flip(blob, IN_A_TENSOR);
    const corrupt = await digestOfFile(blob);
    const manifests = await manifestsOf(models);
    await rename(source, `${source}.away`);
    const refused = await repair('--offline');
    expect(refused.code).toBe(18);
    expect(refused.ok).toBe(false);
    const told = refused.data?.results[0]?.suggestions.join() ?? '';
    expect(told).toContain(`run repair again: ${source}`);
    expect(told).toContain(`gemma-provision install --from ${source} --digest sha256:${hexOf(blob)}`);
    expect(await digestOfFile(blob)).toBe(corrupt);
    expect(await manifestsOf(models)).toEqual(manifests);
    await rename(`${source}.away`, source);
    expect((await repair('--offline')).code).toBe(0);
    await expectGood();
  });

  test('row 35: a source file that is corrupt as well is not put in', SLOW, async () => {
    await flip(blob, IN_A_TENSOR);
    await flip(source, IN_A_TENSOR + 1);
    const corrupt = await digestOfFile(blob);
    expect((await repair('--offline')).code).toBe(18);
    expect(await digestOfFile(blob)).toBe(corrupt);
    await copyFile(Q4, source);
    expect((await repair('--offline')).code).toBe(0);
    await expectGood();
  });

  test('row 35: a small blob, of the template or the parameters, is found and made again', SLOW, async () => {
    const text = await readFile(manifestOf(NAME), 'utf8');
    const { layers } = JSON.parse(text) as { layers: { mediaType: string; digest: string }[] };
    const small = layers.find(({ mediaType }) => mediaType.endsWith('image.params')) ?? expect.fail('no parameters');
    const path = join(models, 'blobs', small.digest.replace(':', '-'));
    await truncate(path, 3);
    expect(await verify()).toMatchObject({ code: 11 });
    const repaired = await repair('--offline');
    expect(repaired, JSON.stringify(repaired)).toMatchObject({ code: 0 });
    expect(await digestOfFile(path)).toBe(small.digest);
    await expectGood();
  });

  test('row 47: a folder that may be read and not written to is verified all the same', SLOW, async () => {
    // The folder of blobs open to everybody is one that this tool does not write to.
    await chmod(join(models, 'blobs'), 0o777);
    const good = await verify(NAME);
    expect([good.code, good.data?.results[0]?.unchecked]).toEqual([0, []]);
    await flip(blob, IN_A_TENSOR);
    expect(await verify()).toMatchObject({ code: 11, data: { results: [{ problems: [{ path: blob }] }] } });
    // Another model uses it: what can be done is told, and nothing is.
    const manifests = await manifestsOf(models);
    const refused = await repair('--offline');
    expect(refused).toMatchObject({ code: 18, data: { results: [{ ok: false, changed: false }] } });
    expect(refused.data?.results[0]?.suggestions.join()).toContain(`ollama rm ${FOREIGN}`);
    expect(await manifestsOf(models)).toEqual(manifests);
    // The server drops it with the last model that uses it, and takes the right bytes then.
    await api('DELETE', '/api/delete', { model: FOREIGN });
    const repaired = await repair('--offline');
    expect(repaired, JSON.stringify(repaired)).toMatchObject({
      code: 0,
      data: { results: [{ ok: true, changed: true }] },
    });
    await expectGood();
    await api('POST', '/api/copy', { source: NAME, destination: FOREIGN });
    await chmod(join(models, 'blobs'), 0o755);
  });

  test('a model that somebody removed is exit 4, and is made again', SLOW, async () => {
    await api('DELETE', '/api/delete', { model: NAME });
    const found = await verify();
    expect(found).toMatchObject({ code: 4, data: { results: [{ problems: [{ kind: 'missing' }] }] } });
    const repaired = await home.json('repair', [NAME, '--offline', ...at()]);
    expect(repaired, JSON.stringify(repaired)).toMatchObject({
      code: 0,
      data: { results: [{ ok: true, changed: true }] },
    });
    await expectGood();
  });

  test('row 49: a name that somebody changed is drift, exit 4, and is restored only with --force', SLOW, async () => {
    const recorded = (await record())?.stored;
    await api('POST', '/api/create', { model: NAME, from: FOREIGN, system: 'You are a cat.', stream: false });
    const found = await verify(NAME);
    expect(found.code).toBe(4);
    expect(found.data?.results[0]?.problems.map(({ kind }) => kind)).toContain('entry-drift');
    const left = await repair('--offline');
    expect(left).toMatchObject({ code: 18, data: { results: [{ ok: false, changed: false }] } });
    expect(left.data?.results[0]?.suggestions.join()).toContain(`repair ${NAME} --force`);
    expect((await home.json('remove', [NAME, ...at()])).error.code).toBe('foreign-model');
    expect((await repair('--offline', '--force')).code).toBe(0);
    expect((await record())?.stored).toEqual(recorded);
    await expectGood();
  });

  test('a manifest of 0 bytes, as a full disk leaves it, is exit 18, and is put right', SLOW, async () => {
    await truncate(manifestOf(NAME), 0);
    const found = await verify();
    expect(found).toMatchObject({ code: 18, data: { results: [{ problems: [{ kind: 'broken-entry' }] }] } });
    const repaired = await repair('--offline');
    expect(repaired, JSON.stringify(repaired)).toMatchObject({ code: 0 });
    await expectGood();
  });

  test.each([
    ['empty', ''],
    ['cut off', '{"schemaVersion": 2, "name": "'],
    ['binary', '\u0000\u0001\u0002\uFFFD'],
  ])(
    'row 25: a record file that is %s is exit 18, the server is not touched, and repair rebuilds it',
    SLOW,
    async (_, text) => {
      const path = await recordFile();
      const before = await manifestsOf(models);
      const recorded = await record();
      await writeFile(path, text);
      expect((await home.json('list', [])).code).toBe(18);
      expect(await verify()).toMatchObject({ code: 18, ok: false });
      expect(await readFile(path, 'utf8')).toBe(text);

      const repaired = await repair('--offline');
      expect(repaired, JSON.stringify(repaired)).toMatchObject({
        code: 0,
        data: { results: [{ ok: true, changed: true }] },
      });
      expect(await manifestsOf(models)).toEqual(before);
      const now = await record();
      expect(now?.stored.entryDigest).toBe(recorded?.stored.entryDigest);
      expect(now).toMatchObject({ model: 'tiny-gemma-3n', quant: 'q4_k_m', template: recorded?.template });
      const aside = (await readdir(join(path, '..'))).filter((each) => !each.endsWith('.json'));
      const texts = await Promise.all(aside.map((each) => readFile(join(path, '..', each), 'utf8')));
      expect(texts).toContain(text);
      await expectGood();
    },
  );

  test('row 25: a record of a newer version is refused, and left as it is', SLOW, async () => {
    const path = await recordFile();
    const good = await readFile(path, 'utf8');
    const newer = JSON.stringify({ ...JSON.parse(good), schemaVersion: 99 });
    await writeFile(path, newer);
    expect((await verify()).code).toBe(18);
    expect(await repair('--offline')).toMatchObject({ code: 18, error: { code: 'bad-record' } });
    expect(await readFile(path, 'utf8')).toBe(newer);
    await writeFile(path, good);
    await expectGood();
  });

  test('a model of somebody else is not repaired', async () => {
    const before = await manifestsOf(models);
    const refused = await home.json('repair', [FOREIGN, '--offline', ...at()]);
    expect(refused.code).not.toBe(0);
    expect(await manifestsOf(models)).toEqual(before);
  });
});
