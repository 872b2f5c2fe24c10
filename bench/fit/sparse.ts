/** Files that have a model's true header and no weights: holes on disk, read as zeros. */
import { Buffer } from 'node:buffer';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { atLayer, type Hyperparameters, largestLayer, type PerLayer } from '../../src/catalog/schema.ts';
import { tensorType } from '../../src/gguf/types.ts';
import { buildGguf, type MetadataSpec, type TensorSpec } from '../../test/helpers/gguf-builder.ts';
import { type BenchModel, tensorsOf } from './models.ts';

const ALIGNMENT = 32;

/**
 * The header of one quant's file and the size of the whole. Its token list has the right length; the words are made up. It
 * has no chat template unless one is given.
 */
export function sparseFile(
  model: BenchModel,
  quant: string,
  chatTemplate?: string,
): { header: Buffer; sizeBytes: number } {
  const tensors = tensorsOf(model, quant);
  const chat: MetadataSpec[] =
    chatTemplate === undefined ? [] : [{ key: 'tokenizer.chat_template', type: 'string', value: chatTemplate }];
  const header = buildGguf({ metadata: [...metadataOf(model), ...chat], tensors, withData: false });
  const start = pad(header.length);
  return {
    header: Buffer.concat([header, Buffer.alloc(start - header.length)]),
    sizeBytes: start + tensors.reduce((sum, tensor) => sum + pad(bytesOf(tensor)), 0),
  };
}

export function writeSparse(model: BenchModel, quant: string, path: string): void {
  const { header, sizeBytes } = sparseFile(model, quant);
  const file = openSync(path, 'w');
  try {
    writeSync(file, header);
    ftruncateSync(file, sizeBytes);
  } finally {
    closeSync(file);
  }
}

/** Bytes of one tensor's data. */
export function bytesOf({ type = 0, shape }: TensorSpec): number {
  const known = tensorType(type);
  if (known === undefined) throw new Error(`no tensor type ${type}`);
  return (shape.reduce((product, length) => product * length, 1) / known.block) * known.blockBytes;
}

function pad(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function metadataOf(model: BenchModel): MetadataSpec[] {
  const { id, architecture, hyperparameters: h } = model;
  const { u32, f32, list } = keysOf(architecture);
  const tokens = Array.from({ length: h.vocabularySize }, (_, index) => wordOf(index));
  return [
    { key: 'general.architecture', type: 'string', value: architecture },
    { key: 'general.name', type: 'string', value: id },
    u32('context_length', h.contextLength),
    u32('embedding_length', h.embeddingLength),
    u32('block_count', h.blockCount),
    list('feed_forward_length', h.feedForwardLength),
    u32('attention.head_count', largestLayer(h.headCount)),
    list('attention.head_count_kv', h.headCountKv),
    u32('attention.key_length', largestLayer(h.keyLength)),
    u32('attention.value_length', largestLayer(h.valueLength)),
    f32('attention.layer_norm_rms_epsilon', 1e-6),
    f32('rope.freq_base', 1e6),
    ...(h.slidingWindow === undefined ? [] : [u32('attention.sliding_window', h.slidingWindow)]),
    ...(architecture === 'gemma3n' ? gemma3nKeys(h) : []),
    ...(architecture === 'gemma4' ? gemma4Keys(h) : []),
    { key: 'tokenizer.ggml.model', type: 'string', value: 'llama' },
    { key: 'tokenizer.ggml.pre', type: 'string', value: 'default' },
    { key: 'tokenizer.ggml.tokens', type: 'string', value: tokens },
    { key: 'tokenizer.ggml.scores', type: 'f32', value: tokens.map(() => 0) },
    { key: 'tokenizer.ggml.token_type', type: 'i32', value: tokens.map((_, index) => typeOf(index)) },
    { key: 'tokenizer.ggml.bos_token_id', type: 'u32', value: 2 },
    { key: 'tokenizer.ggml.eos_token_id', type: 'u32', value: 1 },
    { key: 'tokenizer.ggml.unknown_token_id', type: 'u32', value: 3 },
  ];
}

/** Writers of keys that begin with the architecture's name. */
function keysOf(architecture: string) {
  const u32 = (name: string, value: number): MetadataSpec => ({ key: `${architecture}.${name}`, type: 'u32', value });
  const f32 = (name: string, value: number): MetadataSpec => ({ key: `${architecture}.${name}`, type: 'f32', value });
  const list = (name: string, value: PerLayer): MetadataSpec => ({
    key: `${architecture}.${name}`,
    type: typeof value === 'number' ? 'u32' : 'i32',
    value,
  });
  const pattern = (h: Hyperparameters): MetadataSpec => ({
    key: `${architecture}.attention.sliding_window_pattern`,
    type: 'bool',
    value: Array.from({ length: h.blockCount }, (_, layer) => (layer + 1) % (h.slidingPattern ?? 1) !== 0),
  });
  return { u32, f32, list, pattern };
}

function gemma3nKeys(h: Hyperparameters): MetadataSpec[] {
  const { u32, pattern } = keysOf('gemma3n');
  return [
    u32('embedding_length_per_layer_input', h.perLayerEmbeddingLength),
    u32('attention.shared_kv_layers', h.sharedKvLayers),
    pattern(h),
    u32('altup.num_inputs', 4),
    u32('altup.active_idx', 0),
    {
      key: 'gemma3n.activation_sparsity_scale',
      type: 'f32',
      value: Array.from({ length: h.blockCount }, (_, layer) => (layer < 10 ? 1.6448535919189453 : -Infinity)),
    },
  ];
}

function gemma4Keys(h: Hyperparameters): MetadataSpec[] {
  const { u32, f32, pattern } = keysOf('gemma4');
  return [
    u32('embedding_length_per_layer_input', h.perLayerEmbeddingLength),
    u32('attention.shared_kv_layers', h.sharedKvLayers),
    pattern(h),
    u32('attention.key_length_swa', atLayer(h.keyLength, 0)),
    u32('attention.value_length_swa', atLayer(h.valueLength, 0)),
    u32('rope.dimension_count', largestLayer(h.keyLength)),
    u32('rope.dimension_count_swa', atLayer(h.keyLength, 0)),
    f32('rope.freq_base_swa', 1e4),
    f32('final_logit_softcapping', 30),
    // Ollama has this architecture's tokeniser made of merges, whatever the file says.
    { key: 'tokenizer.ggml.merges', type: 'string', value: ['w260 w261'] },
    ...(h.experts === undefined
      ? []
      : [
          u32('expert_count', h.experts.count),
          u32('expert_used_count', h.experts.used),
          u32('expert_feed_forward_length', h.experts.feedForwardLength),
        ]),
  ];
}

const SPECIAL = ['<pad>', '<eos>', '<bos>', '<unk>'];
const BYTES = 256;

function wordOf(index: number): string {
  const byte = index - SPECIAL.length;
  if (byte < 0) return SPECIAL[index] ?? '';
  return byte < BYTES ? `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>` : `w${index}`;
}

/** llama.cpp's token types: 1 normal, 2 unknown, 3 control, 6 byte. */
function typeOf(index: number): number {
  if (index < SPECIAL.length) return SPECIAL[index] === '<unk>' ? 2 : 3;
  return index < SPECIAL.length + BYTES ? 6 : 1;
}
