/**
 * The effective prompt on a real server. Defects are planted by raw HTTP, in the template, the parameters or the file,
 * and each must be found by its name.
 */

import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { verdictFor } from '../../../src/compat/verdict.ts';
import { isAtLeast, parseServerVersion } from '../../../src/compat/version.ts';
import { digestOf } from '../../../src/core/digest.ts';
import { drive } from '../../../src/core/progress.ts';
import { parseHost } from '../../../src/runtimes/ollama/host.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../../src/runtimes/ollama/runtime.ts';
import { prove } from '../../../src/smoke/prompt/prove.ts';
import type { ProveRequest } from '../../../src/smoke/prompt/request.ts';
import type { PromptProof } from '../../../src/smoke/prompt/schema.ts';
import { openCage } from '../../helpers/cage.ts';
import { never } from '../../helpers/failure.ts';
import { withBool, withoutKey, withString } from '../../helpers/gguf-edit.ts';
import { type OllamaServer, startOllama, whyNoOllama } from '../../helpers/ollama-server.ts';
import { collect } from '../../helpers/runtime-fakes.ts';

const skipped = whyNoOllama();
const SLOW = { timeout: 240_000 };
const root = new URL('../../../', import.meta.url);
const text = (path: string) => readFile(new URL(path, root), 'utf8');

/** Set up before the tests are collected, since what they expect depends on the server's version. */
const server: OllamaServer | undefined = skipped === undefined ? await startOllama() : undefined;
const runtime: OllamaRuntime | undefined = server && runtimeAt(server);
const version = (await runtime?.identify(never))?.version ?? '';
const parsed = parseServerVersion(version);
const runs = verdictFor({ architecture: 'gemma3n', version }).ok;
const shows = isAtLeast(parsed, '0.11.5');
const tellsContext = isAtLeast(parsed, '0.10.0');
/** From here on a BOS in front of a text is stripped, and the file's own Jinja may win. */
const modern = isAtLeast(parsed, '0.30.0');

const tag = randomBytes(4).toString('hex');
/** Names of all models. Removed together: a server prunes blobs a moment later, when the next test may need them. */
const names: string[] = [];
const STOP = '<end_of_turn>';
const ADD_BOS = 'tokenizer.ggml.add_bos_token';
let model: Buffer;
let go: string;
let jinja: string;

beforeAll(async () => {
  model = await readFile(new URL('models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf', root));
  go = await text('templates/chat/gemma.gotmpl');
  jinja = await text('test/fixtures/templates/tiny-gemma-3n.jinja');
});

afterEach(async () => {
  // The same weights stay loaded under the name of an earlier test, of which the server then tells.
  for (const name of names.slice(-2)) await runtime?.unload?.(name, never);
});

afterAll(async () => {
  for (const name of names) await runtime?.remove(name, never);
  await runtime?.close();
  await server?.stop();
}, 60_000);

function runtimeAt({ host }: OllamaServer): OllamaRuntime {
  return ollamaRuntime({
    host: parseHost(host),
    files: {
      open: (path) => open(path),
      async *hash({ path }) {
        yield { type: 'bytes', id: 'hash', done: 0 };
        return digestOf(await readFile(path));
      },
    },
    now: () => performance.now(),
  });
}

interface Planted {
  readonly file?: Buffer;
  readonly template?: string;
  readonly parameters?: Record<string, unknown>;
  readonly request?: Partial<ProveRequest>;
  /** What the file says of BOS; undefined for a file that nobody could read. */
  readonly addsBos?: boolean | undefined;
  readonly uncounted?: boolean;
}

/** Creates a model by raw HTTP, has its tokens counted by one chat as a smoke run does, and proves it. */
async function proofOf(planted: Planted = {}): Promise<PromptProof> {
  const { file = model, template = go, parameters, request, uncounted } = planted;
  const addsBos = 'addsBos' in planted ? planted.addsBos : true;
  if (runtime === undefined) throw new Error('no server');
  const name = `gemma-provision-test:proof-${tag}-${names.length}`;
  names.push(name);
  await create(name, file, template, { stop: [STOP], temperature: 0, num_ctx: 512, num_thread: 1, ...parameters });
  const stored = await runtime.find(name, never);
  if (stored === undefined) throw new Error('not created');
  const messages = [{ role: 'user', content: 'What is the capital of France?' }] as const;
  const { result } = await collect(runtime.chat({ name, messages, options: { num_predict: 1 } }, never));
  const work = prove(
    {
      runtime,
      cage: openCage,
      stored,
      reference: { source: jinja, from: 'file' },
      tokens: { bos: '<bos>', stop: [STOP] },
      sentTemplate: template,
      ...(addsBos !== undefined && { addsBos }),
      ...(!uncounted && { counted: { messages, promptTokens: result.promptTokens } }),
      ...request,
    },
    never,
  );
  const proof = await drive(work, () => {});
  expect(proof.requests).toBeLessThanOrEqual(6);
  expect(proof.generatedTokens).toBeLessThanOrEqual(8);
  return proof;
}

async function create(
  name: string,
  file: Buffer,
  template: string,
  parameters: Record<string, unknown>,
): Promise<void> {
  const digest = digestOf(file);
  await post(`/api/blobs/${digest}`, new Uint8Array(file));
  const reply = await post(
    '/api/create',
    JSON.stringify({ model: name, files: { 'model.gguf': digest }, template, parameters, stream: false }),
  );
  expect(reply).toContain('success');
}

