import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { resolveModel } from '../../../src/catalog/lookup.ts';
import type { Model } from '../../../src/catalog/schema.ts';
import { GIB } from '../../../src/core/units.ts';
import { BUILTIN, realFiles } from './helpers.ts';

const ROOT = join(BUILTIN, '..');
const catalog = await loadCatalog(realFiles, { builtin: BUILTIN });
const rows = readFileSync(join(ROOT, 'test/fixtures/card-quants.txt'), 'utf8').split('\n');

const models = catalog.families.flatMap(({ family }) =>
  family.models.map((model): [string, Model] => [model.id, model]),
);

/** The rows of the card's quant table, cell by cell. */
function cardTable() {
  return rows.flatMap((row) => {
    const [, id, size, compression, stars, use] =
      /^\| \*\*(\w+)\*\* \| ([\d.]+) \| ([\d.]+)x \| (\S+) \| (.*) \|$/.exec(row) ?? [];
    if (id === undefined) return [];
    return [
      {
        id: id.toLowerCase(),
        sizeGiB: Number(size),
        compression: Number(compression),
        quality: [...(stars ?? '')].length,
        use: use?.replaceAll('*', ''),
      },
    ];
  });
}

/** The card's list of files: name, size, remark. */
function cardFiles() {
  return rows.flatMap((row) => {
    const [, file, size, label] = /^(\S+\.gguf) +# ([\d.]+) GB - (.*)$/.exec(row) ?? [];
    return file === undefined ? [] : [{ file, sizeGiB: Number(size), label }];
  });
}

describe('gemma-3n-e4b against its card', () => {
  const { family, model } = resolveModel(catalog, 'gemma-3n-e4b');

  test('every row of the quant table is in the catalog as printed, in the same order', () => {
    expect(cardTable()).toHaveLength(15);
    expect(
      model.quants.map(({ id, card }) => ({
        id,
        sizeGiB: card?.sizeGiB,
        compression: card?.compression,
        quality: card?.quality,
        use: card?.use,
      })),
    ).toEqual(cardTable());
  });

  test('every row of the file list is in the catalog', () => {
    expect(cardFiles()).toHaveLength(15);
    expect(model.quants.map(({ file, card }) => ({ file, sizeGiB: card?.sizeGiB, label: card?.label }))).toEqual(
      cardFiles(),
    );
  });

  test('the recommended parameters, tiers and use cases are the card’s', () => {
    expect(family.defaultProfile).toBe('card');
    expect(family.profiles.card).toMatchObject({
      temperature: 0.7,
      top_p: 0.9,
      top_k: 40,
      repeat_penalty: 1.1,
      num_predict: 4096,
    });
    expect(family.profiles.google).toMatchObject({ temperature: 1, top_p: 0.95, top_k: 64 });
    expect(family.tokens.stop).toEqual(['<end_of_turn>']);
    expect(Object.fromEntries(family.policy.tiers.map((tier) => [tier.id, tier.quants]))).toEqual({
      'high-end-gpu': ['q8_0', 'f16'],
      'mid-range-gpu': ['q6_k', 'q5_k_m'],
      'consumer-gpu': ['q4_k_m', 'q5_k_s'],
      'low-vram-gpu': ['q4_0', 'q3_k_m'],
      'cpu-only': ['q4_0', 'q3_k_m'],
      edge: ['q3_k_s', 'q2_k'],
    });
    expect(Object.fromEntries(family.policy.useCases.map((useCase) => [useCase.id, useCase.quants]))).toEqual({
      chatbot: ['q5_k_m', 'q4_k_m'],
      research: ['q8_0', 'f16'],
      prototype: ['q4_0'],
      constrained: ['q3_k_m'],
      edge: ['q2_k'],
    });
  });

  test('the GPU tiers leave no gap and do not overlap', () => {
    const bounds = family.policy.tiers.flatMap(({ when }) => (when.device === 'gpu' ? [when] : []));
    const sorted = bounds.toSorted((left, right) => left.minVramGiB - right.minVramGiB);
    expect(sorted[0]?.minVramGiB).toBe(0);
    expect(sorted.map((bound) => bound.maxVramGiB)).toEqual([
      ...sorted.slice(1).map((bound) => bound.minVramGiB),
      undefined,
    ]);
  });

  test('benchmarks: both tables, both sizes, and which weights were measured', () => {
    const find = (group: string, name: string) =>
      family.benchmarks.find((row) => row.group === group && row.name === name);
    expect(family.benchmarks).toHaveLength(6 + 11 + 7 + 4 + 7);
    expect(find('Summary of the collection', 'HumanEval')?.scores).toEqual({ 'gemma-3n-e4b': 75 });
    expect(find('Reasoning and factuality', 'DROP')).toMatchObject({
      metric: 'Token F1 score',
      shots: '1-shot',
      variant: 'pre-trained',
      scores: { 'gemma-3n-e2b': 53.9, 'gemma-3n-e4b': 60.8 },
    });
    expect(find('Multilingual', 'ECLeKTic')).toMatchObject({
      variant: 'instruction-tuned',
      scores: { 'gemma-3n-e2b': 2.5, 'gemma-3n-e4b': 1.9 },
    });
    expect(find('STEM and code', 'Codegolf v2.2')?.scores).toEqual({ 'gemma-3n-e2b': 11, 'gemma-3n-e4b': 16.8 });
    expect(find('Additional benchmarks', 'MMLU (Pro)')?.scores).toEqual({ 'gemma-3n-e2b': 40.5, 'gemma-3n-e4b': 50.6 });
  });

  test('token costs, versions, requirements and licence', () => {
    expect(model.modalities.find(({ kind }) => kind === 'image')?.tokensPerImage).toBe(256);
    expect(model.modalities.find(({ kind }) => kind === 'audio')?.tokensPerSecond).toBe(6.25);
    expect(family.minimumVersions.map(({ software, version }) => `${software} ${version}`)).toEqual([
      'Ollama 0.10.0',
      'Ollama 0.9.3',
      'llama.cpp 8846aace',
      'transformers 4.53.0',
      'Python 3.8',
    ]);
    expect(family.systemRequirements).toMatchObject({
      ram: [
        { quant: 'q2_k', gib: 4 },
        { quant: 'f16', gib: 16 },
      ],
      storage: { minGiB: 3, maxGiB: 13 },
    });
    expect(family.troubleshooting).toHaveLength(4);
    expect(family.licence).toMatchObject({
      url: 'https://ai.google.dev/gemma/terms',
      prohibitedUseUrl: 'https://ai.google.dev/gemma/prohibited_use_policy',
      acceptanceRequired: true,
    });
    expect(family.licence.text).toContain('https://ai.google.dev/gemma/terms');
  });

  test('F16 is 12.79 GiB whatever the card prints', () => {
    const f16 = model.quants.find(({ id }) => id === 'f16');
    expect(f16?.card?.sizeGiB).toBe(13);
    expect(((f16?.tensorBytes?.value ?? 0) / GIB).toFixed(2)).toBe('12.79');
  });

  test('where the real model differs from the card, the catalog has the real figure and says so', () => {
    expect(model.hyperparameters.vocabularySize).toBe(262_144);
    const fields = model.corrections.map(({ field }) => field);
    for (const field of [
      'hyperparameters.vocabularySize',
      'quants.card.sizeGiB',
      'quants.f16.card.sizeGiB',
      'minimumVersions',
    ])
      expect(fields).toContain(field);
  });
});

