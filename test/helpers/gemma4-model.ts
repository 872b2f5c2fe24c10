/**
 * Random models of the architecture gemma4, small enough to be made for a test: they load and say noise. `small` has what E2B and
 * E4B have (per-layer embeddings, blocks that share the KV cache of earlier ones), `large` what 12B and 31B have (no value
 * projection in global blocks, fewer KV heads there). Names of keys and tensors are those of llama.cpp's converter.
 */
import { buildGguf, type MetadataSpec, type TensorSpec } from './gguf-builder.ts';

interface Shape {
  readonly blocks: number;
  readonly embedding: number;
  readonly feedForward: readonly number[];
  readonly heads: number;
  /** KV heads of sliding-window and of global blocks. */
  readonly kvHeads: { readonly local: number; readonly global: number };
  /** Blocks at the end without a KV cache of their own. */
  readonly shared: number;
  /** Width of the per-layer embeddings; 0 for none. */
  readonly perLayer: number;
  readonly valueIsKey: boolean;
}

const SHAPES = {
  small: {
    blocks: 4,
    embedding: 64,
    feedForward: [96, 96, 192, 192],
    heads: 2,
    kvHeads: { local: 1, global: 1 },
    shared: 2,
    perLayer: 16,
    valueIsKey: false,
  },
  large: {
    blocks: 2,
    embedding: 64,
    feedForward: [128, 128],
    heads: 4,
    kvHeads: { local: 2, global: 1 },
    shared: 0,
    perLayer: 0,
    valueIsKey: true,
  },
} as const satisfies Record<string, Shape>;

/** Width of a head in sliding-window and in global blocks: two, as in every published size. */
const HEAD = { local: 32, global: 64 };
const WINDOW = 64;
const CONTEXT = 2048;

/** Special tokens of Gemma 4 in the order of its vocabulary; the first four are control tokens by their own keys. */
const CONTROL = ['<pad>', '<eos>', '<bos>', '<unk>'];
const MARKERS = [
  '<|turn>',
  '<turn|>',
  '<|think|>',
  '<|channel>',
  '<channel|>',
  '<|tool>',
  '<tool|>',
  '<|tool_call>',
  '<tool_call|>',
  '<|tool_response>',
  '<tool_response|>',
  '<|"|>',
  '<|image|>',
  '<|audio|>',
];
const BYTES = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const LETTERS = ['\n', '▁', ...Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index))];
const PAIRS = ['th', 'er', 'in', 'mo'];
const TOKENS = [...CONTROL, ...MARKERS, ...BYTES, ...LETTERS, ...PAIRS];

export type Gemma4Size = keyof typeof SHAPES;

interface Gemma4Options {
  /** The Jinja template in the file; absent for a file without one. */
  readonly template?: string;
  readonly addBos?: boolean;
}

/** A whole file, the same bytes for the same arguments. */
export function gemma4Model(size: Gemma4Size, { template, addBos = true }: Gemma4Options = {}): Buffer {
  const shape = SHAPES[size];
  const next = randomValues();
  return buildGguf({
    metadata: metadataOf(size, shape, template, addBos),
    tensors: tensorsOf(shape),
    weight({ name }, index) {
      if (/norm|scale|rope_freqs/.test(name)) return 1;
      // Small, so that no activation grows beyond F16.
      const value = next() * 0.1;
      // The output layer is the same tensor: a token of zeros is never among the likely ones, and single bytes are no text.
      const isText = name !== 'token_embd.weight' || typeOf(TOKENS[Math.floor(index / shape.embedding)] ?? '') === 1;
      return isText ? value : 0;
    },
  });
}

