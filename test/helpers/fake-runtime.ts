import { digestOf } from '../../src/core/digest.ts';
import { ProvisionError } from '../../src/core/errors.ts';
import type {
  ChatRequest,
  LoadedModel,
  Message,
  RenderedPrompt,
  Runtime,
  RuntimeIdentity,
  StoredModel,
  StoreRequest,
} from '../../src/runtimes/contract.ts';

interface Entry extends StoredModel {
  readonly answers: (request: ChatRequest) => string;
}

type Method =
  | 'identify'
  | 'find'
  | 'store'
  | 'pull'
  | 'copy'
  | 'remove'
  | 'chat'
  | 'render'
  | 'countRaw'
  | 'loaded'
  | 'unload';

/** How a fake server makes prompts of conversations, right or wrong. */
export interface Prompting {
  readonly template: (messages: readonly Message[]) => string;
  /** The tokenizer puts `<bos>` in front. */
  readonly addsBos: boolean;
  /** A `<bos>` that is in front of a text already is taken away first, as Ollama does from 0.30 on. */
  readonly stripsBos?: boolean;
  /** Shows its prompts, with the BOS count if it `counts` that. */
  readonly shows?: boolean | 'with-bos-count';
  /** Counts the tokens of raw prompts. */
  readonly counts?: boolean;
  /** Context of the loaded model, in tokens. */
  readonly contextLength?: number;
}

/** Tokens of a text: a marker such as `<bos>` is one, and so is any other character. */
function tokensOf(text: string): number {
  return text.match(/<[a-z_]+>|./gsu)?.length ?? 0;
}

const SERVER: RuntimeIdentity = { kind: 'ollama', version: '0.24.0', endpoint: 'http://127.0.0.1:11434' };

/**
 * A runtime in memory that keeps the contract (`test/contract/runtime.test.ts`), remembers every call, and fails where
 * a test asks it to. It poses as the runtime of `identity`.
 */
export class FakeRuntime implements Runtime {
  readonly identity: RuntimeIdentity;
  readonly kind: Runtime['kind'];
  readonly endpoint: string;
  readonly models = new Map<string, Entry>();
  readonly blobs = new Set<string>();
  /** Names that exist and cannot be read, as a full disk leaves them. */
  readonly broken = new Set<string>();
  readonly calls: string[] = [];
  /** Thrown by the method of that name, once the number of calls in front is used up. */
  readonly failures = new Map<Method, { readonly error: Error; readonly after: number }>();
  /** What every model created from now on answers. */
  answers: (request: ChatRequest) => string = () => 'OK';
  /** Prompts can be shown, counted and loaded once this is set; before, this runtime tells nothing of them. */
  prompting: Prompting | undefined;
  closed = false;

  constructor(identity = SERVER) {
    this.identity = identity;
    this.kind = identity.kind;
    this.endpoint = identity.endpoint;
  }

  async identify() {
    this.#enter('identify', '');
    return this.identity;
  }

  async find(name: string): Promise<StoredModel | undefined> {
    this.#enter('find', name);
    if (this.broken.has(name)) throw new ProvisionError('needs-repair', `${name} cannot be read`);
    return this.models.get(name);
  }

  async *store({ name, file, spec }: StoreRequest, signal: AbortSignal) {
    this.#enter('store', name);
    signal.throwIfAborted();
    const digest = file.digest ?? digestOf(file.ref);
    const bytesMoved = this.blobs.has(digest) ? 0 : file.sizeBytes;
    yield { type: 'bytes', id: 'upload', done: file.sizeBytes, total: file.sizeBytes } as const;
    signal.throwIfAborted();
    this.blobs.add(digest);
    const entryDigest = digestOf(JSON.stringify([digest, spec]));
    const stored = { name, layerDigest: digest, entryDigest, template: spec.template, answers: this.answers };
    this.models.set(name, stored);
    const way = bytesMoved === 0 ? ('present' as const) : ('upload' as const);
    return { stored, uploadedDigest: digest, way, bytesMoved, differences: [] };
  }

  async *pull(name: string) {
    this.#enter('pull', name);
    yield { type: 'bytes', id: 'pull', done: 7, total: 7 } as const;
    const stored = { name, sizeBytes: 7, entryDigest: digestOf(`library ${name}`), answers: this.answers };
    this.models.set(name, stored);
    return stored;
  }

  async copy(from: string, to: string): Promise<void> {
    this.#enter('copy', `${from} ${to}`);
    const entry = this.models.get(from);
    if (entry === undefined) throw new ProvisionError('model-not-found', `no ${from}`);
    this.models.set(to, { ...entry, name: to });
    this.broken.delete(to);
  }

  async remove(name: string): Promise<void> {
    this.#enter('remove', name);
    this.models.delete(name);
    this.broken.delete(name);
  }

  async *chat(request: ChatRequest, signal?: AbortSignal) {
    this.#enter('chat', request.name);
    signal?.throwIfAborted();
    const entry = this.models.get(request.name);
    if (entry === undefined) throw new ProvisionError('model-not-found', `no ${request.name}`);
    const text = entry.answers(request);
    yield text;
    const { prompting } = this;
    const promptTokens = prompting === undefined ? 5 : evaluated(prompting, prompting.template(request.messages));
    return { text, endedBy: 'stop', promptTokens, answerTokens: 1, loadMs: 1, firstTokenMs: 1, totalMs: 2 } as const;
  }

  async render({ name, messages }: Pick<ChatRequest, 'name' | 'messages'>): Promise<RenderedPrompt | undefined> {
    const { prompting } = this;
    if (prompting === undefined) return undefined;
    this.#enter('render', name);
    if (!prompting.shows) return undefined;
    const text = prompting.template(messages);
    return prompting.shows === true ? { text } : { text, bosCount: prompting.addsBos ? 1 : 0 };
  }

  async countRaw(name: string, prompt: string): Promise<number | undefined> {
    if (this.prompting === undefined) return undefined;
    this.#enter('countRaw', name);
    return this.prompting.counts ? evaluated(this.prompting, prompt) : undefined;
  }

  async loaded(name: string): Promise<LoadedModel | undefined> {
    if (this.prompting === undefined) return undefined;
    this.#enter('loaded', name);
    const { contextLength } = this.prompting;
    return contextLength === undefined ? {} : { contextLength };
  }

  async unload(name: string): Promise<void> {
    this.#enter('unload', name);
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  #enter(method: Method, what: string): void {
    this.calls.push(`${method} ${what}`.trim());
    const failure = this.failures.get(method);
    const times = this.calls.filter((call) => call.startsWith(method)).length;
    if (failure !== undefined && times > failure.after) throw failure.error;
  }
}

function evaluated({ addsBos, stripsBos }: Prompting, text: string): number {
  const rest = stripsBos && addsBos && text.startsWith('<bos>') ? text.slice('<bos>'.length) : text;
  return tokensOf(rest) + (addsBos ? 1 : 0);
}
