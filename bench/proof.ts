/**
 * What the proof of the prompt adds to a smoke run, counted on the wire, not believed: requests and generated tokens,
 * for each kind of knowledge that a proof starts from: OLLAMA_BIN=… node bench/proof.ts, or OLLAMA_HOST=…
 * Goals: at most 6 requests and at most 8 generated tokens.
 */

import { randomBytes } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cagedFile, createCage, forkCaged } from '../src/cage/cage.ts';
import { digestOf } from '../src/core/digest.ts';
import { drive } from '../src/core/progress.ts';
import { realDisk } from '../src/disk/disk.ts';
import { createHttp } from '../src/net/client.ts';
import type { Http } from '../src/net/http.ts';
import { parseHost } from '../src/runtimes/ollama/host.ts';
import { type OllamaRuntime, ollamaRuntime } from '../src/runtimes/ollama/runtime.ts';
import { countedChat, prove } from '../src/smoke/prompt/prove.ts';
import type { ProveRequest } from '../src/smoke/prompt/request.ts';
import { runSuite } from '../src/smoke/run.ts';
import { loadBuiltInSuite } from '../src/smoke/suite.ts';
import { startOllama, whyNoOllama } from '../test/helpers/ollama-server.ts';

const GOAL = { requests: 6, tokens: 8 } as const;
const STOP = '<end_of_turn>';
const root = join(import.meta.dirname, '..');
const signal = new AbortController().signal;

interface Tally {
  requests: number;
  /** Tokens that the server says it generated. */
  tokens: number;
}

/** Counts what goes over the wire; every reply of a model ends with a line that has `eval_count`. */
function counting(http: Http, tally: Tally): Http {
  return async (request) => {
    tally.requests += 1;
    const reply = await http(request);
    return { ...reply, close: () => reply.close(), body: reading(reply.body, tally) };
  };
}

/** Counts before a piece is handed on: a reader that has the last line asks for nothing more. */
async function* reading(body: AsyncIterable<Uint8Array>, tally: Tally): AsyncGenerator<Uint8Array> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of body) {
    const before = tokensIn(text);
    text += decoder.decode(piece, { stream: true });
    tally.tokens += tokensIn(text) - before;
    yield piece;
  }
}

function tokensIn(text: string): number {
  return [...text.matchAll(/"eval_count":(\d+)\D/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function main(): Promise<boolean> {
  const server = await startOllama();
  const tally: Tally = { requests: 0, tokens: 0 };
  const name = `gemma-provision-bench:proof-${randomBytes(4).toString('hex')}`;
  const runtime = ollamaRuntime({
    host: parseHost(server.host),
    files: {
      open: (path) => open(path),
      async *hash({ path }) {
        yield { type: 'bytes', id: 'hash', done: 0 };
        return digestOf(await readFile(path));
      },
    },
    now: () => performance.now(),
    http: counting(createHttp({ env: {} }).http, tally),
  });
  try {
    const { version } = await runtime.identify(signal);
    return await measure(runtime, name, tally, version);
  } finally {
    await runtime.remove(name, signal);
    await runtime.close();
    await cage.close();
    await server.stop();
  }
}

/** One for the whole run. */
const cage = createCage(forkCaged(cagedFile(root)));

async function measure(runtime: OllamaRuntime, name: string, tally: Tally, version: string): Promise<boolean> {
  const stored = await create(runtime, name);
  const suite = await loadBuiltInSuite(realDisk, join(root, 'catalog/suites'), 'tiny-gemma-3n', { cage, signal });
  const reset = (): void => void Object.assign(tally, { requests: 0, tokens: 0 });

  reset();
  const chat = runtime.chat.bind(runtime);
  const smoke = await drive(runSuite({ cage, suite, chat, name, stop: [STOP], templateMarkers: [], signal }), () => {});
  console.log(`Ollama ${version}\n${'run'.padEnd(44)} requests  tokens  verdict`);
  report(`smoke ${suite.id}`, tally, `${smoke.passed} passed, ${smoke.failed} failed`);

  const base: ProveRequest = {
    runtime,
    cage,
    stored,
    reference: { source: await readFile(join(root, 'templates/chat/gemma.jinja'), 'utf8'), from: 'catalog' },
    tokens: { bos: '<bos>', stop: [STOP] },
  };
  const counted = countedChat(suite, smoke);
  const cases: [string, Partial<ProveRequest>][] = [
    ['proof, file read and a chat counted', { addsBos: true, ...(counted && { counted }) }],
    ['proof, file not read', { ...(counted && { counted }) }],
    ['proof, no chat counted', { addsBos: true }],
    ['proof, neither', {}],
  ];
  let met = true;
  for (const [title, known] of cases) {
    reset();
    const { verdict } = await drive(prove({ ...base, ...known }, signal), () => {});
    report(title, tally, verdict);
    met &&= tally.requests <= GOAL.requests && tally.tokens <= GOAL.tokens;
  }
  console.log(`goal: ${GOAL.requests} requests, ${GOAL.tokens} tokens: ${met ? 'met' : 'MISSED'}`);
  return met;
}

async function create(runtime: OllamaRuntime, name: string): Promise<ProveRequest['stored']> {
  const path = join(root, 'models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf');
  const template = await readFile(join(root, 'templates/chat/gemma.gotmpl'), 'utf8');
  const spec = {
    templateName: 'gemma',
    template,
    templateDigest: digestOf(template),
    profile: 'bench',
    parameters: { stop: [STOP], temperature: 0, num_ctx: 1024, num_thread: 1 },
    license: 'Apache-2.0',
  };
  const file = { ref: path, path, sizeBytes: (await stat(path)).size };
  const result = await drive(runtime.store({ name, file, architecture: 'gemma3n', spec }, signal), () => {});
  return result.stored;
}

function report(title: string, { requests, tokens }: Tally, verdict: string): void {
  console.log(`${title.padEnd(44)} ${String(requests).padStart(8)}  ${String(tokens).padStart(6)}  ${verdict}`);
}

const reason = whyNoOllama();
if (reason !== undefined) {
  console.error(`This measures against a real server: ${reason}.`);
  process.exitCode = 2;
} else if (!(await main())) {
  process.exitCode = 1;
}
