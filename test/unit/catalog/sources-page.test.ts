import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { familyOf, ROOT } from '../../helpers/plans.ts';

const page = readFileSync(join(ROOT, 'docs/sources.md'), 'utf8');

test.each(['gemma-3', 'gemma-3n'])('docs/sources.md names every repository of %s', (id) => {
  const refs = familyOf(id).models.flatMap(({ quants }) => quants.flatMap(({ sources = [] }) => sources));
  const repositories = new Set(refs.map(({ ref }) => /^hf:([^@]+)@/.exec(ref)?.[1] ?? ref));
  expect(repositories.size).toBeGreaterThan(0);
  expect([...repositories].filter((repository) => !page.includes(repository))).toEqual([]);
});

test.each(['gemma-3', 'gemma-3n'])('%s: quants without a source are those that docs/sources.md says', (id) => {
  const without = familyOf(id).models.map(({ id: model, quants }) => [
    model,
    quants.filter(({ sources = [] }) => sources.length === 0).map(({ id: quant }) => quant),
  ]);
  const stated: Record<string, readonly string[]> = {
    'gemma-3n-e4b': [],
    'gemma-3-12b': ['f16', 'q5_1', 'q5_0'],
    'gemma-3-27b': ['f16', 'q5_1', 'q5_0'],
  };
  expect(without).toEqual(without.map(([model]) => [model, stated[String(model)] ?? ['q5_1', 'q5_0']]));
});
