import { architectureFacts } from '../catalog/architectures.ts';
import { atLayer, type Experts, type Hyperparameters, largestLayer, type PerLayer } from '../catalog/quant-schema.ts';
import type { MetadataReader } from './metadata-reader.ts';
import { quoteName, refusal } from './refusal.ts';
import type { TensorFacts } from './schema.ts';

/** Blocks that any model has; the largest published ones have about 130. */
const MAX_BLOCKS = 10_000;

const PATTERN = 'attention.sliding_window_pattern';

/** Kinds of GGUF file that are not a language model by themselves (`general.type`). */
const ACCESSORIES = ['adapter', 'mmproj', 'projector', 'imatrix', 'vocab', 'controlvector'];

/**
 * The number of blocks, or undefined for a file that is not a language model (projector, adapter).
 * Throws `bad-gguf` when the key exists but is not a number.
 */
export function blockCountOf(metadata: MetadataReader, architecture: string): number | undefined {
  const key = `${architecture}.block_count`;
  const count = metadata.positive(key);
  if (count !== undefined && count > MAX_BLOCKS)
    throw refusal(`${quoteName(key)} is ${count}, more than any model has`, undefined);
  return ACCESSORIES.includes(metadata.text('general.type') ?? '') ? undefined : count;
}

/**
 * The shape of the network from the keys of its architecture; undefined for networks that have no attention or no
 * feed-forward width (Mamba). Throws `bad-gguf` naming a key that is wrong, or missing though llama.cpp requires it.
 */
export function readHyperparameters(
  metadata: MetadataReader,
  architecture: string,
  blockCount: number,
  tensors: readonly TensorFacts[],
  tokenCount: number | undefined,
): Hyperparameters | undefined {
  const key = (name: string): string => `${architecture}.${name}`;
  const embeddingLength = required(metadata.positive(key('embedding_length')), key('embedding_length'));
  const contextLength = required(metadata.positive(key('context_length')), key('context_length'));
  const headCount = metadata.perLayer(key('attention.head_count'), blockCount);
  const feedForwardLength = metadata.perLayer(key('feed_forward_length'), blockCount);
  if (headCount === undefined || feedForwardLength === undefined) return undefined;
  return {
    blockCount,
    embeddingLength,
    feedForwardLength,
    headCount,
    headCountKv:
      metadata.perLayer(key('attention.head_count_kv'), blockCount) ?? assumeHeadCountKv(metadata, key, headCount),
    keyLength: headLengths(metadata, architecture, 'key_length', embeddingLength, headCount, blockCount),
    valueLength: headLengths(metadata, architecture, 'value_length', embeddingLength, headCount, blockCount),
    contextLength,
    ...windowOf(metadata, architecture),
    sharedKvLayers: sharedKvLayersOf(metadata, architecture, blockCount),
    perLayerEmbeddingLength: perLayerLength(metadata, key('embedding_length_per_layer_input'), tensors, blockCount),
    vocabularySize: vocabularySizeOf(metadata, architecture, tensors, tokenCount),
    ...expertsOf(metadata, key, blockCount),
  };
}

/** Undefined where a key is missing: such a file is taken as if a token used all of its weights. */
function expertsOf(
  metadata: MetadataReader,
  key: (name: string) => string,
  blockCount: number,
): { experts: Experts } | undefined {
  const count = metadata.count(key('expert_count'));
  const used = metadata.count(key('expert_used_count'));
  const width = metadata.perLayer(key('expert_feed_forward_length'), blockCount);
  if (!count || !used || width === undefined) return undefined;
  if (used > count)
    throw refusal(`${quoteName(key('expert_used_count'))} is ${used}, but there are only ${count} experts`, undefined);
  return { experts: { count, used, feedForwardLength: largestLayer(width) } };
}

function assumeHeadCountKv(metadata: MetadataReader, key: (name: string) => string, headCount: PerLayer): PerLayer {
  const basis = 'as many as attention.head_count (llama.cpp)';
  metadata.assume(key('attention.head_count_kv'), largestLayer(headCount), basis);
  return headCount;
}

/** Width of one head's keys or values; in Gemma 4 layers that see only a window have a width of their own (`…_swa`). */
function headLengths(
  metadata: MetadataReader,
  architecture: string,
  name: 'key_length' | 'value_length',
  embeddingLength: number,
  headCount: PerLayer,
  blockCount: number,
): PerLayer {
  const key = (part: string): string => `${architecture}.${part}`;
  const length = headLength(metadata, key, name, embeddingLength, headCount);
  const windowed = metadata.positive(key(`attention.${name}_swa`));
  if (windowed === undefined || windowed === length) return length;
  const isLocal = localLayers(metadata, architecture);
  // Buffers must not be too small where it is not known which layers these are.
  if (isLocal === undefined) return Math.max(length, windowed);
  return Array.from({ length: blockCount }, (_, layer) => (isLocal(layer) ? windowed : length));
}

