/** The header of Gemma 3n E4B in F16, by the shapes that its published files have: 847 tensors, 262,144 tokens. */
import type { GgufSpec, MetadataSpec, TensorSpec } from '../../helpers/gguf-builder.ts';

const BLOCKS = 35;
const EMBEDDING = 2048;
const FEED_FORWARD = 16_384;
const PER_LAYER = 256;
const VOCABULARY = 262_144;
const F16 = 1;

/** Real tokens are nine bytes long on average: so are these, which makes the header as long as a real one, 6.56 MB. */
export function e4bSpec(): GgufSpec {
  return { metadata: metadata(), tensors: tensors(), withData: false };
}

function metadata(): MetadataSpec[] {
  const u32 = (name: string, value: number | readonly number[]): MetadataSpec => ({
    key: `gemma3n.${name}`,
    type: 'u32',
    value,
  });
  const ids = Array.from({ length: VOCABULARY }, (_, id) => id);
  return [
    { key: 'general.architecture', type: 'string', value: 'gemma3n' },
    { key: 'general.name', type: 'string', value: 'gemma-3n-e4b' },
    { key: 'general.file_type', type: 'u32', value: 1 },
    u32('block_count', BLOCKS),
    u32('context_length', 32_768),
    u32('embedding_length', EMBEDDING),
    u32(
      'feed_forward_length',
      Array.from({ length: BLOCKS }, () => FEED_FORWARD),
    ),
    u32('attention.head_count', 8),
    u32('attention.head_count_kv', 2),
    u32('attention.key_length', 256),
    u32('attention.value_length', 256),
    u32('attention.sliding_window', 512),
    { ...u32('attention.shared_kv_layers', 15), type: 'f32' },
    u32('embedding_length_per_layer_input', PER_LAYER),
    {
      key: 'gemma3n.attention.sliding_window_pattern',
      type: 'bool',
      value: Array.from({ length: BLOCKS }, (_, layer) => (layer + 1) % 5 !== 0),
    },
    { key: 'tokenizer.ggml.model', type: 'string', value: 'llama' },
    { key: 'tokenizer.ggml.tokens', type: 'string', value: ids.map((id) => `tok${id}`) },
    { key: 'tokenizer.ggml.scores', type: 'f32', value: ids.map(() => 0) },
    { key: 'tokenizer.ggml.token_type', type: 'i32', value: ids.map(() => 1) },
    { key: 'tokenizer.ggml.bos_token_id', type: 'u32', value: 2 },
    { key: 'tokenizer.ggml.eos_token_id', type: 'u32', value: 1 },
  ];
}

function tensors(): TensorSpec[] {
  const matrix = (name: string, ...shape: number[]): TensorSpec => ({ name: `${name}.weight`, type: F16, shape });
  const norm = (name: string, length = EMBEDDING): TensorSpec => ({ name: `${name}.weight`, shape: [length] });
  const all = [
    matrix('token_embd', EMBEDDING, VOCABULARY),
    matrix('per_layer_token_embd', PER_LAYER * BLOCKS, VOCABULARY),
    matrix('per_layer_model_proj', EMBEDDING, PER_LAYER * BLOCKS),
    norm('per_layer_proj_norm', PER_LAYER),
    matrix('altup_proj', EMBEDDING, EMBEDDING, 3),
    matrix('altup_unembd_proj', EMBEDDING, EMBEDDING, 3),
    norm('output_norm'),
  ];
  for (let index = 0; index < BLOCKS; index += 1) {
    const at = (name: string): string => `blk.${index}.${name}`;
    all.push(
      { name: `${at('altup_correct_coef')}.weight`, shape: [4, 4] },
      norm(at('altup_correct_scale')),
      { name: `${at('altup_predict_coef')}.weight`, shape: [4, 16] },
      matrix(at('altup_router'), EMBEDDING, 4),
      norm(at('altup_router_norm')),
      matrix(at('attn_k'), EMBEDDING, 512),
      norm(at('attn_k_norm'), 256),
      norm(at('attn_norm')),
      matrix(at('attn_output'), EMBEDDING, EMBEDDING),
      matrix(at('attn_q'), EMBEDDING, EMBEDDING),
      norm(at('attn_q_norm'), 256),
      matrix(at('attn_v'), EMBEDDING, 512),
      matrix(at('ffn_down'), FEED_FORWARD, EMBEDDING),
      matrix(at('ffn_gate'), EMBEDDING, FEED_FORWARD),
      norm(at('ffn_norm')),
      matrix(at('ffn_up'), EMBEDDING, FEED_FORWARD),
      matrix(at('inp_gate'), EMBEDDING, PER_LAYER),
      matrix(at('laurel_l'), EMBEDDING, 64),
      norm(at('laurel_post_norm')),
      matrix(at('laurel_r'), 64, EMBEDDING),
      norm(at('post_attention_norm')),
      norm(at('post_ffw_norm')),
      norm(at('post_norm')),
      matrix(at('proj'), PER_LAYER, EMBEDDING),
    );
  }
  return all;
}
