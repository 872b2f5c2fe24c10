/** `smoke --proof` of the built command line on a real Ollama, with models whose defects were planted by raw HTTP. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verdictFor } from '../../../src/compat/verdict.ts';
import { isAtLeast, parseServerVersion } from '../../../src/compat/version.ts';
import { type Home, makeHome, ROOT } from '../../helpers/cli.ts';
import { type OllamaServer, startOllama, whyNoOllama } from '../../helpers/ollama-server.ts';

const SLOW = { timeout: 240_000 };
const skipped = whyNoOllama();
/** Set up before the tests are collected, since what they expect depends on the server's version. */
const server: OllamaServer | undefined = skipped === undefined ? await startOllama() : undefined;
const version = server === undefined ? '' : await versionOf(server);
const runs = verdictFor({ architecture: 'gemma3n', version }).ok;
/** From 0.30 on a BOS in front of the text is taken away again, so that it does no harm. */
const stripsBos = isAtLeast(parseServerVersion(version), '0.30.0');

const tag = randomBytes(4).toString('hex');
const GOOD = `gemma-provision-test:${tag}-good`;
const BAD = `gemma-provision-test:${tag}-bad`;
const TURN = '{{ range .Messages }}<start_of_turn>{{ if eq .Role "assistant" }}model{{ else }}user{{ end }}\n';
const REST = '{{ .Content }}<end_of_turn>\n{{ end }}<start_of_turn>model\n';
let home: Home;

beforeAll(() => {
  home = makeHome();
});

afterAll(async () => {
  for (const name of [GOOD, BAD]) await api('DELETE', '/api/delete', { model: name }).catch(() => undefined);
  await server?.stop();
  home.remove();
}, 60_000);

async function versionOf({ host }: OllamaServer): Promise<string> {
  const { version: found } = (await (await fetch(`http://${host}/api/version`)).json()) as { version: string };
  return found;
}

async function api(method: string, path: string, body: unknown): Promise<void> {
  const reply = await fetch(`http://${server?.host}${path}`, { method, body: JSON.stringify(body) });
  const text = await reply.text();
  if (!reply.ok || text.includes('"error"')) throw new Error(`${method} ${path}: ${reply.status} ${text}`);
}

/** The good model again, with another template or other stop strings. */
async function plant(changes: { template?: string; parameters?: object }): Promise<void> {
  await api('POST', '/api/create', { model: BAD, from: GOOD, stream: false, ...changes });
}

function proofOf(name: string) {
  return home.json('smoke', [name, '--proof', '--host', server?.host ?? '', '--suite', 'tiny-gemma-3n']);
}

describe.skipIf(server === undefined || !runs)(`smoke --proof on Ollama ${version || `(${skipped})`}`, SLOW, () => {
  beforeAll(async () => {
    const installed = await home.json('install', ['tiny-gemma-3n', '--host', server?.host ?? '', '--name', GOOD]);
    expect(installed.data?.prompt?.verdict).toMatch(/^proven/);
  }, 120_000);

  test('a good model is proven, by the template of its own file', async () => {
    const { code, data } = await proofOf(GOOD);
    expect(code).toBe(0);
    expect(data?.prompt).toMatchObject({ bosCount: 1, expectedFrom: 'file', stop: ['<end_of_turn>'] });
    expect(data?.prompt?.verdict).toBe(isAtLeast(parseServerVersion(version), '0.11.5') ? 'proven' : 'proven-by-count');
  });

  test.skipIf(stripsBos)('a template that writes a BOS', async () => {
    const go = readFileSync(join(ROOT, 'templates/chat/gemma.gotmpl'), 'utf8');
    await plant({ template: `<bos>${go}` });
    expect(await faultsOf(BAD)).toContain('double-bos');
  });

  test('a system text that becomes a turn of its own, as in a template that many copy', async () => {
    await plant({ template: `${TURN}${REST}` });
    const { code, data } = await proofOf(BAD);
    expect(code).toBe(4);
    expect(data?.prompt?.findings.map(({ severity }) => severity)).toContain('fault');
  });

  test('a swapped template', async () => {
    await plant({ template: '{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}' });
    const { code, data } = await proofOf(BAD);
    expect(code).toBe(4);
    expect(data?.prompt?.verdict).toBe('differs');
  });

  test('a lost stop token', async () => {
    await plant({ parameters: { stop: ['<never>'] } });
    expect(await faultsOf(BAD)).toContain('missing-stop');
  });
});

async function faultsOf(name: string): Promise<string[]> {
  const { code, data } = await proofOf(name);
  expect(code).toBe(4);
  return (data?.prompt?.findings ?? []).filter(({ severity }) => severity === 'fault').map(({ id }) => id);
}
