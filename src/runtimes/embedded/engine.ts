import type { LoadOptions, Sampling } from './protocol.ts';

/** A loaded model: what the worker needs of a llama.cpp binding, so that everything above it runs without native code. */
export interface Engine {
  /** Tokens that prompt and answer share. */
  readonly contextLength: number;
  /** The file's own Jinja template. */
  readonly chatTemplate?: string;
  readonly bos?: { readonly token: number; readonly text: string };
  readonly eosText?: string;
  /** Whether the tokenizer of the file wants a BOS in front (`tokenizer.ggml.add_bos_token`). */
  readonly addBos: boolean;
  /** Special tokens in the text become special tokens; nothing is added in front. */
  tokenize(text: string): number[];
  /** Special tokens become nothing; an unfinished character becomes U+FFFD. */
  detokenize(tokens: readonly number[]): string;
  isEnd(token: number): boolean;
  isSpecial(token: number): boolean;
  /**
   * Forgets what was evaluated before, evaluates the prompt and yields answer tokens without end, end tokens included.
   * With a JSON Schema the answer is a document by it and then `DOCUMENT_END`.
   */
  generate(
    prompt: readonly number[],
    sampling: Sampling,
    signal: AbortSignal,
    format?: Readonly<Record<string, unknown>>,
  ): AsyncGenerator<number, void, undefined>;
  /**
   * Forgets what was evaluated before and yields, for each of the tokens from index `from` on, the logarithms of the
   * probabilities (natural, by token number) that the model gives the token after it.
   */
  logProbabilities(
    tokens: readonly number[],
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<Float32Array, void, undefined>;
  dispose(): Promise<void>;
}

/** Throws `runtime-missing`, `runtime-too-old`, `bad-gguf`, `memory-short`, `runtime-refused`. */
export type LoadEngine = (options: LoadOptions, signal: AbortSignal) => Promise<Engine>;
