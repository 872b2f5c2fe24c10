import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import {
  defaultModel,
  findByArchitecture,
  normaliseQuant,
  resolveFamily,
  resolveModel,
  resolveQuant,
} from '../../../src/catalog/lookup.ts';
import { ProvisionError } from '../../../src/core/errors.ts';
import { BUILTIN, realFiles, sampleFamily } from './helpers.ts';

const catalog = await loadCatalog(realFiles, { builtin: BUILTIN });

function failure(work: () => unknown): ProvisionError {
  try {
    work();
  } catch (error) {
    if (error instanceof ProvisionError) return error;
    throw error;
  }
  throw new Error('did not fail');
}

describe('defaultModel', () => {
  const named = (id: string, model?: string) => ({
    family: { ...sampleFamily(id), ...(model !== undefined && { defaultModel: model }) },
    origins: [],
  });

  test('is what the built-in catalog says, and a model of it', () => {
    expect(resolveModel(catalog, defaultModel(catalog)).family.defaultModel).toBe('gemma-3n-e4b');
  });

  test('of a family of the user comes before the built-in one', () => {
    expect(defaultModel({ families: [...catalog.families, named('mine', 'mine-1b'), named('other')] })).toBe('mine-1b');
  });

  test('a catalog without one asks for a name', () => {
    expect(failure(() => defaultModel({ families: [named('sample')] })).code).toBe('model-not-found');
  });
});

describe('resolveModel', () => {
  test('a model alone has no quant', () => {
    const found = resolveModel(catalog, 'gemma-3n-e4b');
    expect([found.family.id, found.model.id, found.quant]).toEqual(['gemma-3n', 'gemma-3n-e4b', undefined]);
  });

  test.each(['q5_k_m', 'Q5_K_M', 'q5-k-m', 'Q5-K_m'])('gemma-3n-e4b:%s', (quant) => {
    expect(resolveModel(catalog, `gemma-3n-e4b:${quant}`).quant?.id).toBe('q5_k_m');
  });

  test.each(['q4_0-qat', 'Q4_0-QAT', 'q4_0_qat', 'q4-0-qat'])('gemma-4-e4b:%s', (quant) => {
    expect(resolveModel(catalog, `gemma-4-e4b:${quant}`).quant?.id).toBe('q4_0-qat');
  });

  test('the file trained for Q4_0 is not the one that was only rounded to it', () => {
    expect(resolveModel(catalog, 'gemma-4-e4b:q4_0').quant?.id).toBe('q4_0');
    expect(failure(() => resolveModel(catalog, 'gemma-3-4b:q4_0-qat')).code).toBe('quant-not-found');
  });

  test('blanks around the name do not matter', () => {
    expect(resolveModel(catalog, ' tiny-gemma-3n:f16\n').quant?.id).toBe('f16');
  });

  test.each([
    [
      'gemma3n:e4b',
      /^gemma3n:e4b is a name in Ollama's library; here the model is gemma-3n-e4b \(add --from ollama:gemma3n:e4b/,
    ],
    ['gemma3:27b', /here the model is gemma-3-27b/],
    ['gemma-3n-e4b-it', /^Did you mean gemma-3n-e4b\?$/],
    ['google/gemma-3n-E4B-it', /^Did you mean gemma-3n-e4b\?$/],
    ['Gemma-3N-E4B', /^Did you mean gemma-3n-e4b\?$/],
    ['gemma3n-e4b', /^Did you mean gemma-3n-e4b\?$/],
    ['gemma3n-e4b:latest', /^Did you mean gemma-3n-e4b\?$/],
    ['Gemma 3n E2B', /^Did you mean gemma-3n-e2b\?$/],
    ['gemma-3n-e4b-q5_k_m', /^Did you mean gemma-3n-e4b:q5_k_m\?$/],
    ['gemma-3n-e4b-it-Q5_K_S', /^Did you mean gemma-3n-e4b:q5_k_s\?$/],
    ['gemma-3n-e4b-it:q4_0', /^Did you mean gemma-3n-e4b:q4_0\?$/],
    ['./gemma-3n-e4b-it-q4_k_m.gguf', /^Did you mean gemma-3n-e4b:q4_k_m\?$/],
    ['gema-3n-e4b', /^Did you mean gemma-3n-e4b\?$/],
    ['gema-3n-e4b:q4km', /^Did you mean gemma-3n-e4b:q4_k_m\?$/],
    ['gemma-3', /^gemma-3 is a family; use one of its models: gemma-3-270m, gemma-3-1b/],
  ])('%s gets a useful answer', (typed, first) => {
    const error = failure(() => resolveModel(catalog, typed));
    expect(error.code).toBe('model-not-found');
    expect(error.message).toContain(typed);
    expect(error.suggestions[0]).toMatch(first);
  });

  test.each(['', '   ', 'llama-4-scout-17b-instruct', ':q4_0', '__proto__', 'constructor'])(
    '"%s" lists what there is',
    (typed) => {
      const error = failure(() => resolveModel(catalog, typed));
      expect(error.code).toBe('model-not-found');
      expect(error.suggestions.join(' ')).toContain('tiny-gemma-3n');
    },
  );
});

describe('resolveQuant', () => {
  const { model } = resolveModel(catalog, 'gemma-3n-e4b');

  test.each([
    ['q4km', 'Did you mean q4_k_m?'],
    ['Q8', 'Did you mean q8_0?'],
    ['q6', 'Did you mean q6_k?'],
    ['fp16', 'Did you mean f16?'],
  ])('%s gets the nearest match', (typed, hint) => {
    const error = failure(() => resolveQuant(model, typed));
    expect(error.code).toBe('quant-not-found');
    expect(error.message).toContain(`gemma-3n-e4b does not have a quant "${typed}"`);
    expect(error.suggestions[0]).toBe(hint);
  });

  test('a colon with nothing behind it lists the quants', () => {
    const error = failure(() => resolveModel(catalog, 'gemma-3n-e4b:'));
    expect(error.code).toBe('quant-not-found');
    expect(error.suggestions.join(' ')).toContain('q5_k_m');
  });

  test('a second colon is no quant', () => {
    expect(failure(() => resolveModel(catalog, 'gemma-3n-e4b:q4_0:x')).code).toBe('quant-not-found');
  });

  test('normaliseQuant', () => {
    expect(normaliseQuant(' Q5-K-M ')).toBe('q5_k_m');
  });
});

test('resolveFamily finds families and suggests near ones', () => {
  expect(resolveFamily(catalog, 'gemma-3').title).toBe('Gemma 3');
  const error = failure(() => resolveFamily(catalog, 'gemma-3m'));
  expect(error.code).toBe('model-not-found');
  expect(error.suggestions.join(' ')).toMatch(/Did you mean gemma-3n?\?/);
});

test('findByArchitecture finds every family of an architecture', () => {
  const ids = (architecture: string) => findByArchitecture(catalog, architecture).map(({ family }) => family.id);
  expect(ids('gemma3n')).toEqual(['gemma-3n', 'tiny-gemma-3n']);
  expect(ids('gemma3')).toEqual(['gemma-3']);
  expect(ids('llama')).toEqual([]);
});
