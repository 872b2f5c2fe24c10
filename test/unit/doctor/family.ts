import { readFileSync } from 'node:fs';
import { Family, type Model } from '../../../src/catalog/schema.ts';

interface Sizes {
  readonly fileBytes?: number;
  readonly tensorBytes?: number;
  readonly sizeGiB?: number;
}

/** A family with one model `m` whose quants have these sizes. */
export function familyOf(quants: readonly (readonly [string, Sizes])[]): { family: Family; model: Model } {
  const family = Family.parse(JSON.parse(readFileSync('catalog/gemma-3n.json', 'utf8')));
  const [first] = family.models;
  if (first === undefined) throw new Error('the catalog has no model');
  const model: Model = {
    ...first,
    id: 'm',
    quants: quants.map(([id, { fileBytes, tensorBytes, sizeGiB }]) => ({
      id,
      file: `${id}.gguf`,
      quality: 3,
      ...(fileBytes !== undefined && { fileBytes: { value: fileBytes, source: 'test' } }),
      ...(tensorBytes !== undefined && { tensorBytes: { value: tensorBytes, source: 'test' } }),
      ...(sizeGiB !== undefined && { card: { sizeGiB, compression: 1, quality: 3, use: 'test' } }),
    })),
  };
  return { family, model };
}
