/** A tiny Gemma 3 and a projector for it, with random weights: they load and run, and what they say means nothing. */
import { buildGguf, type MetadataSpec, type TensorSpec } from './gguf-builder.ts';

/** Width of the tiny model, and so of what the projector writes. */
export const TINY_WIDTH = 64;

const TEMPLATE =
  "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' + (message['content'] | trim) + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";

const BLOCKS = 6;
const CONTROL = 3;
const BYTE = 6;

/** Four special tokens that every Gemma has in this order, those of turns and pictures, and a token for each byte. */
function vocabulary(): { tokens: string[]; types: number[] } {
  const special = ['<pad>', '<eos>', '<bos>', '<unk>'];
  const turns = ['<start_of_turn>', '<end_of_turn>', '<start_of_image>', '<end_of_image>'];
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const types = [...special, ...turns].map(() => CONTROL);
  return { tokens: [...special, ...turns, ...bytes], types: [...types, ...bytes.map(() => BYTE)] };
}

const text = (key: string, value: string): MetadataSpec => ({ key, type: 'string', value });
const u32 = (key: string, value: number): MetadataSpec => ({ key, type: 'u32', value });
const f32 = (key: string, value: number | readonly number[]): MetadataSpec => ({ key, type: 'f32', value });
const flag = (key: string, value: boolean): MetadataSpec => ({ key, type: 'bool', value });

/** `general.architecture` gemma3 with six blocks, the last of them global as in every Gemma 3; all of it F32. */
export function tinyGemma3({ width = TINY_WIDTH }: { width?: number } = {}): Buffer {
  const { tokens, types } = vocabulary();
  const heads = 4;
  const head = 16;
  const inner = 128;
  const blocks = Array.from({ length: BLOCKS }, (_, index) => index).flatMap((index): TensorSpec[] => {
    const name = (part: string) => `blk.${index}.${part}.weight`;
    return [
      { name: name('attn_norm'), shape: [width] },
      { name: name('attn_q'), shape: [width, heads * head] },
      { name: name('attn_k'), shape: [width, head] },
      { name: name('attn_v'), shape: [width, head] },
      { name: name('attn_output'), shape: [heads * head, width] },
      { name: name('attn_q_norm'), shape: [head] },
      { name: name('attn_k_norm'), shape: [head] },
      { name: name('post_attention_norm'), shape: [width] },
      { name: name('ffn_norm'), shape: [width] },
      { name: name('ffn_gate'), shape: [width, inner] },
      { name: name('ffn_up'), shape: [width, inner] },
      { name: name('ffn_down'), shape: [inner, width] },
      { name: name('post_ffw_norm'), shape: [width] },
    ];
  });
  const file = withRandomData({
    metadata: [
      text('general.architecture', 'gemma3'),
      text('general.type', 'model'),
      text('general.name', 'Tiny Gemma 3'),
      u32('general.file_type', 0),
      u32('gemma3.block_count', BLOCKS),
      u32('gemma3.context_length', 2048),
      u32('gemma3.embedding_length', width),
      u32('gemma3.feed_forward_length', inner),
      u32('gemma3.attention.head_count', heads),
      u32('gemma3.attention.head_count_kv', 1),
      u32('gemma3.attention.key_length', head),
      u32('gemma3.attention.value_length', head),
      f32('gemma3.attention.layer_norm_rms_epsilon', 1e-6),
      u32('gemma3.attention.sliding_window', 512),
      f32('gemma3.rope.freq_base', 1_000_000),
      text('tokenizer.ggml.model', 'llama'),
      text('tokenizer.ggml.pre', 'default'),
      { key: 'tokenizer.ggml.tokens', type: 'string', value: tokens },
      f32(
        'tokenizer.ggml.scores',
        tokens.map((_, index) => -index),
      ),
      { key: 'tokenizer.ggml.token_type', type: 'i32', value: types },
      u32('tokenizer.ggml.bos_token_id', 2),
      u32('tokenizer.ggml.eos_token_id', 1),
      u32('tokenizer.ggml.unknown_token_id', 3),
      u32('tokenizer.ggml.padding_token_id', 0),
      flag('tokenizer.ggml.add_bos_token', true),
      flag('tokenizer.ggml.add_eos_token', false),
      text('tokenizer.chat_template', TEMPLATE),
    ],
    tensors: [
      { name: 'token_embd.weight', shape: [width, tokens.length] },
      ...blocks,
      { name: 'output_norm.weight', shape: [width] },
    ],
  });
  return sayingLetters(file, tokens.length, width);
}

