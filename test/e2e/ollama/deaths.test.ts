/** A real server that is killed (SIGKILL) while it creates, loads or answers: what the adapter makes of it. */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFile, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verdictFor } from '../../../src/compat/verdict.ts';
import { digestOf } from '../../../src/core/digest.ts';
import { drive } from '../../../src/core/progress.ts';
import type { ModelSpec } from '../../../src/modelfile/schema.ts';
import { parseHost } from '../../../src/runtimes/ollama/host.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../../src/runtimes/ollama/runtime.ts';
import { failureOf, never } from '../../helpers/failure.ts';
import { plainHttp } from '../../helpers/http.ts';
import { type OllamaServer, startOllama, whyNoOllama } from '../../helpers/ollama-server.ts';
import { collect } from '../../helpers/runtime-fakes.ts';

const reason =
  whyNoOllama() ??
  (process.env.OLLAMA_BIN ? undefined : 'only a server that we started may be killed: set OLLAMA_BIN') ??
  (process.platform === 'win32' ? 'named pipes in a folder are POSIX' : undefined);
const SLOW = { timeout: 180_000 };
const TINY = new URL('../../../models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf', import.meta.url).pathname;
const TEMPLATE =
  '{{ range .Messages }}<start_of_turn>user\n{{ .Content }}<end_of_turn>\n{{ end }}<start_of_turn>model\n';
const SPEC: ModelSpec = {
  templateName: 'gemma',
  template: TEMPLATE,
  templateDigest: digestOf(TEMPLATE),
  profile: 'card',
  parameters: { stop: ['<end_of_turn>'], temperature: 0, seed: 1, num_ctx: 2048, num_predict: 1500, num_thread: 1 },
  license: '',
};

describe.skipIf(reason !== undefined)(`a server killed at work${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let server: OllamaServer;
  let runtime: OllamaRuntime;
  let version: string;
  let blob: string;
  let bytes: Buffer;
  /** Requests that the adapter has begun since it was made: `POST /api/create`. */
  let begun: string[];
  const name = `gemma-provision-test:killed-${randomBytes(4).toString('hex')}`;

  beforeAll(async () => {
    server = await startOllama();
    bytes = await readFile(TINY);
    blob = join(server.models ?? expect.fail(), 'blobs', digestOf(bytes).replace(':', '-'));
    connect();
    ({ version } = await runtime.identify(never));
  });

  afterAll(async () => {
    await server?.stop();
  });

  function connect(): void {
    begun = [];
    runtime = ollamaRuntime({
      http: (request) => {
        begun.push(`${request.method} ${new URL(request.url).pathname}`);
        return plainHttp(request);
      },
      host: parseHost(server.host),
      files: {
        open: (path) => open(path),
        async *hash(file) {
          yield { type: 'bytes', id: 'hash', done: file.sizeBytes, total: file.sizeBytes };
          return digestOf(bytes);
        },
      },
      now: () => performance.now(),
    });
  }

  async function store(): Promise<unknown> {
    const file = { ref: TINY, path: TINY, sizeBytes: (await stat(TINY)).size };
    return await drive(runtime.store({ name, file, architecture: 'gemma3n', spec: SPEC }, never), () => {});
  }

  function chat(format?: Record<string, unknown>) {
    return runtime.chat({ name, messages: [{ role: 'user', content: 'Hello!' }], ...(format && { format }) }, never);
  }

  /** Puts a pipe in the blob's place: whoever opens it to read waits for a writer, so the server stays where it is. */
  async function stallOnBlob(): Promise<void> {
    await rm(blob, { force: true });
    await promisify(execFile)('mkfifo', [blob]);
  }

  /**
   * Kills the server while it waits for the pipe to be opened by a writer, who never comes. That the request is with it
   * shows in its answers to later ones.
   */
  async function killAt(route: string): Promise<void> {
    await expect.poll(() => begun.includes(route), { timeout: 60_000, interval: 5 }).toBe(true);
    for (let asked = 0; asked < 10; asked += 1) await (await fetch(`http://${server.host}/api/version`)).text();
    await server.crash?.();
  }

  async function backToLife(): Promise<void> {
    if (
      await stat(blob).then(
        (found) => found.isFIFO(),
        () => false,
      )
    ) {
      await rm(blob);
      await copyFile(TINY, blob);
    }
    await server.restart?.();
  }

  test('in a create', SLOW, async () => {
    await store();
    await runtime.remove(name, never);
    await stallOnBlob();
    connect();
    const work = failureOf(store());
    await killAt('POST /api/create');
    const error = await work;
    expect(error.code).toBe('runtime-died');
    expect(error.message).toContain(`creating ${name}`);
    expect(error.suggestions.join(' ')).toContain("server's log");
    await rm(blob);
    await backToLife();
    expect(await runtime.find(name, never)).toBeUndefined();
    await store();
    expect(await runtime.find(name, never)).toBeDefined();
  });

  test('in a load', SLOW, async () => {
    await store();
    await stallOnBlob();
    connect();
    const work = failureOf(collect(chat()));
    await killAt('POST /api/chat');
    const error = await work;
    expect(error.code).toBe('runtime-died');
    expect(error.message).toContain(`asking ${name}`);
    await backToLife();
    expect(await runtime.find(name, never)).toBeDefined();
  });

  test('in an answer', SLOW, async () => {
    if (!verdictFor({ architecture: 'gemma3n', version }).ok) return;
    // The schema keeps the model at work: it cannot be done before the server is gone.
    const fields = Array.from({ length: 150 }, (_, index) => `field-${index}`);
    const properties = Object.fromEntries(fields.map((field) => [field, { type: 'boolean' }]));
    const answer = chat({ type: 'object', properties, required: fields });
    expect((await answer.next()).done).toBe(false);
    const killed = server.crash?.();
    const error = await failureOf(collect(answer));
    await killed;
    expect(error.code).toBe('runtime-died');
    await backToLife();
    expect((await collect(chat())).result.text).not.toBe('');
  });
});
