import { describe, expect, test } from 'vitest';
import { configFacts } from '../../../src/catalog/config-shape.ts';

/** The published numbers of google/gemma-3-4b-it: the language model is a part of the file. */
const GEMMA_3_4B = {
  model_type: 'gemma3',
  text_config: {
    model_type: 'gemma3_text',
    num_hidden_layers: 34,
    hidden_size: 2560,
    intermediate_size: 10240,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    max_position_embeddings: 131072,
    sliding_window: 1024,
    sliding_window_pattern: 6,
    vocab_size: 262208,
  },
};

const SHAPE = {
  blockCount: 34,
  embeddingLength: 2560,
  feedForwardLength: 10240,
  headCount: 8,
  headCountKv: 4,
  keyLength: 256,
  valueLength: 256,
  contextLength: 131072,
  slidingWindow: 1024,
  slidingPattern: 6,
  vocabularySize: 262208,
};

function withText(changes: Readonly<Record<string, unknown>>) {
  return { ...GEMMA_3_4B, text_config: { ...GEMMA_3_4B.text_config, ...changes } };
}

describe('the shape of a config.json', () => {
  test('of a model with pictures is that of its language model', () => {
    expect(configFacts(GEMMA_3_4B)).toEqual({ architecture: 'gemma3', shape: SHAPE, notes: [] });
  });

  test('a list of equal widths is one number, a list of others stays', () => {
    expect(configFacts(withText({ intermediate_size: [4, 4] })).shape.feedForwardLength).toBe(4);
    expect(configFacts(withText({ intermediate_size: [4, 8] })).shape.feedForwardLength).toEqual([4, 8]);
  });

  test('global layers are told by their kinds, where these follow a rhythm', () => {
    const kinds = Array.from({ length: 34 }, (_, layer) =>
      (layer + 1) % 5 === 0 ? 'full_attention' : 'sliding_attention',
    );
    const regular = configFacts(withText({ sliding_window_pattern: undefined, layer_types: kinds }));
    expect(regular.shape.slidingPattern).toBe(5);
    const irregular = configFacts(
      withText({ sliding_window_pattern: undefined, layer_types: ['full_attention', ...kinds.slice(1)] }),
    );
    expect(irregular.shape).not.toHaveProperty('slidingPattern');
    expect(irregular.notes).toEqual([expect.stringContaining('slidingPattern')]);
  });

  test('shared layers and per-layer embeddings are what it says, zero too', () => {
    const said = { num_kv_shared_layers: 0, hidden_size_per_layer_input: 256 };
    expect(configFacts(withText(said)).shape).toMatchObject({ sharedKvLayers: 0, perLayerEmbeddingLength: 256 });
  });

  test('what it does not say is left out', () => {
    const { shape } = configFacts(withText({ vocab_size: undefined, num_hidden_layers: 0, hidden_size: '2560' }));
    expect(shape).not.toHaveProperty('vocabularySize');
    expect(shape).not.toHaveProperty('blockCount');
    expect(shape).not.toHaveProperty('embeddingLength');
  });

  test.each([null, [], 'text', {}, { text_config: [] }, { model_type: '__proto__' }, { model_type: 'novel' }])(
    '%j has no architecture',
    (config) => {
      expect(configFacts(config)).not.toHaveProperty('architecture');
    },
  );
});
