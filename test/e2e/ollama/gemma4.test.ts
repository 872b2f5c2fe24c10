/**
 * Gemma 4 on a real server, with random models made for the test: both shapes are created, load and say something, and the
 * prompt that the server writes is compared with the templates of this repository. Answers are noise, so no smoke suite is run.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { serverFacts } from '../../../src/compat/lookup.ts';
import { verdictFor } from '../../../src/compat/verdict.ts';
import { digestOf } from '../../../src/core/digest.ts';
import { drive } from '../../../src/core/progress.ts';
import type { ModelSpec } from '../../../src/modelfile/schema.ts';
import type { StoreResult, TransferWay } from '../../../src/runtimes/contract.ts';
import { parseHost } from '../../../src/runtimes/ollama/host.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../../src/runtimes/ollama/runtime.ts';
import { prove } from '../../../src/smoke/prompt/prove.ts';
import type { PromptProof } from '../../../src/smoke/prompt/schema.ts';
import { openCage } from '../../helpers/cage.ts';
import { type Home, makeHome } from '../../helpers/cli.ts';
import { never } from '../../helpers/failure.ts';
import { type Gemma4Size, gemma4Model } from '../../helpers/gemma4-model.ts';
import { type OllamaServer, startOllama, whyNoOllama } from '../../helpers/ollama-server.ts';
import { collect } from '../../helpers/runtime-fakes.ts';

const skipped = whyNoOllama();
const SLOW = { timeout: 240_000 };
const SIZES = ['small', 'large'] as const;

/** Set up before the tests are collected, since what they expect depends on the server's version. */
const server: OllamaServer | undefined = skipped === undefined ? await startOllama() : undefined;
const runtime: OllamaRuntime | undefined = server && runtimeAt(server);
const version = (await runtime?.identify(never))?.version ?? '';
const facts = serverFacts(version);
const runs =
  verdictFor({ architecture: 'gemma4', version }).ok && facts.renderers.get('gemma4-large') === 'gemma4-large';
const stripsBos = facts.capabilities.has('bos-stripped');

const tag = randomBytes(4).toString('hex');
const names: string[] = [];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gemma4-'));
});

afterEach(async () => {
  for (const name of names.slice(-2)) await runtime?.unload?.(name, never);
});

