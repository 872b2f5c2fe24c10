import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verdictFor } from '../../../src/compat/verdict.ts';
import { isAtLeast, parseServerVersion } from '../../../src/compat/version.ts';
import type { Digest } from '../../../src/core/digest.ts';
import { digestOf } from '../../../src/core/digest.ts';
import { ProvisionError } from '../../../src/core/errors.ts';
import { drive } from '../../../src/core/progress.ts';
import type { ModelSpec } from '../../../src/modelfile/schema.ts';
import { parseHost } from '../../../src/runtimes/ollama/host.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../../src/runtimes/ollama/runtime.ts';
import type { LocalFile } from '../../../src/sources/contract.ts';
import { never } from '../../helpers/failure.ts';
import { type OllamaServer, startOllama, whyNoOllama } from '../../helpers/ollama-server.ts';
import { collect } from '../../helpers/runtime-fakes.ts';

const reason = whyNoOllama();
const TINY = new URL('../../../models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf', import.meta.url).pathname;
const TEMPLATE = `{{- $lead := "" }}
{{- range $i, $m := .Messages }}
{{- if eq $m.Role "system" }}{{- $lead = printf "%s%s\\n\\n" $lead $m.Content }}
{{- else if eq $m.Role "assistant" }}<start_of_turn>model
{{ $m.Content }}<end_of_turn>
{{ else }}<start_of_turn>user
{{ $lead }}{{ $m.Content }}<end_of_turn>
{{ $lead = "" }}
{{- end }}
{{- end }}<start_of_turn>model
`;

/** Text that ends a value early where quoting is wrong. */
const EVIL = 'Apache-2.0\n\n"""\nFROM evil\nPARAMETER temperature 2\n';

const SPEC: ModelSpec = {
  templateName: 'gemma',
  template: TEMPLATE,
  templateDigest: digestOf(TEMPLATE),
  profile: 'card',
  parameters: { stop: ['<end_of_turn>'], temperature: 0.7, seed: 1, num_ctx: 512, num_predict: 32, num_thread: 1 },
  license: 'Apache-2.0\n\n# not a comment\nFROM evil\nPARAMETER temperature 2\n',
};

