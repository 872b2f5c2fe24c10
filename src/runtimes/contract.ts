import * as z from 'zod';
import type { Model } from '../catalog/schema.ts';
import type { Digest } from '../core/digest.ts';
import type { Work } from '../core/progress.ts';
import type { DigestCache } from '../disk/digest-cache.ts';
import type { Disk } from '../disk/disk.ts';
import type { HashFile } from '../disk/hash.ts';
import type { Engine as EstimatedEngine } from '../fit/schema.ts';
import type { ModelSpec } from '../modelfile/schema.ts';
import type { LocalFile, RemoteFile, StreamFile } from '../sources/contract.ts';
import type { FolderContents } from './contents.ts';

/** Every runtime that exists; `registry.ts` has what each of them is. */
export const RuntimeKind = z.enum(['ollama', 'embedded']);
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
  /** Sounds that belong to the text, likewise: WAV files. */
  readonly sounds?: readonly string[];
}

export interface ChatRequest {
  readonly name: string;
  readonly messages: readonly Message[];
  /** Overrides of the model's own parameters, under Ollama's names (`temperature`, `seed`, `num_predict`, `num_ctx`). */
  readonly options?: Readonly<Record<string, number>>;
  /** A JSON Schema that the answer must follow. Throws `runtime-refused` or `runtime-too-old` where the runtime cannot enforce it. */
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
export const TransferWay = z.enum(['present', 'hard-link', 'reflink', 'copy', 'upload', 'stream', 'loopback-pull']);
export type TransferWay = z.infer<typeof TransferWay>;

/** What a method costs, known before the first byte. All in bytes. */
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
  /** The requested method; without it the cheapest one that works is used. */
  readonly way?: TransferWay;
  readonly architecture: string;
  readonly spec: ModelSpec;
  /** Loaded with the model, for pictures or sound; only where `projectorRefusal` has nothing against it. */
  readonly projector?: StorableFile;
}

