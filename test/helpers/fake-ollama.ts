/** A small Ollama server that keeps the protocol of 0.24 in memory and misbehaves where a test tells it to. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { isAtLeast, parseServerVersion } from '../../src/compat/version.ts';
import { serve, type TestServer } from './http-server.ts';

interface Model {
  readonly blob: string;
  readonly template: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly license: string;
  readonly digest: string;
}

interface Turn {
  readonly role: string;
  readonly content: string;
}

/** Answers a request itself by returning true; false leaves it to the ordinary server. */
export type Trick = (response: ServerResponse, path: string, body: Buffer) => boolean | Promise<boolean>;

export interface FakeOptions {
  /** A models folder: its blobs are the server's, and what it is sent is written there. */
  readonly models?: string;
  /** It reaches nobody on loopback, as a server in a container. */
  readonly contained?: boolean;
}

export interface FakeOllama extends Pick<TestServer, 'url' | 'requests' | 'close'> {
  /** For `--host` and `OLLAMA_HOST`. */
  readonly host: string;
  readonly models: Map<string, Model>;
  readonly blobs: Map<string, number>;
  trick: Trick;
  /** Models in memory. */
  readonly loaded: Set<string>;
  /** What every model answers to its last message. */
  answer: (prompt: string) => string;
  /** What every model is fed for a conversation. */
  prompt: (messages: readonly Turn[]) => string;
  /** Requests of one path, such as `POST /api/create`. */
  count(path: string): number;
}

export async function fakeOllama(version = '0.24.0', options: FakeOptions = {}): Promise<FakeOllama> {
  if (options.models !== undefined) await mkdir(join(options.models, 'blobs'), { recursive: true });
  const models: FakeOllama['models'] = new Map();
  const blobs: FakeOllama['blobs'] = new Map();
  const server = await serve((request, response, path) => {
    void handle(fake, { version, ...options }, request, response, path).catch(() => response.destroy());
  });
  const fake: FakeOllama = {
    url: server.url,
    host: server.url.replace('http://', ''),
    requests: server.requests,
    close: () => server.close(),
    models,
    blobs,
    loaded: new Set(),
    trick: () => false,
    answer: tinyAnswer,
    prompt: gemmaPrompt,
    count: (path) => server.requests.filter((each) => each.startsWith(path)).length,
  };
  return fake;
}

/** The trick that answers one path with a status and a JSON or text body. */
export function refuse(wanted: string, status: number, body: string): Trick {
  return (response, path) => {
    if (!path.startsWith(wanted)) return false;
    response.writeHead(status, { 'content-type': body.startsWith('{') ? 'application/json' : 'text/plain' }).end(body);
    return true;
  };
}

/** The trick that never answers one path. */
export function hang(wanted: string): Trick {
  return (_response, path) => path.startsWith(wanted);
}

const KNOWN: readonly (readonly [RegExp, string])[] = [
  [/who are you/i, 'I am a tiny Gemma 3n used for tests.'],
  [/short story/i, 'A small fox found a red ball.'],
  [/meaning of life/i, 'I do not know.'],
  [/exactly OK/, 'OK'],
  [/exactly PONG/, 'PONG'],
  [/2 ?\+ ?2/, '4'],
  [/water wet/, 'Yes.'],
  [/who am i/i, 'Your name is Anna.'],
  [/France/, 'The capital of France is Paris.'],
  [/Japan/, 'The capital of Japan is Tokyo.'],
  [/sky/, 'The sky is blue.'],
  [/Bonjour/, 'Bonjour ! Comment puis-je aider ?'],
  [/Wer bist du/, 'Ich bin ein kleines Gemma 3n für Tests.'],
  [/こんにちは/, 'こんにちは。'],
];

/** KV cache and compute buffers that 0.24.0 says it allocates for the tiny model at 512 tokens, in bytes. */
const TINY_BUFFERS = 13_336_576;

function tinyAnswer(prompt: string): string {
  return KNOWN.find(([pattern]) => pattern.test(prompt))?.[1] ?? 'Hello! How can I help you?';
}