function metadataOf(size: Gemma4Size, shape: Shape, template: string | undefined, addBos: boolean): MetadataSpec[] {
  const at = (key: string, type: MetadataSpec['type'], value: MetadataSpec['value']) => ({
    key: `gemma4.${key}`,
    type,
    value,
  });
  const token = (name: string, text: string): MetadataSpec => ({
    key: `tokenizer.ggml.${name}_token_id`,
    type: 'u32',
    value: TOKENS.indexOf(text),
  });
  const blocks = Array.from({ length: shape.blocks }, (_, block) => block);
  return [
    { key: 'general.architecture', type: 'string', value: 'gemma4' },
    { key: 'general.name', type: 'string', value: `Random Gemma 4, ${size}` },
    { key: 'general.file_type', type: 'u32', value: 0 },
    at('block_count', 'u32', shape.blocks),
    at('context_length', 'u32', CONTEXT),
    at('embedding_length', 'u32', shape.embedding),
    at('feed_forward_length', 'i32', shape.feedForward),
    at('embedding_length_per_layer_input', 'u32', shape.perLayer),
    at('attention.head_count', 'u32', shape.heads),
    at(
      'attention.head_count_kv',
      'i32',
      blocks.map((block) => shape.kvHeads[kindOf(block)]),
    ),
    at('attention.key_length', 'u32', HEAD.global),
    at('attention.value_length', 'u32', HEAD.global),
    at('attention.key_length_swa', 'u32', HEAD.local),
    at('attention.value_length_swa', 'u32', HEAD.local),
    at('attention.layer_norm_rms_epsilon', 'f32', 1e-6),
    at('attention.sliding_window', 'u32', WINDOW),
    at(
      'attention.sliding_window_pattern',
      'bool',
      blocks.map((block) => kindOf(block) === 'local'),
    ),
    at('attention.shared_kv_layers', 'u32', shape.shared),
    at('rope.freq_base', 'f32', 1e6),
    at('rope.freq_base_swa', 'f32', 1e4),
    at('rope.dimension_count', 'u32', HEAD.global),
    at('rope.dimension_count_swa', 'u32', HEAD.local),
    at('final_logit_softcapping', 'f32', 30),
    { key: 'tokenizer.ggml.model', type: 'string', value: 'gemma4' },
    { key: 'tokenizer.ggml.tokens', type: 'string', value: TOKENS },
    { key: 'tokenizer.ggml.scores', type: 'f32', value: TOKENS.map((_, index) => -index) },
    { key: 'tokenizer.ggml.token_type', type: 'i32', value: TOKENS.map(typeOf) },
    { key: 'tokenizer.ggml.merges', type: 'string', value: PAIRS.map((pair) => [...pair].join(' ')) },
    token('bos', '<bos>'),
    token('eos', '<turn|>'),
    token('eot', '<turn|>'),
    token('unknown', '<unk>'),
    token('padding', '<pad>'),
    { key: 'tokenizer.ggml.add_space_prefix', type: 'bool', value: false },
    { key: 'tokenizer.ggml.add_bos_token', type: 'bool', value: addBos },
    ...(template === undefined ? [] : [{ key: 'tokenizer.chat_template', type: 'string', value: template } as const]),
  ];
}

/** Every second block is global. */
function kindOf(block: number): 'local' | 'global' {
  return block % 2 === 1 ? 'global' : 'local';
}

/** Numbers of llama.cpp's token types: 1 normal, 3 control, 6 byte. */
function typeOf(text: string): number {
  if (BYTES.includes(text)) return 6;
  return CONTROL.includes(text) || MARKERS.includes(text) ? 3 : 1;
}

function tensorsOf({
  blocks,
  embedding,
  feedForward,
  heads,
  kvHeads,
  shared,
  perLayer,
  valueIsKey,
}: Shape): TensorSpec[] {
  const all: TensorSpec[] = [
    { name: 'token_embd.weight', shape: [embedding, TOKENS.length] },
    { name: 'output_norm.weight', shape: [embedding] },
    { name: 'rope_freqs.weight', shape: [HEAD.global / 2] },
  ];
  if (perLayer > 0) {
    all.push(
      { name: 'per_layer_token_embd.weight', shape: [perLayer * blocks, TOKENS.length] },
      { name: 'per_layer_model_proj.weight', shape: [embedding, perLayer * blocks] },
      { name: 'per_layer_proj_norm.weight', shape: [perLayer] },
    );
  }
  for (let block = 0; block < blocks; block += 1) {
    const kind = kindOf(block);
    const head = HEAD[kind];
    const kv = head * kvHeads[kind];
    const wide = feedForward[block] ?? embedding;
    const add = (name: string, ...shape: number[]) => void all.push({ name: `blk.${block}.${name}.weight`, shape });
    add('attn_norm', embedding);
    add('attn_q', embedding, head * heads);
    add('attn_q_norm', head);
    if (block < blocks - shared) {
      add('attn_k', embedding, kv);
      add('attn_k_norm', head);
      if (!(valueIsKey && kind === 'global')) add('attn_v', embedding, kv);
    }
    add('attn_output', head * heads, embedding);
    add('post_attention_norm', embedding);
    add('ffn_norm', embedding);
    add('ffn_gate', embedding, wide);
    add('ffn_up', embedding, wide);
    add('ffn_down', wide, embedding);
    add('post_ffw_norm', embedding);
    add('layer_output_scale', 1);
    if (perLayer > 0) {
      add('inp_gate', embedding, perLayer);
      add('proj', perLayer, embedding);
      add('post_norm', embedding);
    }
  }
  return all;
}

/** Between -1 and 1, the same sequence each time: xorshift of 32 bits. */
function randomValues(): () => number {
  let state = 0x2545f491;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  };
}
