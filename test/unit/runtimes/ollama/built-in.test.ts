/** Models whose chat format the server has built in: what a create sends, what show reports, and where the two differ. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { serverFacts } from '../../../../src/compat/lookup.ts';
import { digestOf } from '../../../../src/core/digest.ts';
import { drive } from '../../../../src/core/progress.ts';
import { createHttp } from '../../../../src/net/client.ts';
import type { StoredModel } from '../../../../src/runtimes/contract.ts';
import { differencesOf } from '../../../../src/runtimes/ollama/compare.ts';
import { createModel } from '../../../../src/runtimes/ollama/create.ts';
import { ollamaFacts } from '../../../../src/runtimes/ollama/facts.ts';
import { parseHost } from '../../../../src/runtimes/ollama/host.ts';
import { ollamaRuntime } from '../../../../src/runtimes/ollama/runtime.ts';
import { never } from '../../../helpers/failure.ts';
import { serve, type TestServer } from '../../../helpers/http-server.ts';
import { specOf, zeroFile } from '../../../helpers/runtime-fakes.ts';

const digest = digestOf('file');
const spec = {
  ...specOf({ template: '{% if true %}{% endif %}', parameters: { stop: ['<turn|>'] } }),
  builtIn: { renderer: 'gemma4-small', parser: 'gemma4', requires: '0.21.0' },
};

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** A server that answers every request of a path with one object, and keeps what it was sent. */
async function serving(replies: Readonly<Record<string, object>>) {
  const bodies: Record<string, unknown>[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse, path: string) => {
    const sent = await text(request);
    if (sent !== '') bodies.push(JSON.parse(sent) as Record<string, unknown>);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify(replies[path] ?? {})}\n`);
  };
  server = await serve((request, response, path) => {
    void answer(request, response, path).catch(() => response.destroy());
  });
  return { url: server.url, bodies };
}

describe('create', () => {
  async function bodyFor(version: string) {
    const { url, bodies } = await serving({ 'POST /api/create': { status: 'success' } });
    const connection = { host: parseHost(url), http: createHttp({ env: {} }).http, reconnectMs: 0 };
    await drive(createModel(connection, { name: 'm:t', digest, spec }, serverFacts(version), never), () => undefined);
    return bodies[0];
  }

  test('sends the names and no template', async () => {
    const body = await bodyFor('0.24.0');
    expect(body).toMatchObject({ renderer: 'gemma4-small', parser: 'gemma4', requires: '0.21.0' });
    expect(body).not.toHaveProperty('template');
  });

  test('sends the older name of the same prompt, which requires no newer server', async () => {
    const body = await bodyFor('0.20.7');
    expect(body).toMatchObject({ renderer: 'gemma4', parser: 'gemma4' });
    expect(body).not.toHaveProperty('requires');
    expect(body).not.toHaveProperty('template');
  });
});

describe('show', () => {
  async function storedOf(modelfile: string) {
    const replies = { 'POST /api/show': { modelfile }, 'GET /api/tags': { models: [] } };
    const { url } = await serving(replies);
    const hash = async function* () {
      yield { type: 'bytes' as const, id: 'hash', done: 0 };
      return digest;
    };
    const runtime = ollamaRuntime({ host: parseHost(url), files: { open: zeroFile, hash }, now: () => 0 });
    return runtime.find('m:t', never);
  }

  test('reports renderer and parser from the lines of the Modelfile', async () => {
    const stored = await storedOf('FROM /x\nTEMPLATE {{ .Prompt }}\nRENDERER gemma4-large\nPARSER gemma4\n');
    expect(stored).toMatchObject({ renderer: 'gemma4-large', parser: 'gemma4' });
  });

  test('takes no line of a quoted text for one', async () => {
    const stored = await storedOf('FROM /x\nSYSTEM """Write\nRENDERER gemma4\n"""\nLICENSE """\nPARSER x\n"""\n');
    expect(stored).not.toHaveProperty('renderer');
    expect(stored).not.toHaveProperty('parser');
  });
});

describe('differences', () => {
  const file = { ref: 'f', path: 'f', sizeBytes: 1 };
  const STORED: StoredModel = {
    name: 'm:t',
    layerDigest: digest,
    architecture: 'gemma4',
    template: '{{ .Prompt }}',
    renderer: 'gemma4-small',
    parser: 'gemma4',
    license: spec.license,
    parameters: 'stop "<turn|>"',
  };
  const differences = (stored: Partial<StoredModel>, version = '0.24.0') =>
    differencesOf(
      { name: 'm:t', file, architecture: 'gemma4', spec },
      digest,
      { ...STORED, ...stored },
      serverFacts(version),
    );

  test('the template that a server shows beside a built-in format is none', () => {
    expect(differences({})).toEqual([]);
    expect(differences({ template: '{% x %}' })).toEqual([]);
  });

  test('another renderer or parser is one', () => {
    expect(differences({ renderer: 'gemma4' })).toEqual([
      expect.stringContaining('chat format as gemma4, not gemma4-small'),
    ]);
    expect(differences({ parser: 'x' })).toEqual([expect.stringContaining('parser of answers as x, not gemma4')]);
  });

  test('the older name is what an older server was sent', () => {
    expect(differences({ renderer: 'gemma4' }, '0.20.7')).toEqual([]);
  });
});

describe('the facts of a plan', () => {
  const source = 'test';
  const large = { id: 'large', chat: { ollama: { renderer: 'gemma4-large', parser: 'gemma4' }, source } };

  test('refuse a model that the server would prompt wrongly', () => {
    expect(ollamaFacts('0.20.7').refusal('gemma4', large)?.reason).toContain('0.21.0');
    expect(ollamaFacts('0.24.0').refusal('gemma4', large)).toBeUndefined();
    expect(ollamaFacts('0.24.0').refusal('gemma4', { ...large, addsBos: true })?.remedy).toContain('0.30.0');
  });

  test('refuse a model that needs a newer server than its architecture', () => {
    const row = { software: 'Ollama', version: '0.30.3', why: 'first version that runs it', source };
    expect(ollamaFacts('0.30.2').refusal('gemma4', { ...large, minimumVersions: [row] })).toMatchObject({
      reason: expect.stringContaining('large needs Ollama 0.30.3'),
    });
    expect(ollamaFacts('0.30.3').refusal('gemma4', { ...large, minimumVersions: [row] })).toBeUndefined();
  });

  test('the architecture comes first', () => {
    expect(ollamaFacts('0.19.0').refusal('gemma4', large)?.reason).toContain('does not support gemma4');
  });
});
