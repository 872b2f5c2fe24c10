/** What a runtime reports of a model, compared with its record: the chat format that a server has built in. */
import { expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { findDrift } from '../../../../src/provision/maintain/verify.ts';
import type { StoredModel } from '../../../../src/runtimes/contract.ts';

const RECORD: Parameters<typeof findDrift>[0] = {
  name: 'm:t',
  template: {
    name: 'gemma4-large',
    digest: digestOf('jinja'),
    builtIn: { renderer: 'gemma4-large', parser: 'gemma4', requires: '0.21.0' },
  },
  parameters: {},
  stored: { entryDigest: digestOf('before') },
};

function templateDrift(found: Partial<StoredModel>): string[] {
  const stored: StoredModel = { name: 'm:t', entryDigest: digestOf('after'), template: '{{ .Prompt }}', ...found };
  const problems = findDrift(RECORD, stored);
  return problems.flatMap(({ kind, detail }) => (kind === 'template-drift' ? [detail] : []));
}

test('the template that a server shows beside the recorded renderer is no drift', () => {
  expect(templateDrift({ renderer: 'gemma4-large', parser: 'gemma4' })).toEqual([]);
});

test('another renderer or parser is drift', () => {
  expect(templateDrift({ renderer: 'gemma4-small', parser: 'gemma4' })).toEqual([
    expect.stringContaining('are gemma4-small and gemma4; gemma4-large and gemma4 were recorded'),
  ]);
  expect(templateDrift({ renderer: 'gemma4-large', parser: 'other' })).toHaveLength(1);
});

test('the name that an older server has for the prompt is no drift', () => {
  expect(templateDrift({ renderer: 'gemma4', parser: 'gemma4' })).toEqual([]);
});
