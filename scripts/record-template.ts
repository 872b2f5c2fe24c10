/**
 * Records what a real Ollama server makes of templates/chat/gemma.gotmpl, for test/unit/modelfile/template.test.ts.
 *
 *   OLLAMA_HOST=http://127.0.0.1:11434 node scripts/record-template.ts MODEL
 *
 * MODEL is any model on that server (its weights are loaded, but nothing is generated). The server must know
 * `_debug_render_only`: 0.11.5 or later. A model `gemma-provision-recording` is made from it and removed again.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { digestOf } from '../src/core/digest.ts';

interface Shape {
  readonly id: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

const TEMPLATE = new URL('../templates/chat/gemma.gotmpl', import.meta.url);
const SHAPES = new URL('../test/fixtures/templates/shapes.json', import.meta.url);
const OUT = new URL('../test/fixtures/templates/rendered.json', import.meta.url);
const NAME = 'gemma-provision-recording';

const host = process.env.OLLAMA_HOST ?? 'http://127.0.0.1:11434';
const endpoint = host.includes('://') ? host : `http://${host}`;
const from = process.argv[2];
if (from === undefined) throw new Error('usage: OLLAMA_HOST=… node scripts/record-template.ts MODEL');

const template = (await readFile(TEMPLATE, 'utf8')).replaceAll('\r\n', '\n');
const { shapes } = JSON.parse(await readFile(SHAPES, 'utf8')) as { shapes: Shape[] };
const version = (await call('GET', '/api/version')).version;
await call('POST', '/api/create', { model: NAME, from, template, stream: false });
try {
  const chat: Record<string, string> = {};
  for (const { id, messages } of shapes) chat[id] = await rendered('/api/chat', { messages });
  const generate = {
    plain: await rendered('/api/generate', { prompt: ' Who are you?\n' }),
    system: await rendered('/api/generate', { prompt: 'Who are you?', system: 'Be brief.' }),
  };
  const record = { template: 'gemma', templateDigest: digestOf(template), server: `Ollama ${version}`, chat, generate };
  await writeFile(OUT, `${JSON.stringify(record, null, 2)}\n`);
  console.log(`recorded ${shapes.length + 2} prompts of Ollama ${version}`);
} finally {
  await call('DELETE', '/api/delete', { model: NAME });
}

async function rendered(path: string, body: object): Promise<string> {
  const reply = await call('POST', path, { model: NAME, ...body, stream: false, _debug_render_only: true });
  const text = reply._debug_info?.rendered_template;
  if (typeof text !== 'string') throw new Error(`${endpoint} (${version}) does not know _debug_render_only`);
  return text;
}

interface Reply {
  readonly version?: string;
  readonly _debug_info?: { readonly rendered_template?: string };
}

async function call(method: string, path: string, body?: object): Promise<Reply> {
  const response = await fetch(endpoint + path, { method, ...(body && { body: JSON.stringify(body) }) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === '' ? {} : JSON.parse(text)) as Reply;
}
