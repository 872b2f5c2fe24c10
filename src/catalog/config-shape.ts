/** The shape of a network from the `config.json` that publishers put beside their weights. */
import { isRaw, numberAt, type Raw, textAt } from './json-access.ts';
import type { Hyperparameters, PerLayer } from './quant-schema.ts';

/** `model_type` → `general.architecture`, where llama.cpp's converter makes one of the other (convert_hf_to_gguf.py). */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  gemma: 'gemma',
  gemma2: 'gemma2',
  gemma3: 'gemma3',
  gemma3_text: 'gemma3',
  gemma3n: 'gemma3n',
  gemma3n_text: 'gemma3n',
  gemma4: 'gemma4',
  gemma4_text: 'gemma4',
  llama: 'llama',
  mistral: 'llama',
  qwen2: 'qwen2',
  qwen3: 'qwen3',
  phi3: 'phi3',
};

export interface ConfigFacts {
  /** Absent for a type whose architecture is not known here. */
  readonly architecture?: string;
  /** What the file says; a field that it leaves out is left out here. */
  readonly shape: Partial<Hyperparameters>;
  /** Tensors or layers that the fields above cannot describe. */
  readonly notes: readonly string[];
}

/** Reads a parsed `config.json`. A model with pictures or sound keeps its language model in `text_config`. */
export function configFacts(config: unknown): ConfigFacts {
  const text = isRaw(config) && isRaw(config.text_config) ? config.text_config : config;
  const type = textAt(text, 'model_type') ?? textAt(config, 'model_type') ?? '';
  const architecture = Object.hasOwn(ARCHITECTURES, type) ? ARCHITECTURES[type] : undefined;
  const blocks = countAt(text, 'num_hidden_layers');
  const heads = countAt(text, 'num_attention_heads');
  const embedding = countAt(text, 'hidden_size');
  // As the publishers' own library does where the key is left out.
  const divided =
    heads !== undefined && embedding !== undefined && embedding % heads === 0 ? embedding / heads : undefined;
  const head = countAt(text, 'head_dim') ?? divided;
  const { window, pattern, note } = windowOf(text, blocks);
  const globalHead = countAt(text, 'global_head_dim');
  const shape = {
    blockCount: blocks,
    embeddingLength: embedding,
    feedForwardLength: perLayerAt(text, 'intermediate_size'),
    headCount: heads,
    headCountKv: countAt(text, 'num_key_value_heads') ?? heads,
    keyLength: head,
    valueLength: head,
    contextLength: countAt(text, 'max_position_embeddings'),
    slidingWindow: window,
    slidingPattern: pattern,
    sharedKvLayers: numberAt(text, 'num_kv_shared_layers'),
    perLayerEmbeddingLength: numberAt(text, 'hidden_size_per_layer_input'),
    vocabularySize: countAt(text, 'vocab_size'),
  };
  const known = Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined));
  return {
    ...(architecture !== undefined && { architecture }),
    shape: known,
    notes: [
      ...(note === undefined ? [] : [note]),
      ...(globalHead !== undefined && globalHead !== head
        ? [
            `global layers have heads of width ${globalHead}: check keyLength, valueLength and headCountKv layer by layer`,
          ]
        : []),
      ...(countAt(text, 'num_experts') === undefined ? [] : ['it has experts, whose shape is not read from this file']),
    ],
  };
}

function windowOf(text: unknown, blocks: number | undefined): { window?: number; pattern?: number; note?: string } {
  const window = countAt(text, 'sliding_window');
  if (window === undefined || (isRaw(text) && text.use_sliding_window === false)) return {};
  const declared = countAt(text, 'sliding_window_pattern');
  if (declared !== undefined) return { window, pattern: declared };
  const types = isRaw(text) && Array.isArray(text.layer_types) ? text.layer_types : [];
  const first = types.indexOf('full_attention') + 1;
  const regular = types.every((each: unknown, layer) => (each === 'full_attention') === ((layer + 1) % first === 0));
  if (first > 0 && regular && types.length === blocks) return { window, pattern: first };
  return { window, note: 'which layers are global is not said in a regular form: check slidingPattern' };
}

/** A list of equal numbers is one number. */
function perLayerAt(text: unknown, key: string): PerLayer | undefined {
  const found: unknown = isRaw(text) ? (text as Raw)[key] : undefined;
  if (!Array.isArray(found)) return countAt(text, key);
  const numbers = found.filter(
    (each): each is number => typeof each === 'number' && Number.isInteger(each) && each > 0,
  );
  if (numbers.length !== found.length || numbers.length === 0) return undefined;
  return numbers.every((each) => each === numbers[0]) ? numbers[0] : numbers;
}

function countAt(text: unknown, key: string): number | undefined {
  const found = numberAt(text, key);
  return found !== undefined && Number.isSafeInteger(found) && found > 0 ? found : undefined;
}
