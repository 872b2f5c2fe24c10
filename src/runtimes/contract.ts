import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import type { Work } from '../core/progress.ts';
import type { ModelSpec } from '../modelfile/schema.ts';
import type { LocalFile, RemoteFile, StreamFile } from '../sources/contract.ts';
import { TRANSFER_WAYS } from './transfer-ways.ts';

export const RuntimeKind = z.enum(['ollama', 'embedded', 'llama-server', 'llama-cpp-python', 'transformers']);
export type RuntimeKind = z.infer<typeof RuntimeKind>;

/** Who answers: `{kind: 'ollama', version: '0.24.0', endpoint: 'http://127.0.0.1:11434'}`. */
export const RuntimeIdentity = z.strictObject({ kind: RuntimeKind, version: z.string(), endpoint: z.string() });
export type RuntimeIdentity = z.infer<typeof RuntimeIdentity>;

export type Role = 'system' | 'user' | 'assistant';
export interface Message {
  readonly role: Role;
  readonly content: string;
  /** Pictures that belong to the text: files' bytes in base64, without a `data:` prefix. */
  readonly images?: readonly string[];
}

export interface ChatRequest {
  readonly name: string;
  readonly messages: readonly Message[];
  /** Overrides of the model's own parameters, under Ollama's names (`temperature`, `seed`, `num_predict`, `num_ctx`). */
  readonly options?: Readonly<Record<string, number>>;
  /** A JSON Schema that the answer must follow. Throws `runtime-refused` or `runtime-too-old` where it cannot be held. */
  readonly format?: Readonly<Record<string, unknown>>;
}

export interface ChatResult {
  readonly text: string;
  /** `stop`: the model ended by itself; `length`: it hit the token limit. */
  readonly endedBy: 'stop' | 'length';
  readonly promptTokens: number;
  readonly answerTokens: number;
  /** Load time of the model, if this call loaded it. Milliseconds, as all times here. */
  readonly loadMs: number;
  readonly firstTokenMs: number;
  readonly totalMs: number;
  /** Decode speed without load and prompt, when the runtime measured it and more than one token came. */
  readonly tokensPerSecond?: number;
}

/**
 * How a file gets into a runtime, the cheapest first: it is there already; shared with our file by a hard link or
 * copy-on-write; copied into the models folder; sent as a blob; passed through from its source without a copy here;
 * pulled by the server from a registry of one model that we serve on loopback.
 */
export const TransferWay = z.enum(TRANSFER_WAYS);
export type TransferWay = z.infer<typeof TransferWay>;

/** What a way costs, known before the first byte. All in bytes. */
export interface TransferPlan {
  readonly way: TransferWay;
  /** Why this one, as one sentence. */
  readonly why: string;
  /** That the runtime's volume needs at the peak, the create included. */
  readonly peakBytes: number;
  /** Where the runtime keeps its models on this machine, where that is proven. */
  readonly folder?: string;
}

/** Bytes to put into a runtime: a file here, or one that is read from its source as it is sent. */
export type StorableFile = LocalFile | (RemoteFile & { readonly open: StreamFile });

export interface StoreRequest {
  readonly name: string;
  readonly file: StorableFile;
  /** The only way that is wanted; without it the cheapest one that works is taken. */
  readonly way?: TransferWay;
  readonly architecture: string;
  readonly spec: ModelSpec;
}

/** What the runtime itself says of a model under a name. */
export interface StoredModel {
  readonly name: string;
  /** Digest of the model layer as the runtime stores it; may differ from the uploaded one (Ollama 0.30 and later). */
  readonly layerDigest?: Digest;
  /** Identity of the whole entry (Ollama: the manifest's digest). */
  readonly entryDigest?: Digest;
  /** Path of the model layer as the runtime names it: a file of ours only where the runtime runs on this machine. */
  readonly layerPath?: string;
  readonly sizeBytes?: number;
  readonly architecture?: string;
  /** `tokenizer.ggml.add_bos_token` of the file, where the runtime tells it. */
  readonly addsBos?: boolean;
  readonly quant?: string;
  readonly template?: string;
  /** The model's own system text, which speaks where a conversation brings none. */
  readonly system?: string;
  readonly parameters?: string;
  /** Stop strings among the parameters; empty when there are none, absent when the runtime does not tell. */
  readonly stop?: readonly string[];
  /** Context length (num_ctx) among the parameters, in tokens. */
  readonly contextLength?: number;
  readonly license?: string;
  /** What the runtime says the model can do, in its words: `completion`, `vision`, `tools`. */
  readonly capabilities?: readonly string[];
}

