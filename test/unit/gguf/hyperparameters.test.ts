import { describe, expect, test } from 'vitest';
import { readGgufHeader } from '../../../src/gguf/header.ts';
import type { GgufFacts } from '../../../src/gguf/schema.ts';
import { buildGguf, type GgufSpec, type MetadataSpec, memorySource, modelSpec } from '../../helpers/gguf-builder.ts';

function read(spec: GgufSpec): Promise<GgufFacts> {
  const content = buildGguf(spec);
  return readGgufHeader(memorySource(content), { fileBytes: content.length });
}

function withEntry(entry: MetadataSpec): GgufSpec {
  return modelSpec('gemma3n', { [entry.key]: entry });
}

describe('hyperparameters', () => {
  test.each<[string, MetadataSpec, Partial<NonNullable<GgufFacts['hyperparameters']>>]>([
    [
      'shared_kv_layers as u32',
      { key: 'gemma3n.attention.shared_kv_layers', type: 'u32', value: 1 },
      { sharedKvLayers: 1 },
    ],
    [
      'shared_kv_layers as f32',
      { key: 'gemma3n.attention.shared_kv_layers', type: 'f32', value: 1 },
      { sharedKvLayers: 1 },
    ],
    [
      'feed_forward_length per layer',
      { key: 'gemma3n.feed_forward_length', type: 'u32', value: [512, 1024] },
      { feedForwardLength: [512, 1024] },
    ],
    [
      'head_count per layer',
      { key: 'gemma3n.attention.head_count', type: 'u32', value: [2, 8] },
      { headCount: [2, 8], keyLength: 128 },
    ],
    [
      'one number where all layers have the same',
      { key: 'gemma3n.feed_forward_length', type: 'u32', value: [1024, 1024] },
      { feedForwardLength: 1024 },
    ],
    [
      'the largest of a list that is not one per layer',
      { key: 'gemma3n.feed_forward_length', type: 'u32', value: [512, 1024, 768] },
      { feedForwardLength: 1024 },
    ],
    [
      'head_count_kv per layer, with layers that have none',
      { key: 'gemma3n.attention.head_count_kv', type: 'i32', value: [0, 2] },
      { headCountKv: 2 },
    ],
    [
      'key_length_swa, where the file does not say which layers see only a window',
      { key: 'gemma3n.attention.key_length_swa', type: 'u32', value: 256 },
      { keyLength: 256, valueLength: 64 },
    ],
    [
      'key_length',
      { key: 'gemma3n.attention.key_length', type: 'u32', value: 128 },
      { keyLength: 128, valueLength: 64 },
    ],
    [
      'head_dim of Ollama’s converter',
      { key: 'gemma3n.head_dim', type: 'u32', value: 128 },
      { keyLength: 128, valueLength: 128 },
    ],
    [
      'a window with the pattern of gemma3n',
      { key: 'gemma3n.attention.sliding_window', type: 'u32', value: 512 },
      { slidingWindow: 512, slidingPattern: 5 },
    ],
    [
      'per-layer embeddings',
      { key: 'gemma3n.embedding_length_per_layer_input', type: 'u32', value: 256 },
      { perLayerEmbeddingLength: 256 },
    ],
  ])('%s', async (_, entry, expected) => {
    expect((await read(withEntry(entry))).hyperparameters).toMatchObject(expected);
  });

  test.each([
    ['a list of flags', [true, true, false, true, true, false], 3],
    ['all local', [true, true, true], 4],
    ['all global', [false, false], 1],
    ['no rhythm', [true, false, false, true], undefined],
  ])('the sliding pattern from %s', async (_, value, expected) => {
    const spec = modelSpec('gemma3n', {
      window: { key: 'gemma3n.attention.sliding_window', type: 'u32', value: 512 },
      pattern: { key: 'gemma3n.attention.sliding_window_pattern', type: 'bool', value },
    });
    expect((await read(spec)).hyperparameters?.slidingPattern).toBe(expected);
  });

  test('the sliding pattern from a number, and none for an architecture that nobody knows', async () => {
    const spec = (architecture: string, extra: Readonly<Record<string, MetadataSpec>>): GgufSpec =>
      modelSpec(architecture, {
        window: { key: `${architecture}.attention.sliding_window`, type: 'u32', value: 512 },
        ...extra,
      });
    const pattern: MetadataSpec = { key: 'foo.attention.sliding_window_pattern', type: 'u32', value: 7 };
    expect((await read(spec('foo', { pattern }))).hyperparameters?.slidingPattern).toBe(7);
    expect((await read(spec('foo', {}))).hyperparameters?.slidingPattern).toBeUndefined();
  });

  test('Gemma 3n files without shared_kv_layers share all layers after the twentieth', async () => {
    const blocks: MetadataSpec = { key: 'gemma3n.block_count', type: 'u32', value: 35 };
    expect((await read(withEntry(blocks))).hyperparameters?.sharedKvLayers).toBe(15);
  });

  test('that no key gives are llama.cpp’s, and told as assumed', async () => {
    const spec = modelSpec('gemma3n', {
      'gemma3n.attention.head_count_kv': undefined,
      'gemma3n.block_count': { key: 'gemma3n.block_count', type: 'u32', value: 24 },
      window: { key: 'gemma3n.attention.sliding_window', type: 'u32', value: 512 },
    });
    const table = { name: 'per_layer_token_embd.weight', type: 12, shape: [256 * 24, 4] };
    const facts = await read({ ...spec, tensors: [...spec.tensors, table] });
    expect(facts.hyperparameters).toMatchObject({
      headCountKv: 4,
      keyLength: 64,
      valueLength: 64,
      slidingPattern: 5,
      sharedKvLayers: 4,
      perLayerEmbeddingLength: 256,
    });
    expect(facts.assumed.map(({ key, value }) => [key, value])).toEqual([
      ['gemma3n.attention.head_count_kv', 4],
      ['gemma3n.attention.key_length', 64],
      ['gemma3n.attention.value_length', 64],
      ['gemma3n.attention.sliding_window_pattern', 5],
      ['gemma3n.attention.shared_kv_layers', 4],
      ['gemma3n.embedding_length_per_layer_input', 256],
    ]);
    for (const { basis } of facts.assumed) expect(basis).not.toBe('');
  });

  test('that are lists of a wrong length, or without a rhythm, are warned of', async () => {
    const spec = modelSpec('gemma3n', {
      window: { key: 'gemma3n.attention.sliding_window', type: 'u32', value: 512 },
      pattern: { key: 'gemma3n.attention.sliding_window_pattern', type: 'bool', value: [true, false, false, true] },
      'gemma3n.feed_forward_length': { key: 'gemma3n.feed_forward_length', type: 'u32', value: [1, 2, 3] },
    });
    expect((await read(spec)).warnings).toEqual([
      'gemma3n.feed_forward_length lists 3 layers, but there are 2 blocks',
      'gemma3n.attention.sliding_window_pattern lists 4 layers, but there are 2 blocks',
      'its local and global layers do not follow a known pattern: the memory estimate treats all as global',
    ]);
  });

  test('are absent for a projector, an adapter and a network without attention', async () => {
    const clip = modelSpec('clip', { 'clip.block_count': undefined });
    expect((await read(clip)).hyperparameters).toBeUndefined();
    const adapter = withEntry({ key: 'general.type', type: 'string', value: 'adapter' });
    expect((await read(adapter)).hyperparameters).toBeUndefined();
    const mamba = modelSpec('mamba', {
      'mamba.attention.head_count': { key: 'mamba.attention.head_count', type: 'u32', value: 0 },
    });
    expect((await read(mamba)).hyperparameters).toBeUndefined();
  });

  test.each<[string, MetadataSpec | undefined, string]>([
    ['gemma3n.embedding_length', undefined, 'is missing'],
    ['gemma3n.context_length', undefined, 'is missing'],
    ['gemma3n.block_count', { key: 'gemma3n.block_count', type: 'u32', value: 0 }, 'must be a whole number above 0'],
    ['gemma3n.block_count', { key: 'gemma3n.block_count', type: 'u32', value: 4e9 }, 'more than any model has'],
    ['gemma3n.context_length', { key: 'gemma3n.context_length', type: 'f32', value: 1.5 }, 'is f32 1.5 and must be'],
    [
      'gemma3n.attention.head_count',
      { key: 'gemma3n.attention.head_count', type: 'string', value: ['x'] },
      'array of string',
    ],
    [
      'gemma3n.attention.shared_kv_layers',
      { key: 'gemma3n.attention.shared_kv_layers', type: 'f32', value: -1 },
      'f32 -1',
    ],
    [
      'gemma3n.attention.shared_kv_layers',
      { key: 'gemma3n.attention.shared_kv_layers', type: 'u32', value: 9 },
      'only 2 blocks',
    ],
    ['tokenizer.ggml.tokens', { key: 'tokenizer.ggml.tokens', type: 'u32', value: [1] }, 'must be an array of string'],
    [
      'general.architecture',
      { key: 'general.architecture', type: 'string', value: '../x' },
      'not a valid architecture name',
    ],
  ])('%s wrong: %o', async (key, entry, fragment) => {
    const attempt = read(modelSpec('gemma3n', { [key]: entry }));
    await expect(attempt).rejects.toMatchObject({ code: 'bad-gguf', message: expect.stringContaining(fragment) });
  });
});

