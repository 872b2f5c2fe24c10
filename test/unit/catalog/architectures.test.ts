import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Architectures, architectureFacts } from '../../../src/catalog/architectures.ts';

const file = new URL('../../../src/catalog/architectures.json', import.meta.url);
const { architectures } = Architectures.parse(JSON.parse(readFileSync(file, 'utf8')));

test('every architecture is there once, and each of its constants has a source', () => {
  expect(new Set(architectures.map(({ id }) => id)).size).toBe(architectures.length);
  for (const { id, ...constants } of architectures) {
    expect(Object.keys(constants), id).not.toEqual([]);
    for (const constant of Object.values(constants)) expect(constant?.source, id).toMatch(/\w+/);
  }
});

test('an architecture that is not known has no constants', () => {
  expect(architectureFacts('mamba')).toEqual({ id: 'mamba' });
  expect(architectureFacts('gemma3n').layersWithOwnKv?.value).toBe(20);
});
