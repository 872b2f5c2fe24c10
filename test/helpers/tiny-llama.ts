/** A whole model of the architecture `llama` that writes the alphabet: what comes after a letter is the next one. */
import { buildGguf, type MetadataSpec, type TensorSpec } from './gguf-builder.ts';

export const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const WIDTH = 64;
const BLOCKS = 2;
const HEADS = 4;
const FFN = 128;

/** The 256 bytes and some special tokens, as SentencePiece stores them. */
const SPECIAL = ['<unk>', '<s>', '</s>', '<|im_start|>', '<|im_end|>'];
const TOKENS = [
  ...SPECIAL,
  ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  '▁',
  ...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?',
];

const FIRST_LETTER = TOKENS.indexOf('a');

/** `chatTemplate` undefined: none. `changes` as in `modelSpec`. */
export function tinyLlama(
  chatTemplate: string | undefined,
  changes: Readonly<Record<string, MetadataSpec | undefined>> = {},
): Buffer {
  const u32 = (name: string, value: number): MetadataSpec => ({ key: `llama.${name}`, type: 'u32', value });
  const text = (key: string, value: string): MetadataSpec => ({ key, type: 'string', value });
  const id = (name: string, value: number): MetadataSpec => ({ key: `tokenizer.ggml.${name}`, type: 'u32', value });
  const entries: MetadataSpec[] = [
    text('general.architecture', 'llama'),
    text('general.name', 'Tiny Llama of Tests'),
    { key: 'general.file_type', type: 'u32', value: 0 },
    text('general.license', 'mit'),
    u32('block_count', BLOCKS),
    u32('context_length', 512),
    u32('embedding_length', WIDTH),
    u32('feed_forward_length', FFN),
    u32('attention.head_count', HEADS),
    u32('attention.head_count_kv', HEADS),
    u32('rope.dimension_count', WIDTH / HEADS),
    { key: 'llama.attention.layer_norm_rms_epsilon', type: 'f32', value: 1e-5 },
    u32('vocab_size', TOKENS.length),
    text('tokenizer.ggml.model', 'llama'),
    text('tokenizer.ggml.pre', 'default'),
    { key: 'tokenizer.ggml.tokens', type: 'string', value: TOKENS },
    { key: 'tokenizer.ggml.scores', type: 'f32', value: TOKENS.map((_, index) => -index) },
    { key: 'tokenizer.ggml.token_type', type: 'i32', value: TOKENS.map((_, index) => typeOf(index)) },
    id('unknown_token_id', 0),
    id('bos_token_id', 1),
    id('eos_token_id', 4),
    { key: 'tokenizer.ggml.add_bos_token', type: 'bool', value: true },
    { key: 'tokenizer.ggml.add_space_prefix', type: 'bool', value: false },
    ...(chatTemplate === undefined ? [] : [text('tokenizer.chat_template', chatTemplate)]),
  ];
  const kept = entries.filter(({ key }) => !(key in changes));
  const added = Object.values(changes).filter((entry) => entry !== undefined);
  const content = buildGguf({ metadata: [...kept, ...added], tensors: tensors() });
  const sizes = tensors().map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  let at = content.length - sizes.reduce((a, b) => a + b, 0) * 4;
  const embedding = embeddings();
  for (const [index, { name }] of tensors().entries()) {
    const values = valuesOf(name, sizes[index] ?? 0, embedding);
    for (const value of values) at = content.writeFloatLE(value, at);
  }
  return content;
}

/** What attention and feed-forward add is nothing, so that the last token alone decides. */
function valuesOf(name: string, size: number, embedding: Float32Array): Float32Array {
  if (name === 'token_embd.weight') return embedding;
  if (name.endsWith('norm.weight')) return new Float32Array(size).fill(1);
  const values = new Float32Array(size);
  if (name !== 'output.weight') return values;
  const letters = TOKENS.length - FIRST_LETTER;
  for (let letter = 0; letter < letters; letter += 1) {
    const from = (FIRST_LETTER + letter) * WIDTH;
    values.set(embedding.subarray(from, from + WIDTH), (FIRST_LETTER + ((letter + 1) % letters)) * WIDTH);
  }
  return values;
}

/** The same numbers every time: a linear congruential generator. */
function embeddings(): Float32Array {
  let state = 42;
  return Float32Array.from({ length: TOKENS.length * WIDTH }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

function typeOf(index: number): number {
  const [normal, unknown, control, byte] = [1, 2, 3, 6];
  if (index === 0) return unknown;
  if (index < SPECIAL.length) return control;
  return index < SPECIAL.length + 256 ? byte : normal;
}

/** F32 throughout, every one a multiple of 32 bytes, so that nothing is between them. */
function tensors(): TensorSpec[] {
  const block = (index: number): TensorSpec[] => [
    { name: `blk.${index}.attn_norm.weight`, shape: [WIDTH] },
    ...['q', 'k', 'v', 'output'].map((part) => ({ name: `blk.${index}.attn_${part}.weight`, shape: [WIDTH, WIDTH] })),
    { name: `blk.${index}.ffn_norm.weight`, shape: [WIDTH] },
    { name: `blk.${index}.ffn_gate.weight`, shape: [WIDTH, FFN] },
    { name: `blk.${index}.ffn_up.weight`, shape: [WIDTH, FFN] },
    { name: `blk.${index}.ffn_down.weight`, shape: [FFN, WIDTH] },
  ];
  return [
    { name: 'token_embd.weight', shape: [WIDTH, TOKENS.length] },
    ...Array.from({ length: BLOCKS }, (_, index) => block(index)).flat(),
    { name: 'output_norm.weight', shape: [WIDTH] },
    { name: 'output.weight', shape: [WIDTH, TOKENS.length] },
  ];
}