afterAll(async () => {
  for (const name of names) await runtime?.remove(name, never);
  await runtime?.close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
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

/** The repository's template of a size, which is also the one in the file. */
async function templateOf(size: Gemma4Size): Promise<string> {
  return readFile(`templates/chat/gemma4-${size}.jinja`, 'utf8');
}

async function specOf(size: Gemma4Size): Promise<ModelSpec> {
  const template = await templateOf(size);
  return {
    templateName: `gemma4-${size}`,
    template,
    templateDigest: digestOf(template),
    builtIn: { renderer: `gemma4-${size}`, parser: 'gemma4', requires: '0.21.0' },
    profile: 'google',
    parameters: { temperature: 0, num_ctx: 1024, stop: ['<turn|>'] },
    license: 'Apache-2.0',
  };
}

/** A name that says nothing about the size, as staging names of models with other ids may. */
function newName(text: string): string {
  const name = `gemma-provision-test:${tag}-${text}`;
  names.push(name);
  return name;
}

/** What servers before 0.30 need: a file whose tokenizer leaves the BOS to the prompt. */
async function fileOf(size: Gemma4Size, addBos = stripsBos): Promise<{ path: string; sizeBytes: number }> {
  const bytes = gemma4Model(size, { template: await templateOf(size), addBos });
  const path = join(folder, `${size}-${addBos}.gguf`);
  await writeFile(path, bytes);
  return { path, sizeBytes: bytes.length };
}

async function store(size: Gemma4Size, name: string, options: { addBos?: boolean; way?: TransferWay } = {}) {
  const { path, sizeBytes } = await fileOf(size, options.addBos);
  const request = {
    name,
    file: { ref: path, path, sizeBytes },
    architecture: 'gemma4',
    spec: await specOf(size),
    ...(options.way !== undefined && { way: options.way }),
  };
  return drive((runtime ?? expect.fail()).store(request, never), () => undefined);
}

/** As another tool would create it: by raw HTTP, from a file that the server has. */
async function plant(name: string, size: Gemma4Size, fields: object): Promise<void> {
  const { uploadedDigest } = await store(size, newName(`${size}-for-plant`));
  const body = { model: name, files: { 'model.gguf': uploadedDigest }, stream: false, ...fields };
  const reply = await fetch(`http://${server?.host}/api/create`, { method: 'POST', body: JSON.stringify(body) });
  const text = await reply.text();
  if (!reply.ok || text.includes('"error"')) throw new Error(`${reply.status} ${text}`);
}

async function proofOf(name: string, size: Gemma4Size): Promise<PromptProof> {
  const on = runtime ?? expect.fail();
  const stored = (await on.find(name, never)) ?? expect.fail(`${name} is not there`);
  // The tokens of one chat are known from the smoke run that a proof follows.
  const messages = [{ role: 'user', content: 'What is the capital of France?' }] as const;
  const { result } = await collect(on.chat({ name, messages, options: { num_predict: 1 } }, never));
  const request = {
    cage: openCage,
    counted: { messages, promptTokens: result.promptTokens },
    ...(stored.addsBos !== undefined && { addsBos: stored.addsBos }),
    runtime: on,
    stored,
    tokens: { bos: '<bos>', stop: ['<turn|>'] },
    reference: { source: await templateOf(size), from: 'catalog' as const },
  };
  return drive(prove(request, never), () => undefined);
}

function faults({ findings }: PromptProof): string[] {
  return findings.filter(({ severity }) => severity === 'fault').map(({ id }) => id);
}

describe.skipIf(server === undefined || !runs)(`Gemma 4 on Ollama ${version || `(${skipped})`}`, SLOW, () => {
  describe.each(SIZES)('a model of the %s shape', (size) => {
    const name = newName(`plain-${size}`);
    let result: StoreResult;

    beforeAll(async () => {
      result = await store(size, name);
    }, 120_000);

    test('is created with the renderer and the parser of its size', async () => {
      expect(result.stored).toMatchObject({ renderer: `gemma4-${size}`, parser: 'gemma4', stop: ['<turn|>'] });
      expect(result.differences.filter((text) => !text.includes('rewrote the file'))).toEqual([]);
    });

    test('loads and answers, without thoughts', async () => {
      const messages = [{ role: 'user', content: 'Hello!' }] as const;
      const answer = await collect(
        (runtime ?? expect.fail()).chat({ name, messages, options: { num_predict: 8 } }, never),
      );
      expect(answer.result).toMatchObject({ endedBy: 'length', answerTokens: 8 });
      expect(answer.result.text).not.toMatch(/<\||\|>/);
      expect(answer.result.text.length).toBeGreaterThan(0);
    });

    test('its prompt is the one of the reference, to the byte and with one BOS', async () => {
      const proof = await proofOf(name, size);
      expect(proof).toMatchObject({ verdict: 'proven', bosCount: 1, winner: 'built-in', findings: [] });
      expect(proof.shapes.map(({ verdict }) => verdict)).toEqual(proof.shapes.map(() => 'equal'));
    });

    test('a copy under any other name gets the same prompt', async () => {
      const copy = newName(size === 'large' ? 'copy-e4b' : 'copy-31b');
      await runtime?.copy(name, copy, never);
      expect(await proofOf(copy, size)).toMatchObject({ verdict: 'proven', findings: [] });
    });
  });

  test.each([...facts.capabilities].includes('helper-programs') ? (['loopback-pull'] as const) : [])(
    'keeps its renderer when it is brought in by %s',
    async (way) => {
      const name = newName(way);
      const { stored } = await store('large', name, { way });
      expect(stored).toMatchObject({ renderer: 'gemma4-large', parser: 'gemma4' });
      expect(await proofOf(name, 'large')).toMatchObject({ verdict: 'proven', findings: [] });
    },
  );

  describe('the command line', () => {
    let home: Home;
    const suite = 'loads.json';

    beforeAll(async () => {
      home = makeHome();
      const check = { id: 'loads', level: 'loads', title: 'Loads', messages: [{ role: 'user', content: 'Hi' }] };
      const checks = [{ ...check, judges: [], maxTokens: 4 }];
      await writeFile(join(folder, suite), JSON.stringify({ schemaVersion: 1, id: 'loads', title: 'Loads', checks }));
    });

    afterAll(() => home.remove());

    const install = async (name: string, addBos?: boolean) => {
      const { path } = await fileOf('large', addBos);
      const flags = ['--from', path, '--name', name, '--suite', join(folder, suite), '--host', server?.host ?? ''];
      return home.json('install', flags);
    };

    test('installs a large model under a name of the user’s own, with a proven prompt', async () => {
      const name = newName('of-my-own');
      const { code, data } = await install(name);
      expect(code).toBe(0);
      expect(data?.prompt).toMatchObject({ verdict: 'proven', winner: 'built-in', bosCount: 1 });
      const shown = await home.json('show', [name, '--host', server?.host ?? '']);
      expect(shown.data?.records[0]?.template.builtIn).toEqual({
        renderer: 'gemma4-large',
        parser: 'gemma4',
        requires: '0.21.0',
        thoughts: { opens: '<|channel>thought', closes: '<channel|>' },
      });
      expect((await home.json('verify', [name, '--host', server?.host ?? ''])).code).toBe(0);
    });

    test.skipIf(stripsBos)(
      'refuses a file that would begin with two BOS tokens, before anything is stored',
      async () => {
        const name = newName('two-bos');
        const { code, error } = await install(name, true);
        expect([code, error?.code]).toEqual([13, 'runtime-too-old']);
        expect(error?.message).toContain('add_bos_token');
        expect(await runtime?.find(name, never)).toBeUndefined();
      },
    );
  });

  test('what the server chooses by itself is wrong for a large model whose name has no size', async () => {
    const name = newName('by-itself');
    await plant(name, 'large', { parameters: { num_ctx: 1024 } });
    const proof = await proofOf(name, 'large');
    expect(proof.verdict).toBe('differs');
    expect(faults(proof)).toEqual(expect.arrayContaining(['template-differs', 'renderer-by-name']));
    const differing = proof.shapes.map(({ difference }) => difference?.expected ?? '');
    expect(differing[0]).toContain('<|channel>thought');
  });

  test('and right, with a warning, for one whose name has it', async () => {
    const name = newName('31b-by-itself');
    await plant(name, 'large', { parameters: { num_ctx: 1024 } });
    const proof = await proofOf(name, 'large');
    expect(proof.verdict).toBe('proven');
    expect(proof.findings).toMatchObject([{ id: 'renderer-by-name', severity: 'warning' }]);
  });

  test('a TEMPLATE has no effect', async () => {
    const name = newName('with-template');
    await plant(name, 'small', { template: 'nonsense {{ .Prompt }}', parameters: { num_ctx: 1024 } });
    const proof = await proofOf(name, 'small');
    expect(proof.shapes.map(({ verdict }) => verdict)).toEqual(proof.shapes.map(() => 'equal'));
  });

  test('a file whose tokenizer adds a BOS', async () => {
    const name = newName('adds-bos');
    await store('large', name, { addBos: true });
    const proof = await proofOf(name, 'large');
    if (stripsBos) expect(proof).toMatchObject({ verdict: 'proven', bosCount: 1 });
    else expect(faults(proof)).toEqual(['double-bos']);
  });
});