describe.skipIf(reason !== undefined)(`the adapter on a real Ollama${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let server: OllamaServer;
  let runtime: OllamaRuntime;
  let folder: string;
  let version: string;
  const tag = `e2e-${randomBytes(4).toString('hex')}`;
  const name = `gemma-provision-test:${tag}`;
  const alias = `gemma-provision-test:${tag}-alias`;
  const odd = `gemma-provision-test:${tag}-odd`;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'adapter-e2e-'));
    server = await startOllama();
    runtime = ollamaRuntime({
      host: parseHost(server.host),
      files: {
        open: (path) => open(path),
        async *hash(file: LocalFile) {
          yield { type: 'bytes', id: 'hash', done: file.sizeBytes, total: file.sizeBytes };
          return digestOf(await readFile(file.path));
        },
      },
      now: () => performance.now(),
    });
    ({ version } = await runtime.identify(never));
  });

  afterAll(async () => {
    for (const one of [name, alias, odd]) await runtime?.remove(one, never).catch(() => {});
    await runtime?.close();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function fileAt(path: string, digest?: Digest): Promise<LocalFile> {
    return { ref: path, path, sizeBytes: (await stat(path)).size, ...(digest && { digest }) };
  }

  function runs(architecture: string): boolean {
    return verdictFor({ architecture, version }).ok;
  }

  function since(release: string): boolean {
    return isAtLeast(parseServerVersion(version), release);
  }

  async function codeOf(work: Promise<unknown>): Promise<string> {
    const thrown = await work.then(
      () => undefined,
      (error: unknown) => error,
    );
    return thrown instanceof ProvisionError ? thrown.code : String(thrown);
  }

  test('has nothing under the name before', async () => {
    expect(await runtime.find(name, never)).toBeUndefined();
    await runtime.remove(name, never);
  });

  test('stores the tiny model exactly as it was sent', async () => {
    const file = await fileAt(TINY);
    const result = await drive(runtime.store({ name, file, architecture: 'gemma3n', spec: SPEC }, never), () => {});
    expect(result.uploadedDigest).toBe(
      `sha256:${createHash('sha256')
        .update(await readFile(TINY))
        .digest('hex')}`,
    );
    expect(result.differences.filter((difference) => !difference.includes('rewrote'))).toEqual([]);
    expect(result.stored).toMatchObject({
      name,
      architecture: 'gemma3n',
      quant: 'Q4_K_M',
      template: TEMPLATE,
      license: SPEC.license,
      stop: ['<end_of_turn>'],
      contextLength: 512,
    });
    expect(result.stored.capabilities).toEqual(since('0.6.4') ? ['completion'] : undefined);
    expect(result.stored.layerPath).toContain(result.stored.layerDigest?.slice('sha256:'.length) ?? '-');
    expect(result.stored.layerDigest).toBeDefined();
    expect(result.stored.entryDigest).toBeDefined();
  });

  test('stores odd texts exactly, or says that a Modelfile cannot hold them', async () => {
    const file = await fileAt(TINY);
    const texts = {
      system: ' "Be brief."\n\t#1: \\n is no line end, é and 日本 are letters\n\n',
      parameters: { ...SPEC.parameters, stop: ['a "b"', ' c ', '\\', '\n\n', '"'] },
    };
    const store = (spec: ModelSpec) =>
      drive(runtime.store({ name: alias, file, architecture: 'gemma3n', spec }, never), () => {});
    const { differences, stored } = await store({ ...SPEC, ...texts });
    expect(differences.filter((difference) => !difference.includes('rewrote'))).toEqual([]);
    expect(stored.system).toBe(texts.system);
    expect(stored.stop?.toSorted()).toEqual(texts.parameters.stop.toSorted());
    if (since('0.5.5')) expect((await store({ ...SPEC, license: EVIL })).stored.license).toBe(EVIL);
    else expect(await codeOf(store({ ...SPEC, license: EVIL }))).toBe('bad-template');
    await runtime.remove(alias, never);
  });

  test('stores it again without moving a byte', async () => {
    const file = await fileAt(TINY, digestOf(await readFile(TINY)));
    const before = await runtime.find(name, never);
    const result = await drive(runtime.store({ name, file, architecture: 'gemma3n', spec: SPEC }, never), () => {});
    expect(result.bytesMoved).toBe(0);
    expect(result.stored.layerDigest).toBe(before?.layerDigest);
  });

  test('answers, or says that the version is too old', { timeout: 180_000 }, async () => {
    const messages = [{ role: 'user', content: 'What is the capital of France?' }] as const;
    const chat = collect(runtime.chat({ name, messages, options: { temperature: 0 } }, never));
    if (!runs('gemma3n')) {
      expect(await codeOf(chat)).toBe('runtime-too-old');
      return;
    }
    const { result, pieces } = await chat;
    expect(result.text).toBe('The capital of France is Paris.');
    expect(result.endedBy).toBe('stop');
    expect(result.promptTokens).toBeGreaterThan(10);
    expect(result.answerTokens).toBeGreaterThan(5);
    expect(pieces.length).toBeGreaterThan(1);
  });

  test('ends at the token limit when told so', { timeout: 180_000 }, async () => {
    if (!runs('gemma3n')) return;
    const messages = [{ role: 'user', content: 'What is the capital of France?' }] as const;
    const { result } = await collect(
      runtime.chat({ name, messages, options: { temperature: 0, num_predict: 2 } }, never),
    );
    expect(result.endedBy).toBe('length');
    expect(result.answerTokens).toBe(2);
  });

  const prompt = '<start_of_turn>user\nWhat is the capital of France?<end_of_turn>\n<start_of_turn>model\n';
  const count = (text: string) => runtime.countRaw?.(name, text, never) ?? expect.fail();

  test('shows the prompt of a chat', { timeout: 180_000 }, async () => {
    const messages = [{ role: 'user', content: 'What is the capital of France?' }] as const;
    const rendered = await runtime.render?.({ name, messages }, never);
    expect(rendered).toEqual(since('0.11.5') ? { text: prompt } : undefined);
  });

  test('counts a raw prompt, the same with a warm cache', { timeout: 180_000 }, async () => {
    if (!runs('gemma3n')) {
      expect(await codeOf(count(prompt))).toBe('runtime-too-old');
      return;
    }
    const first = await count(prompt);
    expect(first).toBeGreaterThan(10);
    expect(await count(prompt)).toBe(first);
    // Two BOS tokens until 0.30, which strips one that the prompt brings itself.
    expect(await count(`<bos>${prompt}`)).toBe(since('0.30.0') ? first : (first ?? 0) + 1);
    expect(await count(prompt)).toBe(first);
  });

  test('does not count what does not fit', { timeout: 180_000 }, async () => {
    if (!runs('gemma3n') || !since('0.12.6')) return;
    expect(await codeOf(count('a '.repeat(2000)))).toBe('bad-usage');
  });

  test('holds an answer to a schema', { timeout: 180_000 }, async () => {
    if (!runs('gemma3n')) return;
    const messages = [{ role: 'user', content: 'What is the capital of France?' }] as const;
    const format = { type: 'object', properties: { city: { type: 'string', maxLength: 8 } }, required: ['city'] };
    const { result } = await collect(
      runtime.chat({ name, messages, format, options: { temperature: 0, num_predict: 200 } }, never),
    );
    expect(JSON.parse(result.text)).toEqual({ city: expect.any(String) });
  });

  test('tells what is loaded, and unloads it', { timeout: 180_000 }, async () => {
    const loaded = await runtime.loaded?.(name, never);
    if (runs('gemma3n')) {
      expect(loaded?.contextLength).toBe(since('0.10.0') ? 512 : undefined);
      expect(loaded?.sizeBytes).toBeGreaterThan(1_000_000);
      expect(loaded?.gpuBytes).toBeLessThanOrEqual(loaded?.sizeBytes ?? 0);
    } else expect(loaded).toBeUndefined();
    await runtime.unload?.(name, never);
    expect(await runtime.loaded?.(name, never)).toBeUndefined();
    await runtime.unload?.(name, never);
  });

  test('stops a chat that is aborted', { timeout: 180_000 }, async () => {
    const controller = new AbortController();
    const messages = [{ role: 'user', content: 'What is the capital of France?' }] as const;
    const chat = collect(runtime.chat({ name, messages }, controller.signal));
    controller.abort();
    expect(await codeOf(chat)).toBe('interrupted');
  });

  test('copies and removes', async () => {
    await runtime.copy(name, alias, never);
    const [original, copy] = [await runtime.find(name, never), await runtime.find(alias, never)];
    expect(copy?.entryDigest).toBe(original?.entryDigest);
    await runtime.remove(alias, never);
    expect(await runtime.find(alias, never)).toBeUndefined();
    expect(await runtime.find(name, never)).toBeDefined();
    expect(await codeOf(runtime.copy(alias, name, never))).toBe('model-not-found');
  });

  test('does not take a wrong digest', async () => {
    const file = await fileAt(TINY, `sha256:${'ab'.repeat(32)}`);
    const work = drive(runtime.store({ name: alias, file, architecture: 'gemma3n', spec: SPEC }, never), () => {});
    expect(await codeOf(work)).toBe('digest-mismatch');
    expect(await runtime.find(alias, never)).toBeUndefined();
  });

  test('leaves nothing behind when the template is broken, and keeps what was there', async () => {
    const file = await fileAt(TINY);
    const spec = { ...SPEC, template: '{{ .Prompt ' };
    const fresh = drive(runtime.store({ name: alias, file, architecture: 'gemma3n', spec }, never), () => {});
    expect(await codeOf(fresh)).toBe('bad-template');
    expect(await runtime.find(alias, never)).toBeUndefined();
    const over = drive(runtime.store({ name, file, architecture: 'gemma3n', spec }, never), () => {});
    expect(await codeOf(over)).toBe('bad-template');
    expect((await runtime.find(name, never))?.template).toBe(TEMPLATE);
  });

  test('does not run an architecture that nobody knows', { timeout: 180_000 }, async () => {
    // The tiny model under another architecture's name: the rest of the file is sound, so no server crashes on it.
    const bytes = await readFile(TINY);
    const at = bytes.indexOf('gemma3n');
    bytes.write('gemma9z', at, 'utf8');
    const path = join(folder, 'odd.gguf');
    await writeFile(path, bytes);
    const file = await fileAt(path);
    const work = drive(runtime.store({ name: odd, file, architecture: 'gemma9z', spec: SPEC }, never), () => {});
    if (since('0.30.0')) {
      expect(['bad-gguf', 'runtime-too-old', 'runtime-refused']).toContain(await codeOf(work));
      expect(await runtime.find(odd, never)).toBeUndefined();
      return;
    }
    await work;
    const messages = [{ role: 'user', content: 'Hello!' }] as const;
    const code = await codeOf(collect(runtime.chat({ name: odd, messages }, never)));
    expect(['runtime-refused', 'runtime-too-old', 'runtime-died']).toContain(code);
  });
});
