/** From what was typed to what a server is asked for; and what people read of the answer. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkText } from '../../../../src/cli/render/check.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { CheckData, checkSupport } from '../../../../src/provision/check/check.ts';
import { resolveTarget } from '../../../../src/provision/check/target.ts';
import { makeApp } from '../../../helpers/app.ts';

const TERMINAL = { color: false };

async function targetOf(typed: string) {
  return (await resolveTarget(makeApp(), { model: typed })) ?? expect.fail('a model was named');
}

describe('a model of the built-in catalog', () => {
  test('with its quant in any spelling', async () => {
    expect(await targetOf(' gemma-3n-e4b:Q5-K-M ')).toMatchObject({
      model: 'gemma-3n-e4b',
      family: 'gemma-3n',
      target: {
        architecture: 'gemma3n',
        quant: 'q5_k_m',
        pull: { library: 'gemma3n:e4b', minimumVersion: '0.10.0' },
        parameters: expect.arrayContaining(['num_ctx', 'stop', 'temperature', 'top_k']),
      },
    });
  });

  test('without a quant, and of a family whose file begins like another', async () => {
    expect((await targetOf('gemma-3n-e2b')).target).not.toHaveProperty('quant');
    expect((await targetOf('gemma-3-270m')).target.architecture).toBe('gemma3');
    expect((await targetOf('tiny-gemma-3n:q4_k_m')).target).not.toHaveProperty('pull');
  });

  test.each([
    ['gemma-3n-e4', 'model-not-found', 'gemma-3n-e4b'],
    ['gemma3n:e4b', 'model-not-found', 'gemma-3n-e4b'],
    ['gemma-3n-e4b:q5_k_x', 'quant-not-found', 'q5_k_'],
    ['gemma-3n-e4b:', 'quant-not-found', 'Known:'],
    ['', 'model-not-found', 'Known:'],
    ['../catalog/gemma-3n', 'model-not-found', 'Known:'],
  ])('%s is refused with the nearest match', async (typed, code, hint) => {
    const error = await errorOf(targetOf(typed));
    expect(error.code).toBe(code);
    expect(error.suggestions.join(' ')).toContain(hint);
  });

  test('of a damaged installation', async () => {
    const root = mkdtempSync(join(tmpdir(), 'check-'));
    mkdirSync(join(root, 'catalog'));
    writeFileSync(join(root, 'catalog/gemma-3n.json'), '{"id":');
    const app = makeApp({ root });
    await expect(resolveTarget(app, { model: 'gemma-3n-e4b' })).rejects.toMatchObject({ code: 'bad-catalog' });
    rmSync(root, { recursive: true });
  });
});

async function errorOf(work: Promise<unknown>): Promise<ProvisionError> {
  const thrown: unknown = await work.catch((error: unknown) => error);
  if (thrown instanceof ProvisionError) return thrown;
  throw thrown;
}

describe('files of the user', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'check-'));
    mkdirSync(join(home, 'config/catalog'), { recursive: true });
  });
  afterEach(() => rmSync(home, { recursive: true }));

  test('a family of the config folder can be asked for', async () => {
    const app = makeApp();
    const { families } = await app.catalog();
    const known = families.find(({ family }) => family.id === 'gemma-3n')?.family ?? expect.fail('it is built in');
    const [model] = known.models;
    const models = [{ ...model, id: 'own-model' }];
    const own = { ...known, id: 'own', defaultModel: 'own-model', benchmarks: [], models };
    writeFileSync(join(home, 'config/catalog/own.json'), JSON.stringify(own));
    const { data } = await checkSupport(makeApp({ home }), { 'server-version': '0.24.0', model: 'own-model' });
    expect(data.target).toMatchObject({ family: 'own', model: 'own-model' });
  });

  test('the host of the settings is asked, and a flag wins over it', async () => {
    const app = makeApp({ settings: { host: 'http://192.0.2.1:1', 'require-tls': true } });
    const ask = (more: object) => checkSupport(app, { timeout: 1, ...more });
    await expect(ask({})).rejects.toThrow('192.0.2.1');
    await expect(ask({ host: '127.0.0.1:1' })).rejects.toMatchObject({ code: 'runtime-unreachable' });
  });
});

describe('what people read', () => {
  const verdict = { ok: true, blocking: false, reason: 'It is so.', basis: 'live' } as const;
  const data: CheckData = {
    server: { version: '0.6.5', endpoint: 'http://127.0.0.1:11434' },
    target: { model: 'gemma-3n-e4b', architecture: 'gemma3n', quant: 'q5_k_m' },
    supported: false,
    verdicts: [
      { ...verdict, id: 'architecture.gemma3n', ok: false, blocking: true, since: '0.9.3', remedy: 'Upgrade.' },
      { ...verdict, id: 'quant.q5_k_m', ok: false, blocking: true, remedy: 'Upgrade.' },
      { ...verdict, id: 'create.protocol' },
      { ...verdict, id: 'feature.requires' },
      { ...verdict, id: 'feature.split-gguf', ok: false, remedy: 'Merge the parts.' },
    ],
  };
  const text = (all: boolean, more: Partial<CheckData> = {}) =>
    checkText(CheckData.parse({ ...data, ...more }), { terminal: TERMINAL, all });

  test('one table, each advice once, the answer last', () => {
    const lines = text(false).split('\n');
    expect(lines[0]).toBe('Ollama 0.6.5 at http://127.0.0.1:11434');
    expect(lines.filter((line) => line.startsWith('✗')).map((line) => line.split(/ +/)[1])).toEqual([
      'architecture.gemma3n',
      'quant.q5_k_m',
    ]);
    expect(lines.filter((line) => line.startsWith('→'))).toEqual(['→ Upgrade.']);
    expect(lines.at(-1)).toBe('gemma-3n-e4b:q5_k_m: not supported by this server');
  });

  test('background that is fine shows only when asked for', () => {
    expect(text(false)).not.toContain('feature.requires');
    expect(text(false)).toContain('1 more are supported, 1 features are missing but not needed; --verbose shows them.');
    expect(text(true)).toContain('feature.requires');
    expect(text(true)).toContain('→ Merge the parts.');
    expect(text(true)).not.toContain('--verbose');
  });

  test('a server that is only planned for, and one without a model', () => {
    const planned = text(false, { server: { version: '0.24.0', endpoint: 'not asked' }, supported: true });
    expect(planned.split('\n')[0]).toBe('Ollama 0.24.0 (not asked)');
    expect(text(false, { target: undefined, supported: true }).split('\n').at(-1)).toBe('Ollama 0.6.5: supported');
  });

  test('names that the server has', () => {
    const told = text(false, { installed: ['gemma-3n-e4b:q5_k_m', 'red'] });
    expect(told).toContain('Installed already: gemma-3n-e4b:q5_k_m, red');
  });
});
