import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { validateCatalogText } from '../../../src/catalog/validate.ts';
import { measurementsText, publishedLines } from '../../../src/cli/render/quality.ts';
import { BUILTIN, json, realFiles, sampleFamily, sampleModel } from './helpers.ts';

const SERIES = {
  metric: 'kl-divergence',
  method: 'mean over all positions',
  text: 'wikitext-2',
  against: 'BF16',
  date: '2026-04',
  source: 'a page',
  values: [
    { file: 'IQ1_S of someone', value: 0.9 },
    { quant: sampleModel().quants[0]?.id, file: 'ours', value: 0.02, error: 0.001 },
  ],
} as const;

function issuesOf(series: object) {
  const model = { ...sampleModel(), measurements: [series] };
  return validateCatalogText('mine.json', json({ ...sampleFamily(), models: [model] }), { families: [] });
}

describe('published measurements of a model', () => {
  test('a whole series has no issue', () => {
    expect(issuesOf(SERIES)).toEqual([]);
  });

  test.each<[string, object, string, RegExp]>([
    ['a quant that the model lacks', { values: [{ quant: 'q9_9', file: 'x', value: 1 }] }, 'quant', /no quant "q9_9"/],
    ['a share above 100', { metric: 'top-1-agreement', values: [{ file: 'x', value: 101 }] }, 'value', /at most 100/],
    [
      'one file twice',
      {
        values: [
          { file: 'x', value: 1 },
          { file: 'x', value: 2 },
        ],
      },
      'file',
      /already used/,
    ],
    ['no source', { source: undefined }, 'source', /./],
    ['an impossible date', { date: '2026-13' }, 'date', /must be a date/],
    ['no values', { values: [] }, 'values', /./],
  ])('%s is an issue', (_, change, place, message) => {
    const issues = issuesOf({ ...SERIES, ...change });
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toMatch(new RegExp(`${place}$`));
    expect(issues[0]?.message).toMatch(message);
  });

  test('built-in series of one model differ in metric, method or source, so that none is printed as another', async () => {
    const { families } = await loadCatalog(realFiles, { builtin: BUILTIN });
    const models = families.flatMap(({ family }) => family.models).filter((model) => model.measurements !== undefined);
    expect(models.map(({ id }) => id)).toContain('gemma-3-4b');
    for (const { measurements = [] } of models) {
      const keys = measurements.map(({ metric, method, source, text }) => [metric, method, source, text].join('|'));
      expect(new Set(keys).size).toBe(keys.length);
    }
  });
});

describe('the text of a series', () => {
  test('names the direction, the method, the reference and the source', () => {
    const text = measurementsText([{ ...SERIES, values: [...SERIES.values] }]);
    expect(text).toMatch(/KL divergence, lower is better/);
    expect(text).toMatch(/mean over all positions\. Text: wikitext-2\. Against: BF16\./);
    expect(text).toMatch(/ours {14}0\.02 ± 0\.001 nats/);
  });

  test('in a recommendation is one line, and none without a quant of the catalog', () => {
    const series = { ...SERIES, values: [...SERIES.values] };
    expect(publishedLines([series])).toEqual([
      'KL divergence against BF16 (lower is better): IQ1_S of someone 0.9 nats, ours 0.02 ± 0.001 nats. a page, 2026-04.',
    ]);
    expect(publishedLines([{ ...series, values: series.values.slice(0, 1) }])).toEqual([]);
  });
});