/** Without rows for anything but letters: answers of broken UTF-8 and of control tokens are no answers. */
function sayingLetters(file: Buffer, tokenCount: number, width: number): Buffer {
  const bytes = tokenCount * width * 4;
  const first = tokenCount - 256;
  const start = dataStart.get(file) ?? 0;
  const rows = file.subarray(start, start + bytes);
  for (let token = 0; token < tokenCount; token += 1) {
    const byte = token - first;
    if (byte < 0x61 || byte > 0x7a) rows.fill(0, token * width * 4, (token + 1) * width * 4);
  }
  return file;
}

export interface TinyProjectorOptions {
  /** Width of the text model that it writes for. */
  readonly width?: number;
  /** `clip.projector_type`. */
  readonly type?: string;
}

/** A vision encoder of one block for pictures of 56 x 56 pixels: one picture becomes one token. */
export function tinyProjector({ width = TINY_WIDTH, type = 'gemma3' }: TinyProjectorOptions = {}): Buffer {
  const inside = 32;
  const inner = 64;
  const patches = 16;
  const pair = (name: string, shape: readonly number[], bias: number): TensorSpec[] => [
    { name: `${name}.weight`, shape },
    { name: `${name}.bias`, shape: [bias] },
  ];
  return withRandomData({
    metadata: [
      text('general.architecture', 'clip'),
      text('general.type', 'mmproj'),
      text('general.name', 'Tiny projector'),
      u32('general.file_type', 0),
      flag('clip.has_vision_encoder', true),
      text('clip.projector_type', type),
      flag('clip.use_gelu', true),
      u32('clip.vision.image_size', 56),
      u32('clip.vision.patch_size', 14),
      u32('clip.vision.embedding_length', inside),
      u32('clip.vision.feed_forward_length', inner),
      u32('clip.vision.projection_dim', width),
      u32('clip.vision.block_count', 1),
      u32('clip.vision.attention.head_count', 2),
      f32('clip.vision.attention.layer_norm_epsilon', 1e-6),
      f32('clip.vision.image_mean', [0.5, 0.5, 0.5]),
      f32('clip.vision.image_std', [0.5, 0.5, 0.5]),
    ],
    tensors: [
      ...pair('v.patch_embd', [14, 14, 3, inside], inside),
      { name: 'v.position_embd.weight', shape: [inside, patches] },
      ...['attn_q', 'attn_k', 'attn_v', 'attn_out'].flatMap((name) =>
        pair(`v.blk.0.${name}`, [inside, inside], inside),
      ),
      ...pair('v.blk.0.ln1', [inside], inside),
      ...pair('v.blk.0.ln2', [inside], inside),
      ...pair('v.blk.0.ffn_up', [inside, inner], inner),
      ...pair('v.blk.0.ffn_down', [inner, inside], inside),
      ...pair('v.post_ln', [inside], inside),
      { name: 'mm.input_projection.weight', shape: [width, inside] },
      { name: 'mm.soft_emb_norm.weight', shape: [inside] },
    ],
  });
}

const dataStart = new WeakMap<Buffer, number>();

/** The same bytes each time: a small generator of numbers instead of a random one. */
function withRandomData(spec: Parameters<typeof buildGguf>[0]): Buffer {
  const file = buildGguf(spec);
  const header = buildGguf({ ...spec, withData: false }).length;
  let state = 1;
  const start = Math.ceil(header / 32) * 32;
  dataStart.set(file, start);
  for (let at = start; at + 4 <= file.length; at += 4) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    file.writeFloatLE((state / 2 ** 32 - 0.5) * 0.2, at);
  }
  return file;
}