/** What a runtime makes of a conversation before the tokenizer sees it. */
export interface RenderedPrompt {
  readonly text: string;
  /** BOS tokens at the start of what is evaluated, where the runtime itself counted them. */
  readonly bosCount?: number;
}

/** A model in memory. */
export interface LoadedModel {
  /** Context length in force, in tokens; absent where the runtime does not tell. */
  readonly contextLength?: number;
  readonly sizeBytes?: number;
  /** The part of `sizeBytes` on GPUs. */
  readonly gpuBytes?: number;
}

export interface StoreResult {
  readonly stored: StoredModel;
  readonly uploadedDigest: Digest;
  readonly way: TransferWay;
  /** 0 when the runtime already had the bytes, or shares them with our file. */
  readonly bytesMoved: number;
  /** Where the runtime's own word differs from what was sent, one sentence each. */
  readonly differences: readonly string[];
}

/** One way to run a model. A new runtime is one folder whose index exports `defineRuntime({...})`. */
export interface Runtime {
  readonly kind: RuntimeKind;
  readonly endpoint: string;
  /** Throws `runtime-unreachable`, `runtime-not-ollama`, `runtime-missing`. */
  identify(signal: AbortSignal): Promise<RuntimeIdentity>;
  find(name: string, signal: AbortSignal): Promise<StoredModel | undefined>;
  /** How `store` would get a file of this size and digest in; changes nothing that stays. */
  planTransfer?(file: StorableFile, way: TransferWay | undefined, signal: AbortSignal): Promise<TransferPlan>;
  /** Puts the bytes where the runtime wants them unless it has them, and creates `name`. Leaves nothing half-done on failure. */
  store(request: StoreRequest, signal: AbortSignal): Work<StoreResult>;
  /** Lets the runtime fetch a model of its own library. Only where the runtime has one. */
  pull?(libraryName: string, signal: AbortSignal): Work<StoredModel>;
  /** Every name it has and can read; absent where it cannot tell. */
  names?(signal: AbortSignal): Promise<readonly string[]>;
  copy(from: string, to: string, signal: AbortSignal): Promise<void>;
  /** Removing what is not there is no error. */
  remove(name: string, signal: AbortSignal): Promise<void>;
  /** Yields the answer piece by piece, returns the whole of it. */
  chat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<string, ChatResult, undefined>;
  /** The exact text that `chat` would feed to the model, without generating. Undefined where the runtime cannot tell. */
  render?(request: Pick<ChatRequest, 'name' | 'messages'>, signal: AbortSignal): Promise<RenderedPrompt | undefined>;
  /**
   * Tokens that the runtime evaluates for a prompt that no template touches, those included that it adds itself.
   * Generates one token. Undefined where the runtime does not count all of a prompt.
   */
  countRaw?(name: string, prompt: string, signal: AbortSignal): Promise<number | undefined>;
  /** Every model in memory, by its name; empty where the runtime cannot tell. */
  loadedModels?(signal: AbortSignal): Promise<readonly (LoadedModel & { readonly name: string })[]>;
  /** What is in force for a model now; undefined when it is not loaded, or the runtime cannot tell. */
  loaded?(name: string, signal: AbortSignal): Promise<LoadedModel | undefined>;
  /** Frees a model's memory. A model that is not loaded is no error. */
  unload?(name: string, signal: AbortSignal): Promise<void>;
  /** Ends helper processes; called once at the end. */
  close(): Promise<void>;
}

export function defineRuntime<R extends Runtime>(runtime: R): R {
  return runtime;
}