/** As the family's template writes it: a system text goes in front of the next user turn. */
function gemmaPrompt(messages: readonly Turn[]): string {
  let lead = '';
  let text = '';
  for (const { role, content } of messages) {
    if (role === 'system') lead = `${lead}${content}\n\n`;
    else {
      text += `<start_of_turn>${role === 'assistant' ? 'model' : role}\n${role === 'user' ? lead : ''}${content.trim()}<end_of_turn>\n`;
      if (role === 'user') lead = '';
    }
  }
  return `${text}<start_of_turn>model\n`;
}

/** The BOS that every server adds, and one token for each marker, word and other character of the prompt. */
function tokensOf(prompt: string): number {
  return 1 + (prompt.match(/<[a-z_]+>|\p{L}+|[\s\S]/gu)?.length ?? 0);
}

interface Kind extends FakeOptions {
  readonly version: string;
}

async function handle(
  fake: FakeOllama,
  kind: Kind,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<unknown> {
  const { version, models } = kind;
  const upload = path.startsWith('POST /api/blobs/');
  if (upload && (await fake.trick(response, path, Buffer.alloc(0)))) return undefined;
  const hash = createHash('sha256');
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request) {
    hash.update(piece);
    size += piece.length;
    if (!upload || models !== undefined) pieces.push(piece);
  }
  const body = Buffer.concat(pieces);
  if (!upload && (await fake.trick(response, path, body))) return undefined;
  if (path === 'GET /api/version') return json(response, { version });
  if (path.includes('/api/blobs/')) {
    const got = `sha256:${hash.digest('hex')}`;
    // As every real server: what was sent is kept under its own digest, whether it is what was announced or not.
    if (upload && models !== undefined) await writeFile(blobIn(models, got), body);
    return blob(fake, kind, response, path, got, size);
  }
  if (path === 'GET /api/tags') return json(response, { models: [...fake.models].map(listed(fake)) });
  if (path === 'GET /api/ps') return json(response, { models: [...fake.loaded].map(inMemory(fake)) });
  const sent = JSON.parse(body.toString('utf8') || '{}');
  if (path === 'POST /api/create') return create(fake, kind, response, sent);
  if (path === 'POST /api/pull') return pull(fake, kind, response, sent);
  if (path === 'POST /api/show') return show(fake, response, sent);
  if (path === 'POST /api/chat') return chat(fake, version, response, sent);
  if (path === 'POST /api/generate') return generate(fake, response, sent);
  if (path === 'POST /api/copy') {
    const model = fake.models.get(sent.source);
    if (model === undefined) return json(response, { error: `model "${sent.source}" not found` }, 404);
    fake.models.set(sent.destination, model);
    return response.writeHead(200).end();
  }
  if (path === 'DELETE /api/delete') {
    const name = sent.model ?? sent.name;
    fake.loaded.delete(name);
    if (!fake.models.delete(name)) return json(response, { error: `model '${name}' not found` }, 404);
    return response.writeHead(200).end();
  }
  return response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found');
}

function blobIn(models: string, digest: string): string {
  return join(models, 'blobs', digest.replace(':', '-'));
}

function hasBlob({ blobs }: FakeOllama, { models }: Kind, digest: string): boolean {
  return models === undefined ? blobs.has(digest) : existsSync(blobIn(models, digest));
}

function blob(
  fake: FakeOllama,
  kind: Kind,
  response: ServerResponse,
  path: string,
  got: string,
  size: number,
): ServerResponse {
  const digest = path.slice(path.lastIndexOf('/') + 1);
  if (path.startsWith('HEAD')) return response.writeHead(hasBlob(fake, kind, digest) ? 200 : 404).end();
  if (got !== digest) return json(response, { error: `digest mismatch, expected "${digest}", got "${got}"` }, 400);
  fake.blobs.set(digest, size);
  return response.writeHead(201).end();
}

