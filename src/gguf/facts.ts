import { hyperparameterWarnings, readHyperparameters } from './hyperparameters.ts';
import type { Metadata } from './metadata.ts';
import type { MetadataReader } from './metadata-reader.ts';
import { quantWarning } from './quant-claim.ts';
import { refusal } from './refusal.ts';
import type { ModelFacts, TensorFacts, TokenizerFacts } from './schema.ts';
import { declaredQuant, typeBytes } from './types.ts';
import { weightBytes } from './weights.ts';

/** What was read, before anything is concluded from it. */
export interface ReadModel<T extends TensorFacts> {
  readonly architecture: string;
  /** Undefined for anything that is not a language model. */
  readonly blockCount: number | undefined;
  readonly metadata: Metadata;
  readonly reader: MetadataReader;
  readonly tensors: readonly T[];
  readonly tokenizer: TokenizerFacts;
}

/** Everything that metadata and tensor list contain, from a file or a server. Throws `bad-gguf`. */
export function modelFacts<T extends TensorFacts>(read: ReadModel<T>): ModelFacts & { readonly tensors: readonly T[] } {
  const { architecture, blockCount, metadata, reader, tensors, tokenizer } = read;
  const name = reader.text('general.name');
  const quant = declaredQuant(metadata.get('general.file_type')?.value);
  const chatTemplate = reader.text('tokenizer.chat_template');
  const shape =
    blockCount === undefined
      ? undefined
      : readHyperparameters(reader, architecture, blockCount, tensors, tokenizer.tokenCount);
  const lie = quant === undefined ? undefined : quantWarning(quant, tensors, 'the file declares');
  return {
    architecture,
    ...(name !== undefined && { name }),
    ...(quant !== undefined && { declaredQuant: quant }),
    tensors,
    typeBytes: typeBytes(tensors),
    metadata: keptMetadata(metadata),
    ...(chatTemplate !== undefined && { chatTemplate }),
    tokenizer,
    ...(shape !== undefined && { hyperparameters: shape }),
    weights: weightBytes(tensors, blockCount ?? 0),
    assumed: reader.assumed,
    warnings: [
      ...(lie === undefined ? [] : [lie]),
      ...(shape === undefined ? [] : hyperparameterWarnings(reader, architecture, shape)),
    ],
  };
}

/** The name of the architecture. `offset` is where the metadata end, undefined if they did not come from a file. */
export function architectureOf(reader: MetadataReader, offset: number | undefined): string {
  const architecture = reader.text('general.architecture');
  if (architecture === undefined) throw refusal('the metadata key "general.architecture" is missing', offset);
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(architecture)) {
    throw refusal('the metadata key "general.architecture" is not a valid architecture name', offset);
  }
  return architecture;
}

/** Metadata for other rooms: without the tokenizer's lists and whatever was too long to keep. */
function keptMetadata(metadata: Metadata): ModelFacts['metadata'] {
  const kept = new Map<string, NonNullable<ReturnType<ModelFacts['metadata']['get']>>>();
  for (const [key, { value }] of metadata) {
    if (value === undefined || (key.startsWith('tokenizer.ggml.') && Array.isArray(value))) continue;
    kept.set(key, value);
  }
  return kept;
}