async function post(path: string, body: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const reply = await fetch(`http://${server?.host}${path}`, { method: 'POST', body });
  const said = await reply.text();
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${said}`);
  return said;
}

/** Names of findings, without what this server cannot tell. */
function faultsOf({ findings }: PromptProof): string[] {
  return findings.filter(({ severity }) => severity === 'fault').map(({ id }) => id);
}

const because = (reason: string | undefined) => (reason === undefined ? '' : ` (skipped: ${reason})`);
const tooOld = skipped ?? (runs ? undefined : `Ollama ${version} has no gemma3n`);

describe.skipIf(tooOld !== undefined)(`the effective prompt on a real Ollama${because(tooOld)}`, () => {
  test('is proven for the template that we ship', SLOW, async () => {
    const proof = await proofOf();
    expect(proof).toMatchObject({
      verdict: shows ? 'proven' : 'proven-by-count',
      bosCount: 1,
      stop: [STOP],
      winner: 'template',
      context: { wanted: 512, ...(tellsContext && { inForce: 512 }) },
    });
    expect(proof.findings.map(({ id }) => id)).toEqual(tellsContext ? [] : ['not-provable']);
    expect(proof.shapes.map(({ id }) => id)).toEqual(
      shows ? ['user', 'system-user', 'multi-turn', 'markers'] : ['user', 'multi-turn'],
    );
    expect(proof.shapes[0]?.tokens).toEqual({ effective: 18, expected: 18 });
  });

  test('is proven where nobody read the file and no chat was counted', SLOW, async () => {
    const proof = await proofOf({ addsBos: undefined, uncounted: true });
    expect(proof).toMatchObject({ verdict: 'proven-by-count', bosCount: 1 });
  });

  test('a BOS in the template is doubled, unless the server strips it', SLOW, async () => {
    const proof = await proofOf({ template: `<bos>${go}` });
    expect(faultsOf(proof)).toEqual(modern ? [] : ['double-bos']);
    expect(proof.bosCount).toBe(modern ? 1 : 2);
    if (!shows || modern) return;
    expect(proof.shapes[0]?.difference).toMatchObject({
      at: 6,
      effective: expect.stringMatching(/^bos><start_of_turn>user\n/),
      expected: expect.stringMatching(/^start_of_turn>user\n/),
    });
  });

  test('a BOS is doubled on every version where the file does not say that the tokenizer adds one', SLOW, async () => {
    const file = withoutKey(model, ADD_BOS);
    const proof = await proofOf({ file, template: `<bos>${go}`, addsBos: undefined });
    expect(faultsOf(proof)).toEqual(['double-bos']);
    expect(proof.bosCount).toBe(2);
  });

  test('no BOS at all', SLOW, async () => {
    const file = withBool(model, ADD_BOS, false);
    expect(await proofOf({ file, addsBos: false })).toMatchObject({ verdict: 'differs', bosCount: 0 });
    const wrongly = await proofOf({ file, template: `<bos>${go}`, addsBos: false });
    expect([faultsOf(wrongly), wrongly.bosCount]).toEqual([[], 1]);
  });

  test('a stop token that is missing', SLOW, async () => {
    const proof = await proofOf({ parameters: { stop: ['<eos>'] } });
    expect(faultsOf(proof)).toEqual(['missing-stop']);
    expect(proof.stop).toEqual(['<eos>']);
  });

  test('a wrong role name', SLOW, async () => {
    const proof = await proofOf({ template: go.replaceAll('>model\n', '>assistant\n') });
    expect(faultsOf(proof)).toEqual(['wrong-role']);
    expect(proof.findings.map(({ message }) => message)).toContainEqual(expect.stringMatching(/"assistant".*"model"/));
  });

  test('a system text that gets lost', SLOW, async () => {
    const lossy = go.replace('{{ $lead = printf "%s%s\\n\\n" $lead .Content }}', '');
    expect(lossy).not.toBe(go);
    expect(faultsOf(await proofOf({ template: lossy }))).toEqual(['system-lost']);
  });

  test('another family’s template', SLOW, async () => {
    const chatml =
      '{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n';
    const proof = await proofOf({ template: chatml });
    expect(faultsOf(proof)).toEqual([shows ? 'template-differs' : 'token-count-differs']);
    if (shows) expect(proof.effective).toContain('<|im_start|>user');
  });

  test('a context that the model does not have', SLOW, async () => {
    const proof = await proofOf({ parameters: { num_ctx: 4096 } });
    expect(proof.context).toEqual({ wanted: 4096, ...(tellsContext && { inForce: expect.any(Number) }) });
    const shorter = (proof.context.inForce ?? 4096) < 4096;
    expect(faultsOf(proof)).toEqual(shorter ? ['context-shorter'] : []);
  });

  test('a template that the file’s own Jinja swallows', SLOW, async () => {
    const tools = '{%- if tools -%}{{- tools | tojson -}}{%- endif -%}';
    const own = jinja + tools;
    const file = await withString(model, 'tokenizer.chat_template', own);
    const harmless = await proofOf({ file, request: { reference: { source: own, from: 'file' } } });
    expect(harmless.winner).toBe(modern ? 'jinja' : 'template');
    expect(harmless.findings.map(({ id, severity }) => `${id} ${severity}`)).toEqual([
      ...(modern ? ['template-swallowed warning'] : []),
      ...(tellsContext ? [] : ['not-provable warning']),
    ]);
    const strange = await withString(model, 'tokenizer.chat_template', own.replaceAll('>model\\n', '>assistant\\n'));
    expect(faultsOf(await proofOf({ file: strange }))).toEqual(modern ? ['template-swallowed', 'wrong-role'] : []);
  });
});
