import type { Hyperparameters, WeightBytes } from '../catalog/schema.ts';

/** One tensor, as a header or a server reports it. */
export interface TensorFacts {
  readonly name: string;
  /** Type name in upper case as llama.cpp prints it: `Q4_K`, `F16`. */
  readonly type: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** One tensor of a file's list. */
export interface Tensor extends TensorFacts {
  /** From the start of the data section of its file, in bytes. */
  readonly offset: number;
  /** Index in `GgufFacts.parts` of the file that holds it; absent where one file holds all. */
  readonly part?: number;
}

/** How much of a model is stored in one type. */
export interface TypeBytes {
  readonly type: string;
  readonly tensors: number;
  readonly weights: number;
  readonly bytes: number;
}

/** A key that is not there, and what llama.cpp takes in its place. */
export interface Assumption {
  readonly key: string;
  readonly value: number;
  /** Where the value comes from. */
  readonly basis: string;
}

export interface TokenizerFacts {
  readonly model?: string;
  /** Name of the pre-tokenizer, `tokenizer.ggml.pre`. */
  readonly pre?: string;
  readonly tokenCount?: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly bos?: string;
  readonly eos?: string;
  readonly addBos?: boolean;
  readonly addEos?: boolean;
}

/** The facts about a model, from a file or a server: everything that other modules need and nothing else. */
export interface ModelFacts {
  readonly architecture: string;
  readonly name?: string;
  /** `general.file_type` in words. The tensors may disagree, which `warnings` reports. */
  readonly declaredQuant?: string;
  readonly tensors: readonly TensorFacts[];
  /** What the tensors are stored in, most bytes first. */
  readonly typeBytes: readonly TypeBytes[];
  /** Scalars and short arrays of the metadata, as found. Token lists are not kept. */
  readonly metadata: ReadonlyMap<string, string | number | boolean | readonly (string | number | boolean)[]>;
  /** The Jinja template, `tokenizer.chat_template`. */
  readonly chatTemplate?: string;
  readonly tokenizer: TokenizerFacts;
  /** Absent for a file that is not a language model (projector, adapter). */
  readonly hyperparameters?: Hyperparameters;
  readonly weights: WeightBytes;
  /** Hyperparameters that no key gave. */
  readonly assumed: readonly Assumption[];
  /** What a user should know though it stops nothing: a quant that lies about its tensors, a list of a wrong length. */
  readonly warnings: readonly string[];
}

/** One file of a split model. */
export interface PartFacts {
  readonly name: string;
  readonly dataOffset: number;
  readonly requiredBytes: number;
  readonly fileBytes?: number;
  readonly tensorCount: number;
}

/** What the header of a GGUF file says, or of all files of a split model together. */
export interface GgufFacts extends ModelFacts {
  readonly version: 2 | 3;
  readonly alignment: number;
  /** Byte offset of the data section in the file; of a split model, in its first file. */
  readonly dataOffset: number;
  /** Bytes that the file must have at least, or all files together: data offset plus the end of the last tensor. */
  readonly requiredBytes: number;
  /** Bytes that the file has, or all files together; absent where a size is not known. */
  readonly fileBytes?: number;
  readonly tensors: readonly Tensor[];
  /** The files of a split model in order; absent where one file holds all. */
  readonly parts?: readonly PartFacts[];
}
