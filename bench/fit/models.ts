/** The models of the ground truth: shapes from the catalog, tensor lists as llama.cpp's converters write them. */
import { readFileSync } from 'node:fs';
import { type Hyperparameters, largestLayer } from '../../src/catalog/schema.ts';
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

const FROM_CATALOG = ['gemma-3n-e4b', 'gemma-3n-e2b', 'gemma-3-270m', 'gemma-3-1b', 'gemma-3-4b'];

interface CatalogModel {
  readonly id: string;
  readonly hyperparameters: Hyperparameters;
}

export function benchModels(): BenchModel[] {
  const found = ['gemma-3n', 'gemma-3'].flatMap((family) => {
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

/** The quants whose tensor types are known; F16 alone for the models that were not quantised here. */
export function quantsOf({ id }: BenchModel): string[] {
  return Object.keys(typesFile().models[id] ?? { f16: {} });
}

/** Every tensor of one quant, in the order of the file. */
export function tensorsOf(model: BenchModel, quant: string): TensorSpec[] {
  const types = typesFile().models[model.id]?.[quant] ?? {};
  return tensorShapes(model).map(([name, shape, plain]) => {
    const type = TYPE_NUMBERS[quantisedType(types, name) ?? plain];
    if (type === undefined) throw new Error(`${model.id} ${quant} ${name}: unknown tensor type`);
    return { name: `${name}.weight`, shape, type };
  });
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

function tensorShapes({ architecture, hyperparameters: h }: BenchModel): Shape[] {
  const { embeddingLength: e, vocabularySize } = h;
  const [f, d] = [largestLayer(h.feedForwardLength), largestLayer(h.keyLength)];
  const [q, kv, p] = [largestLayer(h.headCount) * d, largestLayer(h.headCountKv) * d, h.perLayerEmbeddingLength];
  const gemma = architecture.startsWith('gemma');
  const tensors: Shape[] = [matrix('token_embd', e, vocabularySize)];
  if (p > 0) {
    tensors.push(matrix('per_layer_token_embd', p * h.blockCount, vocabularySize));
    tensors.push(matrix('per_layer_model_proj', e, p * h.blockCount), vector('per_layer_proj_norm', p));
    tensors.push(matrix('altup_proj', e, e, 3), matrix('altup_unembd_proj', e, e, 3));
  }
  tensors.push(vector('output_norm', e));
  for (let layer = 0; layer < h.blockCount; layer += 1) {
    const block: Shape[] = [
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
    tensors.push(...block.map(([name, shape, type]): Shape => [`blk.${layer}.${name}`, shape, type]));
  }
  return tensors;
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
