import { describe, expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/load.ts';
import { validateCatalogText } from '../../../src/catalog/validate.ts';
import type { Issue } from '../../../src/core/parse.ts';
import { json, sampleFamily, sampleModel } from './helpers.ts';

const EMPTY: Catalog = { families: [] };
const BASE: Catalog = { families: [{ family: sampleFamily(), origins: [] }] };

/** The sample family with one place changed: `set('models.0.quants.0.id', 'x')`; `undefined` removes. */
function changed(path: string, value: unknown): string {
  const document: unknown = structuredClone(sampleFamily());
  const keys = path.split('.');
  let parent: unknown = document;
  for (const key of keys.slice(0, -1)) parent = Reflect.get(Object(parent), key);
  Reflect.set(Object(parent), keys.at(-1) ?? '', value);
  return JSON.stringify(document);
}

function validate(text: string, base: Catalog = EMPTY): readonly Issue[] {
  return validateCatalogText('mine.json', text, base);
}

test('a right file has no issues, with and without a byte order mark', () => {
  expect(validate(json(sampleFamily()))).toEqual([]);
  expect(validate(`\uFEFF${json(sampleFamily())}`)).toEqual([]);
});

describe('not a catalog file at all', () => {
  test.each([
    ['nothing', '', /is not JSON/],
    ['half a file', '{"schemaVersion": 1, "id"', /is not JSON/],
    ['a web page', '<!doctype html><html></html>', /is not JSON/],
    ['null', 'null', /must be an object, not/],
    ['a list', '[]', /must be an object, not/],
    ['a number', '7', /must be an object, not/],
  ])('%s', (_, text, message) => {
    const issues = validate(text);
    expect(issues.length).toBeGreaterThan(0);
    expect(issues[0]).toMatchObject({ path: '$', message: expect.stringMatching(message) });
  });
});

const sampleQuant = { id: 'q2_k', file: 'other.gguf', quality: 1 };
const sampleTier = { title: 'T', when: { device: 'cpu' }, quants: ['q8_0'], source: 'made up' };

describe('one mistake: its path and what is wrong', () => {
  test.each<[name: string, path: string, value: unknown, issuePath: string, message: RegExp]>([
    ['a field that does not exist', 'titel', 'x', 'titel', /unknown field, did you mean title\?/],
    [
      'a deep field that does not exist',
      'models.0.quants.1.filee',
      'x',
      'models[0].quants[1].filee',
      /did you mean file\?/,
    ],
    ['a missing field', 'chatTemplate', undefined, 'chatTemplate', /is missing: it must be a text/],
    ['another schema version', 'schemaVersion', 2, 'schemaVersion', /must be 1/],
    ['an id in upper case', 'id', 'Sample', 'id', /lower-case/],
    ['an empty model list', 'models', [], 'models', /./],
    [
      'a negative size',
      'models.0.quants.0.tensorBytes.value',
      -5,
      'models[0].quants[0].tensorBytes.value',
      /whole number/,
    ],
    [
      'half a byte',
      'models.0.quants.0.fileBytes',
      { value: 99.5, source: 's' },
      'models[0].quants[0].fileBytes.value',
      /whole/,
    ],
    [
      'a text for a number',
      'models.0.defaultContext',
      '4096',
      'models[0].defaultContext',
      /must be a number, not a text/,
    ],
    ['a quant in upper case', 'models.0.quants.1.id', 'Q4_K_M', 'models[0].quants[1].id', /lower case/],
    [
      'a quant twice',
      'models.0.quants.1.id',
      'q8_0',
      'models[0].quants[1].id',
      /"q8_0" is already used at models\[0\]\.quants\[0\]/,
    ],
    ['a file twice', 'models.0.quants.1.file', 'SAMPLE-1B-Q8_0.gguf', 'models[0].quants[1].file', /is already used/],
    ['a file with a folder', 'models.0.quants.1.file', '../x.gguf', 'models[0].quants[1].file', /without a folder/],
    ['a file that is no GGUF', 'models.0.quants.1.file', 'x.bin', 'models[0].quants[1].file', /\.gguf/],
    ['a model twice', 'models.1', sampleModel(), 'models[1].id', /is already used at models\[0\]/],
    ['a short digest', 'models.0.quants.0.digest', 'sha256:abc', 'models[0].quants[0].digest', /64 lower-case hex/],
    ['a digest of another kind', 'models.0.quants.0.digest', 'md5:abc', 'models[0].quants[0].digest', /sha256/],
    [
      'a shipped file without digest',
      'models.0.quants.0.bundled',
      'models/x.gguf',
      'models[0].quants[0].bundled',
      /requires a digest/,
    ],
    [
      'a shipped file outside the package',
      'models.0.quants.0.bundled',
      '../../etc/passwd',
      'models[0].quants[0].bundled',
      /inside the package/,
    ],
    [
      'a shipped file at the root',
      'models.0.quants.0.bundled',
      '/etc/passwd',
      'models[0].quants[0].bundled',
      /inside the package/,
    ],
    ['six stars', 'models.0.quants.0.quality', 6, 'models[0].quants[0].quality', /5/],
    ['a default profile that is not there', 'defaultProfile', 'gogle', 'defaultProfile', /there is no profile "gogle"/],
    [
      'a default model of another family',
      'defaultModel',
      'gemma-3n-e4b',
      'defaultModel',
      /there is no model "gemma-3n-e4b"/,
    ],
    [
      'a profile name with a blank',
      'profiles',
      { card: sampleFamily().profiles.card, 'my own': sampleFamily().profiles.card },
      'profiles.my own',
      /./,
    ],
    ['a temperature of 3', 'profiles.card.temperature', 3, 'profiles.card.temperature', /2/],
    ['max_tokens, which is no parameter', 'profiles.card.max_tokens', 100, 'profiles.card.max_tokens', /unknown field/],
    [
      'a tier of an unknown quant',
      'policy.tiers.0.quants',
      ['q4_k_l'],
      'policy.tiers[0].quants[0]',
      /no quant .* "q4_k_l", did you mean q4_k_m\?/,
    ],
    ['a use case of an unknown quant', 'policy.useCases.0.quants', ['q9_9'], 'policy.useCases[0].quants[0]', /"q9_9"/],
    ['a tier twice', 'policy.tiers.2', { id: 'big', ...sampleTier }, 'policy.tiers[2].id', /is already used/],
    ['an unknown use case', 'policy.useCases.0.id', 'gaming', 'policy.useCases[0].id', /chatbot/],
    [
      'bounds the wrong way round',
      'policy.tiers.0.when',
      { device: 'gpu', minVramGiB: 8, maxVramGiB: 4 },
      'policy.tiers[0].when.maxVramGiB',
      /more than minVramGiB/,
    ],
    ['a device that is unknown', 'policy.tiers.0.when', { device: 'tpu' }, 'policy.tiers[0].when.device', /./],
    ['a version that is none', 'minimumVersions.0.version', 'latest', 'minimumVersions[0].version', /version such as/],
    [
      'a library version that is none',
      'models.0.library.minimumVersion',
      '>=0.6',
      'models[0].library.minimumVersion',
      /version such as/,
    ],
    ['a library name without a tag', 'models.0.library.name', 'sample', 'models[0].library.name', /library name/],
    ['a chat template with a path', 'chatTemplate', '../../secret', 'chatTemplate', /word/],
    ['a chat template with an extension', 'chatTemplate', 'gemma.gotmpl', 'chatTemplate', /word/],
    ['no stop token', 'tokens.stop', [], 'tokens.stop', /./],
    ['an empty stop token', 'tokens.stop', [''], 'tokens.stop[0]', /./],
    ['a licence without a real URL', 'licence.url', 'see website', 'licence.url', /must be a web address/],
    [
      'a context beyond the model’s',
      'models.0.defaultContext',
      9000,
      'models[0].defaultContext',
      /9000 exceeds contextLength, 8192/,
    ],
    [
      'more KV heads than heads',
      'models.0.hyperparameters.headCountKv',
      5,
      'models[0].hyperparameters.headCountKv',
      /headCount/,
    ],
    [
      'a list with another number of layers',
      'models.0.hyperparameters.keyLength',
      [256, 256, 512],
      'models[0].hyperparameters.keyLength',
      /lists 3 layers, but blockCount is 2/,
    ],
    [
      'more shared layers than layers',
      'models.0.hyperparameters.sharedKvLayers',
      3,
      'models[0].hyperparameters.sharedKvLayers',
      /blockCount/,
    ],
    [
      'a pattern without a window',
      'models.0.hyperparameters.slidingWindow',
      undefined,
      'models[0].hyperparameters.slidingPattern',
      /slidingWindow/,
    ],
    [
      'more effective parameters than there are',
      'models.0.parameters.effective',
      2e9,
      'models[0].parameters.effective',
      /total/,
    ],
    [
      'blocks that are not as many as the layers',
      'models.0.quants.0.weights.blocks',
      [30],
      'models[0].quants[0].weights.blocks',
      /has 1 entries, but blockCount is 2/,
    ],
    [
      'weights that do not add up',
      'models.0.quants.0.weights.output',
      6,
      'models[0].quants[0].weights',
      /adds up to 61 bytes, but tensorBytes is 60/,
    ],
    [
      'a file smaller than its tensors',
      'models.0.quants.0.fileBytes',
      { value: 59, source: 's' },
      'models[0].quants[0].tensorBytes.value',
      /60 exceeds fileBytes, 59/,
    ],
    [
      'a benchmark of an unknown model',
      'benchmarks.0.scores',
      { 'sample-2b': 1 },
      'benchmarks[0].scores.sample-2b',
      /did you mean sample-1b\?/,
    ],
    [
      'a requirement of an unknown quant',
      'systemRequirements',
      { ram: [{ quant: 'f16', gib: 4 }], storage: { minGiB: 1, maxGiB: 2 }, cpu: 'c', gpu: 'g', source: 's' },
      'systemRequirements.ram[0].quant',
      /"f16"/,
    ],
    [
      'a token count beyond exact integers',
      'models.0.parameters.total',
      2 ** 60,
      'models[0].parameters.total',
      /largest integer/,
    ],
  ])('%s', (_, path, value, issuePath, message) => {
    const issues = validate(changed(path, value));
    expect(issues).toContainEqual({ path: issuePath, message: expect.stringMatching(message) });
  });

  test('a number that overflows to infinity', () => {
    const text = json(sampleFamily()).replace('"temperature":0.7', '"temperature":1e400');
    expect(validate(text).map(({ path }) => path)).toContain('profiles.card.temperature');
  });
});

describe('keys that reach into prototypes', () => {
  test.each(['__proto__', 'constructor', 'prototype'])('%s is refused at any depth and changes nothing', (key) => {
    const top = json(sampleFamily()).replace('{', `{"${key}":{"polluted":true},`);
    const deep = json(sampleFamily()).replace('"profiles":{', `"profiles":{"${key}":{"polluted":true},`);
    expect(validate(top)).toEqual([{ path: key, message: 'this key is not allowed' }]);
    expect(validate(deep)).toContainEqual({ path: `profiles.${key}`, message: 'this key is not allowed' });
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test('a document nested a hundred thousand levels deep is an issue and no crash', () => {
    const nested = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const issues = validate(json(sampleFamily()).replace('{', `{"facts2":${nested},`));
    expect(issues.some(({ message }) => message.includes('nested deeper'))).toBe(true);
  });
});

test('a file of many wrong things reports all of them', () => {
  const document = {
    ...sampleFamily(),
    titel: 'x',
    chatTemplate: 'No Such',
    defaultProfile: 'none',
    policy: { tiers: [{ id: 'big', ...sampleTier, quants: ['q1_0'] }], useCases: [] },
    models: [
      { ...sampleModel(), colour: 'red', defaultContext: 99_999, quants: [sampleQuant, sampleQuant] },
      { ...sampleModel(), kind: 'chat' },
    ],
  };
  expect(
    validate(json(document))
      .map(({ path }) => path)
      .toSorted(),
  ).toEqual(
    [
      'chatTemplate',
      'defaultProfile',
      'models[0].colour',
      'models[0].defaultContext',
      'models[0].quants[1].file',
      'models[0].quants[1].id',
      'models[1].id',
      'models[1].kind',
      'policy.tiers[0].quants[0]',
      'titel',
    ].toSorted(),
  );
});

describe('against a catalog', () => {
  test('a partial file is right for a family that exists', () => {
    expect(validate(json({ schemaVersion: 1, id: 'sample', title: 'Mine' }), BASE)).toEqual([]);
  });

  test('a partial file for a family that does not exist says why the fields are missing, and what was meant', () => {
    const issues = validate(json({ schemaVersion: 1, id: 'sampel', title: 'Mine' }), BASE);
    expect(issues).toContainEqual({
      path: 'id',
      message:
        'the file must be complete, because there is no family "sampel" that it could change; did you mean sample?',
    });
    expect(issues.map(({ path }) => path)).toContain('models');
  });

  test('a partial file may name the quants and profiles of the family below it, but no others', () => {
    const tier = { ...sampleTier, id: 'mine' };
    const partial = { schemaVersion: 1, id: 'sample', policy: { tiers: [tier] }, defaultProfile: 'card' };
    expect(validate(json(partial), BASE)).toEqual([]);
    expect(validate(json({ ...partial, defaultProfile: 'mine' }), BASE)).toEqual([
      { path: 'defaultProfile', message: 'there is no profile "mine"' },
    ]);
  });

  test('a model id of another family is refused', () => {
    expect(validate(json(sampleFamily('other', 'sample-1b')), BASE)).toContainEqual({
      path: 'models[0].id',
      message: 'the model "sample-1b" already belongs to the family sample',
    });
  });

  test('another architecture needs another family', () => {
    expect(validate(json({ schemaVersion: 1, id: 'sample', architecture: 'llama' }), BASE)).toEqual([
      {
        path: 'architecture',
        message: 'the family sample is gemma3; a different architecture requires a different family id',
      },
    ]);
  });

  test('a replacement that takes away a quant which the policy below names is refused', () => {
    const model = { ...sampleModel(), quants: [{ id: 'q4_k_m', file: 'a.gguf', quality: 3 }] };
    const issues = validate(json({ schemaVersion: 1, id: 'sample', models: [model] }), BASE);
    expect(issues.map(({ path }) => path)).toEqual(['policy.tiers[0].quants[0]', 'policy.useCases[0].quants[0]']);
    expect(issues[0]?.message).toContain('after the changes of this file');
  });
});
