import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { resolveModel } from '../../../src/catalog/lookup.ts';
import { modelText } from '../../../src/cli/render/catalog.ts';
import { BUILTIN, realFiles } from '../catalog/helpers.ts';

const catalog = await loadCatalog(realFiles, { builtin: BUILTIN });

describe('catalog show', () => {
  test('tells where the bytes of every quant and projector can be had, and what they must be', async () => {
    const { family, model } = resolveModel(catalog, 'gemma-3-4b');
    const text = modelText(family, model);
    const files = [...model.quants, ...(model.projectors ?? [])];
    const sources = files.flatMap((file) => file.sources ?? []);
    expect(sources.length).toBeGreaterThan(model.quants.length);
    for (const { ref, digest } of sources) {
      expect(text).toContain(`    ${ref}`);
      if (digest !== undefined) expect(text).toContain(digest);
    }
    for (const { digest } of files) if (digest !== undefined) expect(text).toContain(digest);
  });
});
