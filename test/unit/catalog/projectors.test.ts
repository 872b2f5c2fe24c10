import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import type { Projector } from '../../../src/catalog/schema.ts';
import { validateCatalogText } from '../../../src/catalog/validate.ts';
import { BUILTIN, json, realFiles, sampleFamily, sampleModel } from './helpers.ts';

const PROJECTOR: Projector = {
  id: 'f16',
  file: 'mmproj-f16.gguf',
  serves: ['image'],
  types: ['gemma3'],
  embeddingLength: 64,
  digest: `sha256:${'a'.repeat(64)}`,
  sources: [{ ref: 'hf:acme/sample/mmproj-f16.gguf' }],
};

function issuesOf(projectors: readonly object[], kinds: readonly string[] = ['text', 'image']) {
  const model = {
    ...sampleModel(),
    modalities: kinds.map((kind) => ({ kind, direction: 'input', detail: kind, servedByRuntimes: true })),
    projectors,
  };
  return validateCatalogText('mine.json', json({ ...sampleFamily(), models: [model] }), { families: [] });
}

describe('projectors of a model', () => {
  test('one that fits the model has no issue', () => {
    expect(issuesOf([PROJECTOR])).toEqual([]);
  });

  test.each<[string, object[], string, RegExp]>([
    ['another embedding length', [{ ...PROJECTOR, embeddingLength: 32 }], 'embeddingLength', /is 32, but .* 64/],
    ['a sense that the model does not have', [{ ...PROJECTOR, serves: ['audio'] }], 'serves', /names audio/],
    ['a branch that can move', [{ ...PROJECTOR, digest: undefined }], 'sources[0]', /requires a digest/],
    ['the same digest twice', [PROJECTOR, { ...PROJECTOR, id: 'bf16' }], '[1].digest', /digest/],
    [
      'more tensors than the file has bytes',
      [{ ...PROJECTOR, tensorBytes: { value: 10, source: 's' }, fileBytes: { value: 9, source: 's' } }],
      'tensorBytes.value',
      /10 exceeds fileBytes, 9/,
    ],
  ])('%s', (_, projectors, path, message) => {
    expect(issuesOf(projectors)).toEqual([
      expect.objectContaining({ path: expect.stringContaining(path), message: expect.stringMatching(message) }),
    ]);
  });

  test('the sizes of the built-in ones are those of their shapes: a header of one size for one kind', async () => {
    const { families } = await loadCatalog(realFiles, { builtin: BUILTIN });
    const gemma3 = families.find(({ family }) => family.id === 'gemma-3')?.family.models ?? [];
    const headers = gemma3.flatMap(({ projectors = [] }) =>
      projectors.map(({ tensorBytes, fileBytes }) => (fileBytes?.value ?? 0) - (tensorBytes?.value ?? 0)),
    );
    expect(headers).toEqual([25_056, 25_056, 25_056]);
  });
});