describe('the keys of Gemma 4', () => {
  const u32 = (name: string, value: number): MetadataSpec => ({ key: `gemma4.${name}`, type: 'u32', value });
  const spec = (...entries: MetadataSpec[]): GgufSpec =>
    modelSpec('gemma4', Object.fromEntries(entries.map((entry) => [entry.key, entry])));
  const pattern: MetadataSpec = { key: 'gemma4.attention.sliding_window_pattern', type: 'bool', value: [true, false] };

  test('heads of layers that see only a window have a width of their own', async () => {
    const { hyperparameters } = await read(
      spec(
        pattern,
        u32('attention.sliding_window', 512),
        u32('attention.key_length', 128),
        u32('attention.key_length_swa', 64),
      ),
    );
    expect(hyperparameters).toMatchObject({ keyLength: [64, 128], valueLength: 64, slidingPattern: 2 });
  });

  test('experts, of one width or the widest of several', async () => {
    const experts = [u32('expert_count', 128), u32('expert_used_count', 8)];
    const one = await read(spec(...experts, u32('expert_feed_forward_length', 704)));
    expect(one.hyperparameters?.experts).toEqual({ count: 128, used: 8, feedForwardLength: 704 });
    const widths: MetadataSpec = { key: 'gemma4.expert_feed_forward_length', type: 'i32', value: [704, 512] };
    expect((await read(spec(...experts, widths))).hyperparameters?.experts?.feedForwardLength).toBe(704);
    expect((await read(spec(...experts))).hyperparameters).not.toHaveProperty('experts');
  });

  test('more experts in use than there are is refused', async () => {
    const wrong = spec(u32('expert_count', 4), u32('expert_used_count', 8), u32('expert_feed_forward_length', 704));
    await expect(read(wrong)).rejects.toThrow(/expert_used_count.* is 8, but there are only 4 experts/);
  });
});