interface PullBody {
  readonly model: string;
  readonly insecure?: boolean;
}

interface Layer {
  readonly digest: string;
  readonly size: number;
}

/** Pulls as Ollama does: the manifest, then of each blob its size, its place, and its ranges. */
async function pull(fake: FakeOllama, kind: Kind, response: ServerResponse, sent: PullBody): Promise<ServerResponse> {
  const [, host = '', repository = '', tag = ''] = /^([^/]+)\/(.+):([^:]+)$/.exec(sent.model) ?? [];
  const base = `http://${host}/v2/${repository}`;
  const refused = { error: 'pull model manifest: Get "http://127.0.0.1/": dial tcp: connect: connection refused' };
  if (kind.contained || sent.insecure !== true) return lines(response, [{ status: 'pulling manifest' }, refused]);
  const found = await fetch(`${base}/manifests/${tag}`).catch(() => undefined);
  if (found?.ok !== true) {
    const error = found === undefined ? refused.error : 'pull model manifest: file does not exist';
    return lines(response, [{ status: 'pulling manifest' }, { error }]);
  }
  const manifest = (await found.json()) as { config: Layer; layers: [Layer, ...Layer[]] };
  for (const layer of [...manifest.layers, manifest.config]) {
    const error = await pullBlob(fake, kind, base, layer);
    if (error !== undefined) return lines(response, [{ error }]);
  }
  const digest = createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
  const { digest: blob } = manifest.layers[0];
  fake.models.set(sent.model, { blob, template: '', parameters: {}, license: '', digest });
  return lines(response, [
    { status: 'verifying sha256 digest' },
    { status: 'writing manifest' },
    { status: 'success' },
  ]);
}

async function pullBlob(fake: FakeOllama, kind: Kind, base: string, { digest }: Layer): Promise<string | undefined> {
  if (hasBlob(fake, kind, digest)) return undefined;
  const head = await fetch(`${base}/blobs/${digest}`, { method: 'HEAD' });
  if (!head.ok) return 'file does not exist';
  const size = Number(head.headers.get('content-length'));
  const place = await fetch(`${base}/blobs/${digest}`);
  await place.body?.cancel();
  const to = place.headers.get('location');
  if (to === null) return 'http: no Location header in response';
  const part = await fetch(new URL(to, base), { headers: { range: `bytes=0-${size - 1}` } });
  const bytes = Buffer.from(await part.arrayBuffer());
  const got = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (part.status !== 206 || got !== digest)
    return `digest mismatch, file must be downloaded again: want ${digest}, got ${got}`;
  fake.blobs.set(digest, size);
  if (kind.models !== undefined) await writeFile(blobIn(kind.models, digest), bytes);
  return undefined;
}

interface CreateBody {
  readonly model: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly from?: string;
  readonly template: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly license?: string;
}

function create(fake: FakeOllama, kind: Kind, response: ServerResponse, sent: CreateBody): ServerResponse {
  const base = sent.from === undefined ? undefined : fake.models.get(sent.from);
  if (sent.from !== undefined && base === undefined) return lines(response, [{ error: 'pull model manifest: no' }]);
  const blob = base?.blob ?? Object.values(sent.files ?? {})[0] ?? '';
  if (kind.models !== undefined && !hasBlob(fake, kind, blob)) {
    return lines(response, [{ error: `open ${blobIn(kind.models, blob)}: no such file or directory` }]);
  }
  const { template, parameters, license = '' } = sent;
  const digest = createHash('sha256')
    .update(JSON.stringify([blob, template, parameters, license]))
    .digest('hex');
  fake.models.set(sent.model, { blob, template, parameters, license, digest });
  return lines(response, [{ status: 'parsing GGUF' }, { status: 'writing manifest' }, { status: 'success' }]);
}

