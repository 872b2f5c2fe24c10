/** The models of the ground truth: shapes from the catalog, tensor lists as llama.cpp's converters write them. */
import { readFileSync } from 'node:fs';
import { atLayer, type Experts, type Hyperparameters, largestLayer, layerShape } from '../../src/catalog/schema.ts';
import type { TensorSpec } from '../../test/helpers/gguf-builder.ts';

export interface BenchModel {
  readonly id: string;
  readonly architecture: string;
  readonly hyperparameters: Hyperparameters;
  /** No formula was fitted to it. */
  readonly unseen?: boolean;
}

/** ggml's numbers of the types that the files have. */
const TYPE_NUMBERS: Readonly<Record<string, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  IQ4_NL: 20,
};

export const TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(TYPE_NUMBERS).map(([name, id]) => [id, name]),
);

/** Llama 3.2 1B and Qwen2.5 0.5B (`config.json` of their publishers): architectures that nothing was fitted to. */
const LLAMA_1B: Hyperparameters = {
  blockCount: 16,
  embeddingLength: 2048,
  feedForwardLength: 8192,
  headCount: 32,
  headCountKv: 8,
  keyLength: 64,
  valueLength: 64,
  contextLength: 131_072,
  sharedKvLayers: 0,
  perLayerEmbeddingLength: 0,
  vocabularySize: 128_256,
};
const QWEN_05B: Hyperparameters = {
  ...LLAMA_1B,
  blockCount: 24,
  embeddingLength: 896,
  feedForwardLength: 4864,
  headCount: 14,
  headCountKv: 2,
  contextLength: 32_768,
  vocabularySize: 151_936,
};

const FROM_CATALOG = [
  'gemma-3n-e4b',
  'gemma-3n-e2b',
  'gemma-3-270m',
  'gemma-3-1b',
  'gemma-3-4b',
  'gemma-4-e2b',
  'gemma-4-e4b',
  'gemma-4-12b',
  'gemma-4-26b-a4b',
  'gemma-4-31b',
];

interface CatalogModel {
  readonly id: string;
  readonly hyperparameters: Hyperparameters;
}

export function benchModels(): BenchModel[] {
  const found = ['gemma-3n', 'gemma-3', 'gemma-4'].flatMap((family) => {
    const file = JSON.parse(readFileSync(new URL(`../../catalog/${family}.json`, import.meta.url), 'utf8'));
    return file.models.map(({ id, hyperparameters }: CatalogModel) => ({
      id,
      architecture: family.replaceAll('-', ''),
      hyperparameters,
    }));
  });
  return [
    ...found.filter(({ id }) => FROM_CATALOG.includes(id)),
    { ...pick(found, 'gemma-3-12b'), unseen: true },
    { id: 'llama-3.2-1b', architecture: 'llama', hyperparameters: LLAMA_1B, unseen: true },
    { id: 'qwen2.5-0.5b', architecture: 'qwen2', hyperparameters: QWEN_05B, unseen: true },
  ];
}

/** The model that ships with this project. */
export function tinyModel(): BenchModel {
  const { models } = JSON.parse(readFileSync(new URL('../../catalog/tiny-gemma-3n.json', import.meta.url), 'utf8'));
  return { id: 'tiny-gemma-3n', architecture: 'gemma3n', hyperparameters: models[0].hyperparameters };
}

/** The model of this id. Throws when there is none. */
export function pick(models: readonly BenchModel[], id: string): BenchModel {
  const model = models.find((one) => one.id === id);
  if (model === undefined) throw new Error(`no model ${id} here`);
  return model;
}

interface TypesFile {
  readonly models: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>>;
}

function typesFile(): TypesFile {
  return JSON.parse(readFileSync(new URL('../../test/fixtures/fit/tensor-types.json', import.meta.url), 'utf8'));
}

/** Of Gemma 4, whose many layers take long: where a tensor is placed does not depend on its type. */
const QUANTS_OF_GEMMA4 = ['f16', 'q8_0', 'q4_k_m', 'q4_0-qat', 'q2_k'];

/** The quants that are measured: those whose tensor types are known; F16 alone for the models that were not quantised here. */
export function quantsOf({ id, architecture }: BenchModel): string[] {
  const quants = Object.keys(typesFile().models[id] ?? { f16: {} });
  return architecture === 'gemma4' ? quants.filter((quant) => QUANTS_OF_GEMMA4.includes(quant)) : quants;
}

/** Every tensor of one quant, in the order of the file. */
export function tensorsOf(model: BenchModel, quant: string): TensorSpec[] {
  const types = typesFile().models[model.id]?.[quant] ?? {};
  const shapes = tensorShapes(model).filter(([name]) => !(quant.endsWith('-qat') && isSharedCache(model, name)));
  return shapes.map(([name, shape, plain]) => {
    const type = TYPE_NUMBERS[quantisedType(types, name) ?? plain];
    if (type === undefined) throw new Error(`${model.id} ${quant} ${name}: unknown tensor type`);
    return { name: name.endsWith('.scale') ? name : `${name}.weight`, shape, type };
  });
}

/** What Google's QAT files leave out: keys and values of blocks that use an earlier block's cache. */
function isSharedCache({ hyperparameters: h }: BenchModel, name: string): boolean {
  const [, layer] = /^blk\.(\d+)\.attn_(?:k|v|k_norm)$/.exec(name) ?? [];
  return layer !== undefined && Number(layer) >= h.blockCount - h.sharedKvLayers;
}

