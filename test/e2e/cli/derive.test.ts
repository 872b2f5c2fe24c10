import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome, Q4 } from '../../helpers/cli.ts';
import { buildGguf, modelSpec } from '../../helpers/gguf-builder.ts';
import { type Hub, sha256, startHub } from '../../helpers/hub.ts';

const COMMIT = 'a'.repeat(40);
const FILE = 'tiny-Q4_K_M.gguf';

let home: Home;
let hub: Hub;
let content: Buffer;

beforeEach(async () => {
  content = await readFile(Q4);
  home = makeHome();
  const small = (path: string, value: unknown) => ({ path, content: Buffer.from(JSON.stringify(value)), lfs: false });
  hub = await startHub({
    repos: [
      { id: 'org/tiny-GGUF', revisions: { main: COMMIT }, commits: { [COMMIT]: [{ path: FILE, content }] } },
      {
        id: 'org/tiny',
        revisions: { main: COMMIT },
        commits: {
          [COMMIT]: [small('config.json', { model_type: 'gemma3n_text', num_hidden_layers: 5, vocab_size: 576 })],
        },
        cardData: { license: 'apache-2.0' },
      },
    ],
  });
});
afterEach(async () => {
  await hub.close();
  home.remove();
});

const env = () => ({ HF_ENDPOINT: hub.url });

describe('catalog derive', () => {
  test('an entry derived from a file of the hub, completed by a person, is valid and installs by its name', async () => {
    const output = join(home.path, 'mine.json');
    const args = [`hf:org/tiny-GGUF/${FILE}`, '--family', 'my-tiny', '--id', 'my-tiny', '--output', output];
    const derived = await home.json('catalog derive', args, { env: env() });
    expect(derived).toMatchObject({ code: 0, data: { file: output } });
    const missing = derived.data?.missing.map(({ path }) => path) ?? [];
    expect(missing).toEqual(expect.arrayContaining(['licence.text', 'models[0].quants[0].quality', 'profiles']));

    // Missing facts are errors of the catalog, named where they belong.
    const invalid = await home.json('catalog validate', [output]);
    expect(invalid.code).toBe(16);
    expect(invalid.data?.errors.map(({ path }) => path)).toEqual(missing);
    const refused = await home.json('install', ['my-tiny', '--catalog', output, '--accept-license'], { env: env() });
    expect(refused).toMatchObject({ code: 16, error: { code: 'bad-catalog' } });

    const entry = JSON.parse(await readFile(output, 'utf8'));
    expect(entry.models[0].quants[0].sources).toEqual([
      {
        ref: `hf:org/tiny-GGUF@${COMMIT}/${FILE}`,
        digest: `sha256:${sha256(content)}`,
        sizeBytes: content.length,
      },
    ]);
    Object.assign(entry, {
      publisher: 'me',
      summary: 'Mine.',
      defaultProfile: 'greedy',
      profiles: { greedy: { temperature: 0, top_p: 1, top_k: 1, repeat_penalty: 1, source: 'mine' } },
      licence: {
        id: 'Apache-2.0',
        title: 'Apache License 2.0',
        url: 'https://www.apache.org/licenses/LICENSE-2.0',
        text: 'Apache License 2.0',
        acceptanceRequired: false,
      },
    });
    Object.assign(entry.models[0], { baseModel: 'none', smokeSuite: 'tiny-gemma-3n' });
    entry.models[0].quants[0].quality = 3;
    await writeFile(output, JSON.stringify(entry));
    expect(await home.json('catalog validate', [output])).toMatchObject({ code: 0, data: { errors: [] } });

    const installed = await home.json('install', ['my-tiny', '--catalog', output], { env: env() });
    expect(installed).toMatchObject({
      code: 0,
      data: { model: 'my-tiny', quant: 'q4_k_m', source: { digest: `sha256:${sha256(content)}` } },
    });
    expect(installed.data?.smoke?.failed).toBe(0);
  });

  test('the entry goes to stdout, and what is missing to stderr', async () => {
    const { code, stdout, stderr } = await home.run(['catalog', 'derive', Q4]);
    expect(code).toBe(0);
    // The architecture is known: a model more of that family.
    expect(JSON.parse(stdout)).toMatchObject({ id: 'gemma-3n', models: [{ quants: [{ id: 'q4_k_m' }] }] });
    expect(stderr).toContain('models[0].quants[0].quality: is missing');
    expect(stderr).toContain('the file says the licence apache-2.0');
  });

  test('a config.json gives the shape, and says that a file is missing', async () => {
    const { data } = await home.json('catalog derive', ['hf:org/tiny'], { env: env() });
    expect(data?.document).toMatchObject({ id: 'gemma-3n', models: [{ hyperparameters: { blockCount: 5 } }] });
    expect(data?.missing.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['models[0].quants', 'models[0].hyperparameters.embeddingLength', 'models[0].parameters']),
    );
    expect(data?.document).not.toHaveProperty('models.0.hyperparameters.sharedKvLayers');
    const own = await home.json('catalog derive', ['hf:org/tiny', '--family', 'my-own'], { env: env() });
    expect(own.data?.document).toMatchObject({ id: 'my-own', tokens: {} });
    expect(own.data?.check).not.toContainEqual(expect.stringContaining('tokens.stop'));
  });

  test('an unknown architecture becomes a family of its own, whatever its header claims', async () => {
    const file = join(home.path, 'novel.gguf');
    const name = { key: 'general.name', type: 'string', value: `\u001b[31m../${'x'.repeat(500)}` } as const;
    const link = { key: 'general.license.link', type: 'string', value: 'javascript:alert(1)' } as const;
    await writeFile(file, buildGguf(modelSpec('novel', { 'general.name': name, 'general.license.link': link })));
    const { code, data, stderr } = await home.json('catalog derive', [file]);
    expect(code).toBe(0);
    expect(data?.document).toMatchObject({ id: 'novel', architecture: 'novel' });
    expect(data?.document).not.toHaveProperty('licence.url');
    expect(data?.document).not.toHaveProperty('chatTemplate');
    const shown = await home.run(['catalog', 'derive', file]);
    expect(shown.stdout + shown.stderr + stderr).not.toContain('\u001b[31m');
  });

  test.each([
    ['a repository without either', ['hf:org/tiny-GGUF'], 'source-not-found'],
    ['another family', [Q4, '--family', 'gemma-3'], 'wrong-architecture'],
    ['a model of the library', ['ollama:gemma3n:e4b'], 'bad-usage'],
    ['a file in place of another kind', [Q4, '--output', Q4], 'bad-usage'],
  ])('%s is refused', async (_, args, code) => {
    expect(await home.json('catalog derive', args, { env: env() })).toMatchObject({ error: { code } });
  });
});