/** What the runtime itself says of a model under a name. */
export interface StoredModel {
  readonly name: string;
  /** Digest of the model layer as the runtime stores it; may differ from the uploaded one (Ollama 0.30 and later). */
  readonly layerDigest?: Digest;
  /** Digest of the projector that is loaded with it; absent without one. */
  readonly projectorDigest?: Digest;
  /** Identity of the whole entry (Ollama: the manifest's digest). */
  readonly entryDigest?: Digest;
  /** Path of the model layer as the runtime names it: a file of ours only where the runtime runs on this machine. */
  readonly layerPath?: string;
  readonly sizeBytes?: number;
  readonly architecture?: string;
  /** `tokenizer.ggml.add_bos_token` of the file, where the runtime reports it. */
  readonly addsBos?: boolean;
  readonly quant?: string;
  readonly template?: string;
  /** The server's own chat format and reader of answers that the model was created with, as Ollama's RENDERER and PARSER. */
  readonly renderer?: string;
  readonly parser?: string;
  /** The model's own system text, which speaks where a conversation brings none. */
  readonly system?: string;
  readonly parameters?: string;
  /** Stop strings among the parameters; empty when there are none, absent when the runtime does not report them. */
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
  /** Context length in force, in tokens; absent where the runtime does not report it. */
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

/** Where the models of a runtime are kept, by name. An engine that keeps none of its own uses ours. */
export interface ModelStore {
  find(name: string, signal: AbortSignal): Promise<StoredModel | undefined>;
  /** How `store` would get a file of this size and digest in; changes nothing that stays. */
  planTransfer?(file: StorableFile, way: TransferWay | undefined, signal: AbortSignal): Promise<TransferPlan>;
  /**
   * Whether the bytes of a model are what their digest says; hashed once after each change. Absent where the store belongs to
   * a server, and reading it is for `verify` alone.
   */
  isIntact?(name: string, signal: AbortSignal): Work<boolean>;
  /** Puts the bytes where the runtime wants them unless it has them, and creates `name`. Leaves nothing half-done on failure. */
  store(request: StoreRequest, signal: AbortSignal): Work<StoreResult>;
  /** Lets the runtime fetch a model of its own library. Only where the runtime has one. */
  pull?(libraryName: string, signal: AbortSignal): Work<StoredModel>;
  /** Every name it has and can read; absent where it cannot list them. */
  names?(signal: AbortSignal): Promise<readonly string[]>;
  copy(from: string, to: string, signal: AbortSignal): Promise<void>;
  /** Removing what is not there is no error. */
  remove(name: string, signal: AbortSignal): Promise<void>;
}

/** A text whose every next token a model file gives a probability, compared with those of a reference file. */
export interface ScoreRequest {
  /** Absolute path of the model's file. */
  readonly modelPath: string;
  readonly text: string;
  /** At most so many positions of the text are scored, from its start. */
  readonly positions: number;
  /** Absolute path of the log-probabilities of the reference: one pass writes it, the others read it. */
  readonly scores: string;
  readonly role: 'reference' | 'candidate';
}

/** One position of a text. */
export interface Score {
  /** KL divergence of the candidate from the reference over the whole vocabulary, in nats; 0 for the reference itself. */
  readonly divergence: number;
  /** Both find the same token likeliest. */
  readonly agrees: boolean;
}

export interface ScoredText {
  /** Of the tokens that were read: two files whose tokenizers differ cannot be compared. */
  readonly tokens: Digest;
  readonly vocabulary: number;
}

/** What runs the models of a store. */
export interface Engine {
  /** Yields a score a position. Only for an engine that shows the probability of every token. */
  score?(request: ScoreRequest, signal: AbortSignal): AsyncGenerator<Score, ScoredText, undefined>;
  /** Yields the answer piece by piece, returns the whole of it. */
  chat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<string, ChatResult, undefined>;
  /** The exact text that `chat` would feed to the model, without generating. Undefined where the runtime does not show it. */
  render?(request: Pick<ChatRequest, 'name' | 'messages'>, signal: AbortSignal): Promise<RenderedPrompt | undefined>;
  /**
   * Tokens that the runtime evaluates for a prompt that no template touches, those included that it adds itself.
   * Generates one token. Undefined where the runtime does not count all of a prompt.
   */
  countRaw?(name: string, prompt: string, signal: AbortSignal): Promise<number | undefined>;
  /** Every model in memory, by its name; empty where the runtime does not report them. */
  loadedModels?(signal: AbortSignal): Promise<readonly (LoadedModel & { readonly name: string })[]>;
  /** What is in force for a model now; undefined when it is not loaded, or the runtime does not report it. */
  loaded?(name: string, signal: AbortSignal): Promise<LoadedModel | undefined>;
  /** Frees a model's memory. A model that is not loaded is no error. */
  unload?(name: string, signal: AbortSignal): Promise<void>;
  /** Ends helper processes; called once at the end. */
  close(): Promise<void>;
}

/** One way to run a model: an engine and the store that it reads from. */
export interface Runtime extends ModelStore, Engine {
  readonly kind: RuntimeKind;
  readonly endpoint: string;
  /** Throws `runtime-unreachable`, `runtime-not-ollama`, `runtime-missing`. */
  identify(signal: AbortSignal): Promise<RuntimeIdentity>;
}

/** What differs between runtimes for those who use one. */
export interface RuntimeCapabilities {
  /** A server at an address, whose version its owner chooses; otherwise the engine comes with this tool. */
  readonly isServer: boolean;
  /** Prompts follow the Jinja template in the model's file, whatever template was stored with the model. */
  readonly usesFileTemplate: boolean;
}

/** Why something is not possible, and what to do instead. */
export interface Refusal {
  readonly reason: string;
  readonly remedy: string;
}

/** What one model of an architecture asks of a runtime. */
export interface ModelNeeds extends Pick<Model, 'id' | 'chat' | 'minimumVersions'> {
  /** Whether the tokenizer of its file adds a BOS token, where the header is known. */
  readonly addsBos?: boolean | undefined;
}

/** What a plan must know of a runtime: what it allows and needs. */
export interface RuntimeFacts {
  readonly engine: EstimatedEngine;
  /** Disk that a create takes at its peak, as a multiple of the file's size. */
  readonly diskFactor: number;
  /** Where the bytes go; absent for a server on another host. */
  readonly store?: { readonly purpose: 'models' | 'data'; readonly path: string };
  readonly warnings: readonly string[];
  /** Why this runtime cannot run the architecture, or this model of it, or undefined. */
  refusal(architecture: string, model?: ModelNeeds): Refusal | undefined;
  /** Why this runtime cannot load a quant of the architecture, as one sentence, or undefined. */
  quantRefusal(architecture: string, quant: string): string | undefined;
  /** Why this runtime cannot take pictures or sound through a projector beside a model of the architecture, or undefined. */
  projectorRefusal(architecture: string): Refusal | undefined;
  /** Why this runtime cannot pull a library model, or undefined. */
  pullRefusal(minimumVersion: string | undefined): Refusal | undefined;
}

/** The blobs of a runtime on this machine, for writing. */
export interface BlobStore {
  /**
   * Replaces a blob with the bytes of a file: written beside it, hashed on the way, renamed over it. Throws
   * `digest-mismatch`, `truncated-file`, `source-not-found`, `file-access`, `disk-full`; the blob is as before then.
   */
  replace(file: LocalFile & { readonly digest: Digest }, signal: AbortSignal): Work<void>;
  /** Removing what is not there is no error. */
  drop(digest: Digest): Promise<void>;
}

/** The folder of a runtime on this machine. */
export interface ModelFolder {
  /** `refused`: why it cannot be read from here, as a whole sentence. */
  readonly contents: FolderContents | { readonly refused: string };
  /** Absent where it may not be written to. */
  readonly store?: BlobStore;
}

/** The folder of a server on this machine, proven to be its own: what else cleaning it up must know. */
export interface ServerFolder {
  read(): Promise<FolderContents>;
  /** Removes a file in it with the rights of its owner; one that is not there is no error. */
  remove(path: string): Promise<void>;
  /** True for the name of a file that a killed run of this tool left beside the blobs. */
  isTemporary(fileName: string): boolean;
  /** The server does not remove blobs that no model uses (OLLAMA_NOPRUNE). */
  readonly keepsAll: boolean;
}

/** An opened runtime: who it is, and what planning must know of it. */
export interface OpenRuntime {
  readonly runtime: Runtime;
  readonly identity: RuntimeIdentity;
  readonly facts: RuntimeFacts;
  /** True for a name that exists only while a file gets into the runtime; absent where a transfer needs none. */
  isTransferName?(name: string): boolean;
  /** Reads the folder of its models again at each call. */
  readFolder(signal: AbortSignal): Promise<ModelFolder>;
  /** Only for a server. `refused`: why the folder cannot be used, as a whole sentence. */
  serverFolder?(signal: AbortSignal): Promise<ServerFolder | { readonly refused: string }>;
}

/** Flags that lead to a runtime. */
export interface RuntimeFlags {
  readonly host?: string | undefined;
  readonly runtime?: string | undefined;
}

/** What opening a runtime needs of its surroundings. */
export interface RuntimeContext {
  readonly disk: Disk;
  readonly paths: { readonly data: string; readonly cache: string };
  /** Settings of `config.json`, which flags override. */
  readonly settings: RuntimeFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly hash: HashFile;
  /** What `hash` remembers. */
  readonly digests: DigestCache;
  /** The models folder of a server on this machine, as far as it is known. */
  models(): Promise<string>;
  /** `--require-tls`. */
  readonly requireTls: boolean;
  /** Shows the user a message once. */
  warn(message: string): void;
  /** Root of this package. */
  readonly root: string;
  readonly signal: AbortSignal;
}

/** Where a runtime keeps models in our data folder. */
export interface OwnStore {
  /** The runtime that uses it. */
  readonly runtime: Pick<RuntimeIdentity, 'kind' | 'endpoint'>;
  /** For messages: `the embedded runtime`. */
  readonly title: string;
  /** Name of its folder in our data folder. */
  readonly folderName: string;
  /** Absolute path of the folder of manifests (`….json`), and of the blobs that they name by digest. */
  readonly manifests: string;
  readonly blobs: string;
}

/** What a runtime is, known without opening it. Cheap to load: the rest is imported by `open`. */
export interface RuntimeDefinition<Kind extends RuntimeKind = RuntimeKind> {
  readonly kind: Kind;
  readonly capabilities: RuntimeCapabilities;
  /** The only endpoint that this runtime has; absent for a server. */
  readonly endpoint?: string;
  /** Throws what `identify` throws, and `bad-host`, `tls-required`, `bad-configuration`. */
  open(flags: RuntimeFlags, context: RuntimeContext): Promise<OpenRuntime>;
  /** The process whose children run models; undefined where it cannot be seen from here. */
  processId(endpoint: string, signal: AbortSignal): Promise<number | undefined>;
  /** Its models in our data folder, where it keeps them there. */
  ownStore?(dataDir: string): OwnStore;
  /** A command of the runtime's own that removes a model. */
  removeCommand?(name: string): string;
}

/** Declares a runtime. A new one is a folder whose index exports this, a word in `options.ts` and a line in `registry.ts`. */
export function defineRuntime<Kind extends RuntimeKind>(definition: RuntimeDefinition<Kind>): RuntimeDefinition<Kind> {
  return definition;
}
