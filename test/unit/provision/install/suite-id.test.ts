import { expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { suiteIdFor } from '../../../../src/provision/install/smoke.ts';
import { familyOf } from '../../../helpers/plans.ts';

const catalog = { families: ['gemma-3', 'tiny-gemma-3n'].map((id) => ({ family: familyOf(id), origins: [] })) };
const digest = digestOf('');
const record = (model: string, suite?: string) => ({
  family: model.startsWith('gemma-3') ? 'gemma-3' : model,
  model,
  template: { name: 'gemma', digest },
  ...(suite !== undefined && { suite: { id: suite, digest } }),
});

test.each([
  ['the suite of its model', record('tiny-gemma-3n'), 'tiny-gemma-3n'],
  ['its model knows better than the record', record('gemma-3-1b', 'tiny-gemma-3n'), 'gemma'],
  [
    'the suite that it passed, for a model that the catalog does not know',
    record('mine', 'tiny-gemma-3n'),
    'tiny-gemma-3n',
  ],
  ['not a suite of the user’s own, which is not here', record('mine', 'my-questions'), 'gemma'],
  ['a pretrained model', { ...record('mine'), template: { name: 'raw', digest } }, 'base'],
])('%s', (_title, of, suite) => {
  expect(suiteIdFor(of, catalog)).toBe(suite);
});