function quantisedType(types: Readonly<Record<string, string>>, name: string): string | undefined {
  const [, layer, base] = /^blk\.(\d+)\.(.*)$/.exec(name) ?? [undefined, '0', name];
  const list = types[base ?? name]?.split(' ').flatMap((run) => {
    const [type = '', count = '1'] = run.split('*');
    return Array.from({ length: Number(count) }, () => type);
  });
  return list?.[Number(layer)];
}

type Shape = readonly [name: string, shape: readonly number[], type: 'F16' | 'F32'];

function tensorShapes(model: BenchModel): Shape[] {
  const { architecture, hyperparameters: h } = model;
  const tensors = [...topTensors(architecture, h)];
  for (let layer = 0; layer < h.blockCount; layer += 1) {
    const block = architecture === 'gemma4' ? gemma4Block(h, layer) : usualBlock(architecture, h);
    tensors.push(...block.map(([name, shape, type]): Shape => [`blk.${layer}.${name}`, shape, type]));
  }
  return tensors;
}

function topTensors(architecture: string, h: Hyperparameters): Shape[] {
  const { embeddingLength: e, vocabularySize, perLayerEmbeddingLength: p } = h;
  const altup = [matrix('altup_proj', e, e, 3), matrix('altup_unembd_proj', e, e, 3)];
  const perLayer = [
    matrix('per_layer_token_embd', p * h.blockCount, vocabularySize),
    matrix('per_layer_model_proj', e, p * h.blockCount),
    vector('per_layer_proj_norm', p),
    ...(architecture === 'gemma3n' ? altup : []),
  ];
  return [
    matrix('token_embd', e, vocabularySize),
    ...(p > 0 ? perLayer : []),
    vector('output_norm', e),
    // Of the blocks that see the whole context; the file has it once.
    ...(architecture === 'gemma4' ? [vector('rope_freqs', largestLayer(h.keyLength) / 2)] : []),
  ];
}

function usualBlock(architecture: string, h: Hyperparameters): Shape[] {
  const { embeddingLength: e, perLayerEmbeddingLength: p } = h;
  const [f, d] = [largestLayer(h.feedForwardLength), largestLayer(h.keyLength)];
  const [q, kv] = [largestLayer(h.headCount) * d, largestLayer(h.headCountKv) * d];
  const gemma = architecture.startsWith('gemma');
  return [
    matrix('attn_k', e, kv),
    vector('attn_norm', e),
    matrix('attn_output', q, e),
    matrix('attn_q', e, q),
    matrix('attn_v', e, kv),
    matrix('ffn_down', f, e),
    matrix('ffn_gate', e, f),
    vector('ffn_norm', e),
    matrix('ffn_up', e, f),
    ...(gemma ? ['attn_k_norm', 'attn_q_norm'].map((name) => vector(name, d)) : []),
    ...(gemma ? ['post_attention_norm', 'post_ffw_norm'].map((name) => vector(name, e)) : []),
    ...(p > 0 ? perLayerTensors(e, p) : []),
  ];
}

/** A block of Gemma 4 as `conversion/gemma.py` of llama.cpp b11669 writes it, by `src/models/gemma4.cpp`. */
function gemma4Block(h: Hyperparameters, layer: number): Shape[] {
  const { embeddingLength: e, perLayerEmbeddingLength: p, experts } = h;
  const { feedForward: f, query, keys } = layerShape(h, layer);
  const d = atLayer(h.keyLength, layer);
  const isGlobal = (layer + 1) % (h.slidingPattern ?? 1) === 0;
  // `attention_k_eq_v`: in the models without per-layer embeddings the blocks that see the whole context use keys as values.
  const hasValues = p > 0 || !isGlobal;
  return [
    vector('attn_norm', e),
    matrix('attn_q', e, query),
    matrix('attn_k', e, keys),
    ...(hasValues ? [matrix('attn_v', e, keys)] : []),
    matrix('attn_output', query, e),
    vector('attn_q_norm', d),
    vector('attn_k_norm', d),
    vector('post_attention_norm', e),
    vector('ffn_norm', e),
    matrix('ffn_gate', e, f),
    matrix('ffn_up', e, f),
    matrix('ffn_down', f, e),
    vector('post_ffw_norm', e),
    vector('layer_output_scale', 1),
    ...(experts === undefined ? [] : expertTensors(e, experts)),
    ...(p > 0 ? [matrix('inp_gate', e, p), matrix('proj', p, e), vector('post_norm', e)] : []),
  ];
}

function expertTensors(e: number, { count, feedForwardLength: f }: Experts): Shape[] {
  return [
    ['ffn_gate_inp', [e, count], 'F32'],
    ['ffn_gate_inp.scale', [e], 'F32'],
    vector('pre_ffw_norm_2', e),
    vector('post_ffw_norm_1', e),
    vector('post_ffw_norm_2', e),
    matrix('ffn_gate_up_exps', e, 2 * f, count),
    matrix('ffn_down_exps', f, e, count),
    ['ffn_down_exps.scale', [count], 'F32'],
  ];
}

function perLayerTensors(e: number, p: number): Shape[] {
  return [
    ['altup_correct_coef', [4, 4], 'F32'],
    vector('altup_correct_scale', e),
    ['altup_predict_coef', [4, 16], 'F32'],
    matrix('altup_router', e, 4),
    vector('altup_router_norm', e),
    matrix('inp_gate', e, p),
    matrix('laurel_l', e, 64),
    vector('laurel_post_norm', e),
    matrix('laurel_r', 64, e),
    vector('post_norm', e),
    matrix('proj', p, e),
  ];
}

function matrix(name: string, ...shape: readonly number[]): Shape {
  return [name, shape, 'F16'];
}

function vector(name: string, length: number): Shape {
  return [name, [length], 'F32'];
}