/** Which layers see only a window; undefined where the file does not say. */
function localLayers(metadata: MetadataReader, architecture: string): ((layer: number) => boolean) | undefined {
  const key = `${architecture}.${PATTERN}`;
  const flags = metadata.flags(key);
  if (flags !== undefined) return (layer) => flags[layer] === true;
  const every = metadata.has(key) ? metadata.positive(key) : undefined;
  return every === undefined ? undefined : (layer) => (layer + 1) % every !== 0;
}

/** Width of one head's keys or values. Ollama's own converter writes `head_dim` instead; without either llama.cpp divides. */
function headLength(
  metadata: MetadataReader,
  key: (name: string) => string,
  name: 'key_length' | 'value_length',
  embeddingLength: number,
  headCount: PerLayer,
): number {
  const declared = metadata.positive(key(`attention.${name}`)) ?? metadata.positive(key('head_dim'));
  if (declared !== undefined) return declared;
  const divided = Math.max(1, Math.floor(embeddingLength / atLayer(headCount, 0)));
  return metadata.assume(key(`attention.${name}`), divided, 'embedding_length / attention.head_count (llama.cpp)');
}

/** Width of the per-layer embeddings; 0 where there are none. The table itself determines it if the key is missing. */
function perLayerLength(
  metadata: MetadataReader,
  key: string,
  tensors: readonly TensorFacts[],
  blockCount: number,
): number {
  const declared = metadata.count(key);
  const width = tensors.find(({ name }) => name === 'per_layer_token_embd.weight')?.shape[0];
  if (declared !== undefined || width === undefined || width % blockCount !== 0) return declared ?? 0;
  return metadata.assume(key, width / blockCount, 'width of per_layer_token_embd.weight / block_count');
}

function required(value: number | undefined, key: string): number {
  if (value === undefined) throw refusal(`the metadata key ${quoteName(key)} is missing`, undefined);
  return value;
}

function windowOf(metadata: MetadataReader, architecture: string): { slidingWindow?: number; slidingPattern?: number } {
  const window = metadata.count(`${architecture}.attention.sliding_window`);
  if (window === undefined || window === 0) return {};
  const pattern = patternOf(metadata, architecture);
  return { slidingWindow: window, ...(pattern !== undefined && { slidingPattern: pattern }) };
}

/** Undefined where the layers follow no such rhythm: estimates then count every layer as global, which is the upper bound. */
function patternOf(metadata: MetadataReader, architecture: string): number | undefined {
  const key = `${architecture}.${PATTERN}`;
  const flags = metadata.flags(key);
  if (flags !== undefined) return rhythmOf(flags);
  if (metadata.has(key)) return metadata.positive(key);
  const pattern = architectureFacts(architecture).slidingPattern?.value;
  return pattern === undefined ? undefined : metadata.assume(key, pattern, `pattern of ${architecture} in llama.cpp`);
}

/** The n for which exactly every n-th layer is global (false); `flags.length + 1` where none is. */
function rhythmOf(flags: readonly boolean[]): number | undefined {
  const firstGlobal = flags.indexOf(false);
  if (firstGlobal === -1) return flags.length + 1;
  const every = firstGlobal + 1;
  return flags.every((local, layer) => local === ((layer + 1) % every !== 0)) ? every : undefined;
}

function sharedKvLayersOf(metadata: MetadataReader, architecture: string, blockCount: number): number {
  const key = `${architecture}.attention.shared_kv_layers`;
  const shared = metadata.count(key);
  if (shared !== undefined && shared >= blockCount) {
    throw refusal(`${quoteName(key)} is ${shared}, but there are only ${blockCount} blocks`, undefined);
  }
  const own = architectureFacts(architecture).layersWithOwnKv?.value;
  if (shared !== undefined || own === undefined) return shared ?? 0;
  return metadata.assume(key, Math.max(0, blockCount - own), `all blocks after the first ${own} (llama.cpp)`);
}

/** Rows of the embedding matrix: the number that buffers are sized by, also where the token list is longer or shorter. */
function vocabularySizeOf(
  metadata: MetadataReader,
  architecture: string,
  tensors: readonly TensorFacts[],
  tokenCount: number | undefined,
): number {
  const rows = tensors.find(({ name }) => name === 'token_embd.weight')?.shape[1];
  const size = rows ?? tokenCount ?? metadata.positive(`${architecture}.vocab_size`);
  if (size === undefined || size === 0) throw refusal('the vocabulary size is missing', undefined);
  return size;
}

/** Lists of one entry per block that are longer or shorter than that, and a rhythm of layers that cannot be followed. */
export function hyperparameterWarnings(
  metadata: MetadataReader,
  architecture: string,
  found: Hyperparameters,
): string[] {
  const lists = ['feed_forward_length', 'attention.head_count', 'attention.head_count_kv', PATTERN].flatMap((name) => {
    const length = metadata.listLength(`${architecture}.${name}`);
    return length === undefined || length === found.blockCount
      ? []
      : [`${architecture}.${name} lists ${length} layers, but there are ${found.blockCount} blocks`];
  });
  const irregular = found.slidingWindow !== undefined && found.slidingPattern === undefined;
  return irregular
    ? [...lists, `its local and global layers do not follow a known pattern: the memory estimate treats all as global`]
    : lists;
}
