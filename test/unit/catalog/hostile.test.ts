import { afterEach, describe, expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { validateCatalogText } from '../../../src/catalog/validate.ts';
import { json, memoryFiles, sampleFamily, sampleModel } from './helpers.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** A complete family whose first quant has the given fields besides its own. */
function withQuant(fields: object): string {
  const model = sampleModel();
  const quants = model.quants.map((quant, index) => (index === 0 ? { ...quant, ...fields } : quant));
  return json({ ...sampleFamily(), models: [{ ...model, quants }] });
}

function issuesOf(text: string) {
  return validateCatalogText('mine.json', text);
}

function source(fields: object): string {
  return withQuant({ sources: [fields] });
}

const AT = 'models[0].quants[0].sources[0]';

describe('row 40: a catalog file that is too large', () => {
  const family = (fields: object) => json({ ...sampleFamily(), ...fields });

  test.each([
    ['a list', { models: Array.from({ length: 20_000 }, () => ({})) }, 'models', /has 20000 entries/],
    [
      'an object',
      { models: Object.fromEntries(Array.from({ length: 2000 }, (_, at) => [at, {}])) },
      'models',
      /2000 entries/,
    ],
    [
      'many lists',
      { models: Array.from({ length: 30 }, () => ({ quants: Array.from({ length: 900 }, () => ({})) })) },
      '$',
      /more than 20000 values/,
    ],
  ])('row 40: is refused before anything in %s is checked', (_, fields, path, message) => {
    expect(issuesOf(family(fields))).toEqual([{ path, message: expect.stringMatching(message) }]);
  });

  test('row 40: unknown fields without number are listed, and not compared with all known ones', () => {
    const fields = Object.fromEntries(Array.from({ length: 900 }, (_, at) => [`${'modles'.repeat(100)}${at}`, 1]));
    const issues = issuesOf(family({ ...fields, modles: 1 }));
    expect(issues.filter(({ message }) => message.startsWith('unknown field'))).toHaveLength(901);
    expect(issues.filter(({ message }) => message.includes('did you mean'))).toHaveLength(0);
    expect(issuesOf(family({ modles: 1 })).map(({ message }) => message)).toEqual([
      'unknown field, did you mean models?',
    ]);
  });
});

describe('row 40: what a catalog may name as a source', () => {
  test.each([
    [{ ref: `hf:acme/gguf@${COMMIT}/x.gguf` }],
    [{ ref: 'hf:acme/gguf/x.gguf', digest: DIGEST }],
    // Where no commit is known, the plan resolves a branch to one.
    [{ ref: 'hf:acme/gguf@main/x.gguf' }],
    [{ ref: `oci:registry.example.org:5000/acme/x@${DIGEST}` }],
    [{ ref: 'oci:registry.example.org/acme/x:1', digest: DIGEST, sizeBytes: 5 }],
    [{ ref: 'https://example.org/x.gguf', digest: DIGEST, sizeBytes: 2 ** 53 - 1 }],
  ])('%o is right', (fields) => {
    expect(issuesOf(source(fields))).toEqual([]);
  });

  test('the digest of the quant holds for its sources', () => {
    const text = withQuant({ digest: DIGEST, sources: [{ ref: 'https://example.org/x.gguf' }] });
    expect(issuesOf(text)).toEqual([]);
  });

  test.each<[object, string, RegExp]>([
    [{ ref: 'http://example.org/x.gguf', digest: DIGEST }, `${AT}.ref`, /begins with hf:, oci: or https:/],
    [{ ref: 'file:/etc/passwd', digest: DIGEST }, `${AT}.ref`, /begins with hf:, oci: or https:/],
    [{ ref: 'ollama:gemma3n:e4b' }, `${AT}.ref`, /begins with/],
    [{ ref: '/x.gguf', digest: DIGEST }, `${AT}.ref`, /begins with/],
    [{ ref: 'https://example.org/a b', digest: DIGEST }, `${AT}.ref`, /begins with/],

    [{ ref: 'https://', digest: DIGEST }, `${AT}.ref`, /not a valid address/],
    [
      { ref: 'https://user:secret@example.org/x', digest: DIGEST },
      `${AT}.ref`,
      /must not contain a user name or a password/,
    ],
    [{ ref: 'https://example.org/x.gguf' }, AT, /requires a digest: the file on a web server can change/],
    [{ ref: 'hf:acme/gguf/x.gguf' }, AT, /requires a digest: .*commit of 40 digits/],
    [{ ref: 'oci:registry.example.org/acme/x:1' }, AT, /requires a digest: .*@sha256/],
    [{ ref: 'https://example.org/x', digest: 'sha256:abc' }, `${AT}.digest`, /64 lower-case hex digits/],
    [{ ref: 'https://example.org/x', digest: DIGEST, sizeBytes: 2 ** 53 + 1 }, `${AT}.sizeBytes`, /largest integer/],
    [{ ref: 'https://example.org/x', digest: DIGEST, sizeBytes: -1 }, `${AT}.sizeBytes`, /./],
    [{ ref: 'https://example.org/x', digest: DIGEST, urls: [] }, `${AT}.urls`, /unknown field/],
  ])('%o is refused at its place', (fields, path, message) => {
    expect(issuesOf(source(fields))).toContainEqual({ path, message: expect.stringMatching(message) });
  });

  test('one source twice', () => {
    const sources = [1, 2].map(() => ({ ref: 'https://example.org/x', digest: DIGEST }));
    expect(issuesOf(withQuant({ sources }))).toContainEqual({
      path: 'models[0].quants[0].sources[1].ref',
      message: expect.stringMatching(/is already used at models\[0\]\.quants\[0\]\.sources\[0\]/),
    });
  });

  test('a path in the package that ships without a digest, or climbs', () => {
    expect(issuesOf(withQuant({ bundled: 'models/x.gguf' }))).toContainEqual({
      path: 'models[0].quants[0].bundled',
      message: expect.stringMatching(/requires a digest/),
    });
    expect(issuesOf(withQuant({ bundled: '../x.gguf', digest: DIGEST }))).toContainEqual({
      path: 'models[0].quants[0].bundled',
      message: expect.stringMatching(/relative path inside the package/),
    });
  });
});

describe('row 40: through the loader', () => {
  afterEach(() => {
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  const twice = json({ ...sampleFamily('other'), models: [sampleModel('a-1'), sampleModel('a-1')] });
  test.each<[string, string, RegExp]>([
    ['an unknown field', json({ ...sampleFamily('other'), models: [], evil: 1 }), / {2}evil: unknown field/],
    ['a size of 2^53+1', withQuant({ fileBytes: { value: 2 ** 53 + 1, source: 's' } }), /fileBytes\.value: is beyond/],
    ['an http: address', source({ ref: 'http://example.org/x', digest: DIGEST }), /sources\[0\]\.ref: must be a ref/],
    ['no sha256', source({ ref: 'https://example.org/x' }), /sources\[0\]: requires a digest/],
    ['one id twice', twice, /models\[1\]\.id: the model "a-1" is already used at models\[0\]/],
    ['__proto__', json(sampleFamily()).replace('{', '{"__proto__":{"polluted":1},'), / {2}__proto__: this key is not/],
    [
      'constructor',
      json(sampleFamily()).replace('{', '{"constructor":{"prototype":{"polluted":1}},'),
      / {2}constructor: /,
    ],
  ])('%s is refused with its place, exit 16', async (_what, text, message) => {
    const disk = memoryFiles({ '/builtin/sample.json': json(sampleFamily()), '/mine.json': text });
    const work = loadCatalog(disk, { builtin: '/builtin', extra: ['/mine.json'] });
    await expect(work).rejects.toMatchObject({
      code: 'bad-catalog',
      exitCode: 16,
      message: expect.stringMatching(message),
      suggestions: [expect.stringMatching(/catalog validate \/mine\.json/)],
    });
  });
});
