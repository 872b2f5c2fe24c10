/** Files that have a model's true header and no weights: holes on disk, read as zeros. */
import { Buffer } from 'node:buffer';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { largestLayer } from '../../src/catalog/schema.ts';
import { tensorType } from '../../src/gguf/types.ts';
import { buildGguf, type MetadataSpec, type TensorSpec } from '../../test/helpers/gguf-builder.ts';
import { type BenchModel, tensorsOf } from './models.ts';

const ALIGNMENT = 32;

/** Writes the file of one quant. Its token list has the right length; the words are made up. */
export function writeSparse(model: BenchModel, quant: string, path: string): void {
  const tensors = tensorsOf(model, quant);
  const header = buildGguf({ metadata: metadataOf(model), tensors, withData: false });
  const start = pad(header.length);
  const file = openSync(path, 'w');
  try {
    writeSync(file, Buffer.concat([header, Buffer.alloc(start - header.length)]));
    ftruncateSync(file, start + tensors.reduce((sum, tensor) => sum + pad(bytesOf(tensor)), 0));
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

function metadataOf({ id, architecture, hyperparameters: h }: BenchModel): MetadataSpec[] {
  const u32 = (name: string, value: number): MetadataSpec => ({ key: `${architecture}.${name}`, type: 'u32', value });
  const f32 = (name: string, value: number): MetadataSpec => ({ key: `${architecture}.${name}`, type: 'f32', value });
  const tokens = Array.from({ length: h.vocabularySize }, (_, index) => wordOf(index));
  return [
    { key: 'general.architecture', type: 'string', value: architecture },
    { key: 'general.name', type: 'string', value: id },
    u32('context_length', h.contextLength),
    u32('embedding_length', h.embeddingLength),
    u32('block_count', h.blockCount),
    u32('feed_forward_length', largestLayer(h.feedForwardLength)),
    u32('attention.head_count', largestLayer(h.headCount)),
    u32('attention.head_count_kv', largestLayer(h.headCountKv)),
    u32('attention.key_length', largestLayer(h.keyLength)),
    u32('attention.value_length', largestLayer(h.valueLength)),
    f32('attention.layer_norm_rms_epsilon', 1e-6),
    f32('rope.freq_base', 1e6),
    ...(h.slidingWindow === undefined ? [] : [u32('attention.sliding_window', h.slidingWindow)]),
    ...(h.perLayerEmbeddingLength > 0 ? perLayerKeys(u32, h) : []),
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

function perLayerKeys(u32: (name: string, value: number) => MetadataSpec, h: BenchModel['hyperparameters']) {
  return [
    u32('embedding_length_per_layer_input', h.perLayerEmbeddingLength),
    u32('attention.shared_kv_layers', h.sharedKvLayers),
    {
      key: 'gemma3n.attention.sliding_window_pattern',
      type: 'bool',
      value: Array.from({ length: h.blockCount }, (_, layer) => (layer + 1) % (h.slidingPattern ?? 1) !== 0),
    } satisfies MetadataSpec,
    u32('altup.num_inputs', 4),
    u32('altup.active_idx', 0),
    {
      key: 'gemma3n.activation_sparsity_scale',
      type: 'f32',
      value: Array.from({ length: h.blockCount }, (_, layer) => (layer < 10 ? 1.6448535919189453 : -Infinity)),
    } satisfies MetadataSpec,
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
