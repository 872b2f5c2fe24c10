import { existsSync, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { fileSource } from '../../../src/gguf/file-source.ts';
import { readGgufHeader } from '../../../src/gguf/header.ts';
import { quoteName } from '../../../src/gguf/refusal.ts';
import type { GgufFacts } from '../../../src/gguf/schema.ts';
import { totalWeightBytes } from '../../../src/gguf/weights.ts';
import { buildGguf, type GgufSpec, type MetadataSpec, memorySource, modelSpec } from '../../helpers/gguf-builder.ts';

function read(spec: GgufSpec): Promise<GgufFacts> {
  const content = buildGguf(spec);
  return readGgufHeader(memorySource(content), { fileBytes: content.length });
}

function withEntry(entry: MetadataSpec): GgufSpec {
  return modelSpec('gemma3n', { [entry.key]: entry });
}

describe('a valid header', () => {
  test('yields every fact', async () => {
    const spec = modelSpec();
    const facts = await read(spec);
    expect(facts).toMatchObject({
      version: 3,
      architecture: 'gemma3n',
      name: 'Tiny',
      declaredQuant: 'q4_k_m',
      alignment: 32,
      requiredBytes: buildGguf(spec).length,
      chatTemplate: '{{ bos_token }}',
      tokenizer: { model: 'llama', tokenCount: 4, bos: '<bos>', eos: '<eos>', bosId: 2, eosId: 1, addBos: true },
    });
    expect(facts.hyperparameters).toEqual({
      blockCount: 2,
      embeddingLength: 256,
      feedForwardLength: 512,
      headCount: 4,
      headCountKv: 1,
      keyLength: 64,
      valueLength: 64,
      contextLength: 2048,
      sharedKvLayers: 0,
      perLayerEmbeddingLength: 0,
      vocabularySize: 4,
    });
    const block = (256 * 256 + 256 * 512) * (144 / 256);
    expect(facts.weights).toEqual({
      blocks: [block, block],
      tokenEmbedding: 256 * 4 * (210 / 256),
      perLayerEmbedding: 0,
      perLayerProjection: 0,
      output: 1024,
      other: 0,
      tiedEmbeddings: true,
    });
    expect(totalWeightBytes(facts.weights)).toBe(facts.tensors.reduce((sum, { bytes }) => sum + bytes, 0));
  });

  test('of version 2 and with another alignment is read', async () => {
    const alignment: MetadataSpec = { key: 'general.alignment', type: 'u32', value: 256 };
    const facts = await read({ ...withEntry(alignment), version: 2, alignment: 256 });
    expect([facts.version, facts.alignment, facts.dataOffset % 256]).toEqual([2, 256, 0]);
  });

  test('keeps scalars and short arrays of the metadata, and no token lists', async () => {
    const facts = await read(withEntry({ key: 'general.tags', type: 'string', value: ['a', 'b'] }));
    expect(facts.metadata.get('general.tags')).toEqual(['a', 'b']);
    expect(facts.metadata.get('gemma3n.block_count')).toBe(2);
    expect(facts.metadata.has('tokenizer.ggml.tokens')).toBe(false);
  });

  test('with a key named __proto__ stays harmless', async () => {
    const facts = await read(withEntry({ key: '__proto__', type: 'string', value: 'x' }));
    expect(facts.metadata.get('__proto__')).toBe('x');
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });

  test('may be followed by bytes that belong to no tensor', async () => {
    const content = Buffer.concat([buildGguf(modelSpec()), Buffer.alloc(100)]);
    const facts = await readGgufHeader(memorySource(content), { fileBytes: content.length });
    expect(facts.requiredBytes).toBe(content.length - 100);
  });

  test('reads a text that is no UTF-8 with replacement characters', async () => {
    const content = buildGguf(modelSpec());
    content[content.indexOf('Tiny')] = 0xff;
    expect((await readGgufHeader(memorySource(content))).name).toBe('\ufffdiny');
  });
});

describe('metadata that are many', () => {
  const flood = (count: number, entry: (index: number) => MetadataSpec): GgufSpec => {
    const spec = modelSpec();
    return { ...spec, metadata: [...spec.metadata, ...Array.from({ length: count }, (_, index) => entry(index))] };
  };

  test.each<[string, GgufSpec]>([
    ['texts', flood(20, (index) => ({ key: `x.${index}`, type: 'string', value: 'x'.repeat(1_000_000) }))],
    [
      'arrays',
      flood(2100, (index) => ({ key: `x.${index}`, type: 'u8', value: Array.from({ length: 1024 }, () => 0) })),
    ],
    ['keys', flood(300, (index) => ({ key: `${index}`.padStart(60_000, 'x'), type: 'u8', value: 0 }))],
  ])('%s: each is allowed, all together are refused', async (_, spec) => {
    await expect(read(spec)).rejects.toMatchObject({
      code: 'bad-gguf',
      message: expect.stringContaining('the metadata exceed'),
    });
  });

  test('one long text and one long array are stepped over', async () => {
    const text: MetadataSpec = { key: 'x.text', type: 'string', value: 'x'.repeat(2_000_000) };
    const array: MetadataSpec = { key: 'x.array', type: 'u16', value: Array.from({ length: 1025 }, () => 1) };
    const { metadata, requiredBytes } = await read(modelSpec('gemma3n', { text, array }));
    expect([metadata.has('x.text'), metadata.has('x.array'), requiredBytes > 2_000_000]).toEqual([false, false, true]);
  });

  test('a text of more than 16 MiB is refused before it is read', async () => {
    const head = buildGguf({
      ...modelSpec('gemma3n', { z: { key: 'z', type: 'string', value: 'x'.repeat(17 * 2 ** 20) } }),
      withData: false,
    });
    const source = memorySource(head);
    await expect(readGgufHeader(source)).rejects.toMatchObject({
      message: expect.stringContaining('"z" claims a length of 17825792 bytes'),
    });
    expect(source.bytes()).toBeLessThan(2 ** 21);
  });
});

describe('tensors', () => {
  const [first, ...rest] = modelSpec().tensors;
  const withFirst = (change: object): GgufSpec => ({
    ...modelSpec(),
    tensors: [{ ...first, name: 'token_embd.weight', shape: [256, 4], ...change }, ...rest],
  });

  test.each<[string, GgufSpec, string]>([
    ['twice the same name', withFirst({ name: 'output_norm.weight' }), '"output_norm.weight" appears twice'],
    ['a name of 64 bytes', withFirst({ name: 'x'.repeat(64) }), 'claims 64 bytes'],
    ['a row of half a block', withFirst({ shape: [100, 4] }), 'rows of 100 elements, which is not a multiple of Q6_K'],
    ['an unaligned offset', withFirst({ offset: 16 }), 'not a multiple of the alignment 32'],
    ['a gap', withFirst({ offset: 64 }), 'leave a gap'],
    [
      'an overlap',
      { ...modelSpec(), tensors: [...modelSpec().tensors, { name: 'x', shape: [4], offset: 0 }] },
      'overlap',
    ],
    ['a withdrawn type', withFirst({ type: 4 }), 'unknown type 4'],
  ])('%s', async (_, spec, fragment) => {
    await expect(read(spec)).rejects.toMatchObject({ code: 'bad-gguf', message: expect.stringContaining(fragment) });
  });

  test('a name with control characters cannot move the cursor of a terminal', async () => {
    const attempt = read(withFirst({ name: '\u001b[2J\u009b', type: 4 }));
    const error: unknown = await attempt.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toContain('\\u001b[2J\\u009b');
  });

  test('a name is shown in at most 80 characters, however they are written', () => {
    expect(quoteName('a.b-c_1')).toBe('"a.b-c_1"');
    expect(quoteName('x'.repeat(80))).toBe(`"${'x'.repeat(80)}"`);
    expect(quoteName('x'.repeat(81))).toBe(`"${'x'.repeat(80)}…"`);
    expect(quoteName('\0'.repeat(14))).toBe(`"${'\\u0000'.repeat(13)}…"`);
    expect(quoteName('"\\é')).toBe('"\\"\\\\é"');
  });
});

describe('a file that was cut off', () => {
  test.each([0.2, 0.5, 0.9])('at %d of its header', async (share) => {
    const header = buildGguf({ ...modelSpec(), withData: false });
    const content = header.subarray(0, Math.floor(header.length * share));
    for (const options of [{}, { fileBytes: content.length }]) {
      const attempt = readGgufHeader(memorySource(content), options);
      await expect(attempt).rejects.toMatchObject({
        code: 'truncated-file',
        message: expect.stringContaining('inside its header'),
      });
    }
  });

  test('in its last tensor, by one byte', async () => {
    const content = buildGguf(modelSpec());
    const attempt = readGgufHeader(memorySource(content), { fileBytes: content.length - 1 });
    await expect(attempt).rejects.toMatchObject({
      code: 'truncated-file',
      message: expect.stringContaining(': 1 are missing'),
    });
  });
});

describe('a vocabulary of 262,144 tokens', () => {
  const tokens = Array.from({ length: 262_144 }, (_, id) => `tok${id}`);
  const spec = modelSpec('gemma3n', {
    'tokenizer.ggml.tokens': { key: 'tokenizer.ggml.tokens', type: 'string', value: tokens },
    'tokenizer.ggml.scores': { key: 'tokenizer.ggml.scores', type: 'f32', value: tokens.map(() => 0) },
    'tokenizer.ggml.eos_token_id': { key: 'tokenizer.ggml.eos_token_id', type: 'u32', value: 262_143 },
  });
  const content = buildGguf(spec);

  test('is counted, two of its tokens are told, in three reads of 8 MiB together at most, without the tensor data', async () => {
    const source = memorySource(content);
    const facts = await readGgufHeader(source, { fileBytes: 13 * 2 ** 30 });
    expect(facts.tokenizer).toMatchObject({ tokenCount: 262_144, bos: 'tok2', eos: 'tok262143' });
    expect(facts.dataOffset).toBeGreaterThan(5e6);
    expect(source.bytes()).toBeLessThanOrEqual(8 * 2 ** 20);
    expect(source.reads.length).toBeLessThanOrEqual(3);
  });

  test('cut off in the middle is noticed', async () => {
    const half = content.subarray(0, 3_000_000);
    await expect(readGgufHeader(memorySource(half))).rejects.toMatchObject({ code: 'truncated-file' });
  });

  test('a token id that does not exist is no token', async () => {
    const small = modelSpec('gemma3n', {
      'tokenizer.ggml.bos_token_id': { key: 'tokenizer.ggml.bos_token_id', type: 'u32', value: 99 },
    });
    expect((await read(small)).tokenizer.bos).toBeUndefined();
  });
});

describe('the bundled tiny model', () => {
  const folder = new URL('../../../models/tiny-gemma-3n/', import.meta.url);
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.gguf')) : [];

  test('is there', () => {
    expect(files.length).toBeGreaterThan(0);
  });

  test.each(files)('%s', async (file) => {
    const handle = await open(new URL(file, folder));
    try {
      const { size } = await handle.stat();
      const facts = await readGgufHeader(fileSource(handle), { fileBytes: size });
      expect(facts.requiredBytes).toBe(size);
      expect(facts.declaredQuant).toBe(/tiny-gemma-3n-(.*)\.gguf/.exec(file)?.[1]);
      expect(facts.hyperparameters).toMatchObject({
        blockCount: 5,
        embeddingLength: 256,
        headCountKv: 1,
        slidingWindow: 512,
        slidingPattern: 5,
        sharedKvLayers: 0,
        perLayerEmbeddingLength: 256,
        vocabularySize: 576,
      });
      expect(facts.weights.blocks).toHaveLength(5);
      expect(facts.weights.perLayerEmbedding).toBeGreaterThan(0);
      expect(facts.tokenizer).toMatchObject({ tokenCount: 576, bos: '<bos>' });
    } finally {
      await handle.close();
    }
  });
});