describe('every built-in model', () => {
  test('the sizes that the catalog promises are there', () => {
    expect(models.map(([id]) => id)).toEqual([
      'gemma-3-270m',
      'gemma-3-1b',
      'gemma-3-4b',
      'gemma-3-12b',
      'gemma-3-27b',
      'gemma-3n-e4b',
      'gemma-3n-e2b',
      'gemma-4-e2b',
      'gemma-4-e4b',
      'gemma-4-12b',
      'gemma-4-26b-a4b',
      'gemma-4-31b',
      'tiny-gemma-3n',
    ]);
  });

  test.each(models)('%s has the 15 quants with the card’s stars', (_, model) => {
    // Quants of other checkpoints (`q4_0-qat`) are not on the card.
    const ofTheCard = model.quants.filter(({ id }) => !id.includes('-'));
    expect(ofTheCard.map(({ id, quality }) => [id, quality])).toEqual(
      cardTable().map(({ id, quality }) => [id, quality]),
    );
  });

  test.each(models)(
    '%s has exact tensor bytes and their placement for every quant, each with its source',
    (_, model) => {
      for (const { id, tensorBytes, weights } of model.quants) {
        expect(tensorBytes?.source, id).toBeTruthy();
        expect(weights?.blocks, id).toHaveLength(model.hyperparameters.blockCount);
        expect(weights?.tiedEmbeddings, id).toBe(true);
      }
    },
  );

  test.each(models)('%s: printed sizes agree with exact bytes to a rounding digit', (_, model) => {
    for (const { id, card, tensorBytes } of model.quants) {
      // The card prints 13.0 for F16, which the corrections of the model set right.
      if (card === undefined || tensorBytes === undefined || id === 'f16') continue;
      expect(Math.abs(tensorBytes.value / GIB - card.sizeGiB), id).toBeLessThanOrEqual(0.06);
    }
  });
});

describe('tiny-gemma-3n', () => {
  const { model } = resolveModel(catalog, 'tiny-gemma-3n');

  test('every quant has its digest and its exact size', () => {
    for (const quant of model.quants) {
      expect(quant.digest, quant.id).toMatch(/^sha256:/);
      expect(quant.fileBytes?.value, quant.id).toBeGreaterThan(quant.tensorBytes?.value ?? Number.POSITIVE_INFINITY);
    }
  });

  test('the files that ship with the package are what the catalog says, and small', () => {
    const shipped = model.quants.filter(({ bundled }) => bundled !== undefined);
    expect(shipped.map(({ id }) => id)).toEqual(['q4_k_m', 'q2_k']);
    for (const { bundled = '', digest, fileBytes, file } of shipped) {
      const bytes = readFileSync(join(ROOT, bundled));
      expect(bundled.endsWith(`/${file}`)).toBe(true);
      expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(digest);
      expect(bytes.length).toBe(fileBytes?.value);
    }
    const total = shipped.reduce((sum, { bundled = '' }) => sum + statSync(join(ROOT, bundled)).size, 0);
    expect(total).toBeLessThan(10_000_000);
  });

  test('is free to use without a question', () => {
    const { licence } = resolveModel(catalog, 'tiny-gemma-3n').family;
    expect(licence).toMatchObject({ id: 'Apache-2.0', acceptanceRequired: false });
  });
});