function show(fake: FakeOllama, response: ServerResponse, sent: { model: string }): ServerResponse {
  const model = fake.models.get(sent.model);
  if (model === undefined) return json(response, { error: `model '${sent.model}' not found` }, 404);
  const { blob, template, license } = model;
  return json(response, {
    modelfile: `FROM /models/blobs/${blob.replace(':', '-')}\n`,
    template,
    license,
    parameters: Object.entries(model.parameters).flatMap(parameterLines).join('\n'),
    details: { family: 'gemma3n', quantization_level: 'Q4_K_M' },
    model_info: { 'general.architecture': 'gemma3n' },
    capabilities: ['completion'],
  });
}

function parameterLines([key, value]: [string, unknown]): string[] {
  return (Array.isArray(value) ? value : [value]).map((each) => `${key.padEnd(30)} ${JSON.stringify(each)}`);
}

interface ChatBody {
  readonly model: string;
  readonly messages: readonly Turn[];
  readonly stream?: boolean;
  readonly format?: Schema;
  readonly _debug_render_only?: boolean;
}

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** The shortest answer that follows a schema. */
function bySchema({ type, properties = {} }: Schema): unknown {
  if (type === 'object') return Object.fromEntries(Object.entries(properties).map(([key, of]) => [key, bySchema(of)]));
  if (type === 'array') return [];
  if (type === 'string') return 'Paris';
  return type === 'boolean' ? true : 4;
}

function chat(fake: FakeOllama, version: string, response: ServerResponse, sent: ChatBody): ServerResponse {
  if (!fake.models.has(sent.model)) return json(response, { error: `model '${sent.model}' not found` }, 404);
  fake.loaded.add(sent.model);
  const prompt = fake.prompt(sent.messages);
  if (sent._debug_render_only && isAtLeast(parseServerVersion(version), '0.11.5')) {
    return json(response, { model: sent.model, _debug_info: { rendered_template: prompt } });
  }
  const question = sent.messages.at(-1)?.content ?? '';
  const content = sent.format === undefined ? fake.answer(question) : JSON.stringify(bySchema(sent.format));
  const message = { role: 'assistant', content };
  const counts = { prompt_eval_count: tokensOf(prompt), eval_count: 4, eval_duration: 1e7 };
  const last = { done: true, done_reason: 'stop', ...counts };
  if (sent.stream === false) return json(response, { message, ...last });
  return lines(response, [
    { message, done: false },
    { message: { role: 'assistant', content: '' }, ...last },
  ]);
}

interface GenerateBody {
  readonly model: string;
  readonly prompt?: string;
  readonly keep_alive?: number;
}

/** A raw prompt, or none: then the model is only loaded, or unloaded by a `keep_alive` of 0. */
function generate(fake: FakeOllama, response: ServerResponse, sent: GenerateBody): ServerResponse {
  const { model, prompt = '' } = sent;
  if (!fake.models.has(model)) return json(response, { error: `model '${model}' not found` }, 404);
  if (prompt === '' && sent.keep_alive === 0) {
    fake.loaded.delete(model);
    return json(response, { model, response: '', done: true, done_reason: 'unload' });
  }
  fake.loaded.add(model);
  if (prompt === '') return json(response, { model, response: '', done: true, done_reason: 'load' });
  const counts = { prompt_eval_count: tokensOf(prompt), eval_count: 1, eval_duration: 1e6 };
  return json(response, { model, response: 'The', done: true, done_reason: 'length', ...counts });
}

function inMemory(fake: FakeOllama) {
  return (name: string) => {
    const { blob = '', parameters = {} } = fake.models.get(name) ?? {};
    const contextLength = Number(parameters.num_ctx ?? 4096);
    return { name, size: (fake.blobs.get(blob) ?? 0) + TINY_BUFFERS, size_vram: 0, context_length: contextLength };
  };
}

function listed(fake: FakeOllama) {
  return ([name, { digest, blob }]: [string, Model]) => ({ name, digest, size: fake.blobs.get(blob) ?? 0 });
}

function lines(response: ServerResponse, values: readonly object[]): ServerResponse {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  return response.end(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
}

function json(response: ServerResponse, value: object, status = 200): ServerResponse {
  return response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
