import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { readGgufHeader } from '../../../src/gguf/header.ts';
import { quantOfName, quantWarning } from '../../../src/gguf/quant-claim.ts';
import type { TensorFacts } from '../../../src/gguf/schema.ts';
import { readHeader } from '../../../src/provision/plan/header.ts';
import { buildGguf, type MetadataSpec, memorySource, modelSpec } from '../../helpers/gguf-builder.ts';

/**
 * Types and shapes of the block matrices of seven models after llama.cpp's own quantisation, by builds of two rule sets:
 * model, build, quant, then [type, shape, how many].
 */
const Fixture = z.record(
  z.string(),
  z.record(z.string(), z.record(z.string(), z.array(z.tuple([z.string(), z.array(z.int()), z.int()])))),
);
const QUANTISED = Fixture.parse(
  JSON.parse(readFileSync(new URL('../../fixtures/gguf/quantised-blocks.json', import.meta.url), 'utf8')),
);

const CASES = Object.entries(QUANTISED).flatMap(([model, builds]) =>
  Object.entries(builds).flatMap(([build, quants]) =>
    Object.entries(quants).map(([quant, rows]) => {
      const tensors = rows.flatMap(([type, shape, count]) =>
        Array.from({ length: count }, (): TensorFacts => ({ name: 'blk.0.x.weight', type, shape, bytes: 0 })),
      );
      return { model, build, quant, tensors };
    }),
  ),
);

describe('what llama-quantize makes', () => {
  test('is 7 models in 15 quants by 2 rule sets', () => {
    expect(CASES).toHaveLength(210);
  });

  test('is what its name says, also where rows are no multiple of 256', () => {
    const lies = CASES.filter(({ quant, tensors }) => quantWarning(quant, tensors, 'it declares') !== undefined);
    expect(lies.map(({ model, build, quant }) => `${model} ${build} ${quant}`)).toEqual([]);
  });

  test('is a lie under a name of another width', () => {
    const honest = CASES.filter(({ model, build }) => model === 'gemma-3n-e4b' && build === 'v0.5.0');
    const family = (quant: string): string => quant.replace(/_k_[sml]$/, '_k');
    for (const { quant, tensors } of honest)
      for (const { quant: other } of honest)
        expect([quant, other, quantWarning(other, tensors, 'it declares') !== undefined]).toEqual([
          quant,
          other,
          family(quant) !== family(other),
        ]);
  });
});

describe('a name that lies', () => {
  const declared = (value: number): MetadataSpec => ({ key: 'general.file_type', type: 'u32', value });
  const read = (value: number) => {
    const content = buildGguf(modelSpec('gemma3n', { 'general.file_type': declared(value) }));
    return readGgufHeader(memorySource(content), { fileBytes: content.length });
  };

  test('is told in the facts, and the tensors are summed by their own types', async () => {
    const facts = await read(7);
    expect(facts.declaredQuant).toBe('q8_0');
    expect(facts.warnings).toEqual([
      'the file declares q8_0, but 100 % of the weights in its blocks are Q4_K: rely on its size, not on its name',
    ]);
    expect(facts.typeBytes).toEqual([
      { type: 'Q4_K', tensors: 4, weights: 393_216, bytes: 221_184 },
      { type: 'F32', tensors: 1, weights: 256, bytes: 1024 },
      { type: 'Q6_K', tensors: 1, weights: 1024, bytes: 840 },
    ]);
    expect((await read(15)).warnings).toEqual([]);
  });

  test('is not looked for where no number, or one that nobody assigned, is declared', async () => {
    expect((await read(1024)).declaredQuant).toBeUndefined();
    expect((await read(1024)).warnings).toEqual([]);
  });

  test('may be that of the file alone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'name-'));
    const content = buildGguf(modelSpec());
    for (const name of ['tiny-Q6_K.gguf', 'tiny-q4_k_m.gguf', 'tiny.gguf', 'tiny-Q4_K_S.gguf'])
      await writeFile(join(folder, name), content);
    const warningsOf = async (name: string) => (await readHeader(join(folder, name), content.length)).warnings;
    expect(await warningsOf('tiny-Q6_K.gguf')).toEqual([
      'the file’s name says q6_k, but 100 % of the weights in its blocks are Q4_K: rely on its size, not on its name',
    ]);
    expect(await warningsOf('tiny-q4_k_m.gguf')).toEqual([]);
    expect(await warningsOf('tiny.gguf')).toEqual([]);
    expect(await warningsOf('tiny-Q4_K_S.gguf')).toEqual([]);
    await rm(folder, { recursive: true });
  });
});

describe('the quant in a file name', () => {
  test.each([
    ['gemma-3n-E4B-it-Q4_K_M.gguf', 'q4_k_m'],
    ['tiny-gemma-3n-q2_k.gguf', 'q2_k'],
    ['gemma-3-4b-it-qat-q4_0.gguf', 'q4_0'],
    ['x.IQ2_XXS.gguf', 'iq2_xxs'],
    ['x-BF16-00001-of-00002.gguf', 'bf16'],
    ['x-f16.gguf', 'f16'],
    ['f16-to-Q8_0.gguf', 'q8_0'],
    ['gemma-3n-E4B-it-UD-Q4_K_XL.gguf', 'q4_k_xl'],
    ['Q8.gguf', undefined],
    ['faq4_0x.gguf', undefined],
    ['model.gguf', undefined],
  ])('%s: %s', (name, quant) => {
    expect(quantOfName(name)).toBe(quant);
  });

  test('that is no known one claims nothing', () => {
    const tensors = [{ name: 'blk.0.x.weight', type: 'F32', shape: [32, 32], bytes: 4096 }];
    expect(quantWarning('q4_k_xl', tensors, 'it says')).toBeUndefined();
    expect(quantWarning('f16', tensors, 'it says')).toContain('100 % of the weights in its blocks are F32');
  });
});

test('the tiny models that ship with this package are what they declare', async () => {
  for (const name of ['tiny-gemma-3n-q2_k.gguf', 'tiny-gemma-3n-q4_k_m.gguf']) {
    const content = readFileSync(new URL(`../../../models/tiny-gemma-3n/${name}`, import.meta.url));
    const facts = await readGgufHeader(memorySource(content), { fileBytes: content.length });
    expect([facts.declaredQuant, facts.warnings, facts.assumed]).toEqual([quantOfName(name), [], []]);
  }
});
