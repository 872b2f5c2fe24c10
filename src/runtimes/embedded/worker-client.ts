import type { ChildHandle } from '../../cage/fork.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Score, ScoredText } from '../contract.ts';
import {
  type Answer,
  type ChatOptions,
  type EffectivePrompt,
  FromWorker,
  type LoadOptions,
  type ScoreOptions,
  type Source,
  type ToWorker,
} from './protocol.ts';

/** A running worker. It keeps nothing on disk that could break, so it can be killed at any time. */
export type WorkerProcess = ChildHandle<ToWorker>;

export type StartWorker = () => WorkerProcess;

export interface Chatted {
  readonly answer: Answer;
  readonly loadMs: number;
}

/** The model that a worker has in memory. */
export interface LoadedInWorker {
  readonly modelPath: string;
  /** In force, in tokens. */
  readonly contextLength: number;
}

/** All calls throw `runtime-died` when the worker ends meanwhile, and what the worker reports. */
export interface WorkerClient {
  chat(load: LoadOptions, chat: ChatOptions, signal: AbortSignal): AsyncGenerator<string, Chatted, undefined>;
  prompt(load: LoadOptions, source: Source, signal: AbortSignal): Promise<EffectivePrompt>;
  score(load: LoadOptions, score: ScoreOptions, signal: AbortSignal): AsyncGenerator<Score, ScoredText, undefined>;
  /** Frees the memory of that model, if it is the one that is loaded. */
  unload(modelPath: string, signal: AbortSignal): Promise<void>;
  held(): LoadedInWorker | undefined;
  close(): Promise<void>;
}

interface Running {
  readonly process: WorkerProcess;
  readonly inboxes: Map<number, Inbox>;
  readonly ended: Promise<void>;
  held: LoadedInWorker | undefined;
}

/** Starts the worker when it is first needed, and again after it died. */
export function createWorkerClient(start: StartWorker): WorkerClient {
  let running: Running | undefined;
  let lastId = 0;

  function launch(): Running {
    const process = start();
    const inboxes = new Map<number, Inbox>();
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const launched: Running = { process, inboxes, ended, held: undefined };
    process.onMessage((message) => deliver(inboxes, message));
    process.onEnd((reason) => {
      if (running === launched) running = undefined;
      for (const inbox of inboxes.values()) inbox.fail(workerDied(reason, process.lastLines()));
      resolve();
    });
    return launched;
  }

  async function* exchange(
    request: (id: number) => ToWorker,
    signal: AbortSignal,
  ): AsyncGenerator<FromWorker, void, undefined> {
    signal.throwIfAborted();
    running ??= launch();
    const { process, inboxes } = running;
    lastId += 1;
    const id = lastId;
    const inbox = createInbox();
    inboxes.set(id, inbox);
    const onAbort = (): void => inbox.fail(signal.reason);
    signal.addEventListener('abort', onAbort);
    process.keepAlive(true);
    let finished = false;
    try {
      process.send(request(id));
      while (!finished) {
        const message = await inbox.next();
        if (message.type === 'failed')
          throw new ProvisionError(message.code, message.message, { suggestions: message.suggestions });
        finished = LAST.has(message.type);
        yield message;
      }
    } finally {
      if (!finished) process.send({ type: 'abort', id });
      signal.removeEventListener('abort', onAbort);
      inboxes.delete(id);
      if (inboxes.size === 0) process.keepAlive(false);
    }
  }

  /** As `exchange`, for requests that need a model. Until its worker reports it, what is in memory is not known. */
  async function* withModel(
    load: LoadOptions,
    request: (id: number) => ToWorker,
    signal: AbortSignal,
  ): AsyncGenerator<FromWorker, void, undefined> {
    if (running !== undefined) running.held = undefined;
    for await (const message of exchange(request, signal)) {
      if (message.type === 'loaded' && running !== undefined)
        running.held = { modelPath: load.modelPath, contextLength: message.contextLength };
      yield message;
    }
  }

  return {
    async *chat(load, chat, signal) {
      let loadMs = 0;
      for await (const message of withModel(load, (id) => ({ type: 'chat', id, load, chat }), signal)) {
        if (message.type === 'loaded') loadMs = message.loadMs;
        if (message.type === 'piece') yield message.text;
        if (message.type === 'done') return { answer: message.answer, loadMs };
      }
      throw noAnswer();
    },

    async prompt(load, source, signal) {
      for await (const message of withModel(load, (id) => ({ type: 'prompt', id, load, source }), signal))
        if (message.type === 'prompt') return message.prompt;
      throw noAnswer();
    },

    async *score(load, score, signal) {
      for await (const message of withModel(load, (id) => ({ type: 'score', id, load, score }), signal)) {
        if (message.type === 'position') yield { divergence: message.divergence, agrees: message.agrees };
        if (message.type === 'scored') return { tokens: message.tokens, vocabulary: message.vocabulary };
      }
      throw noAnswer();
    },

    async unload(modelPath, signal) {
      if (running === undefined || running.held?.modelPath !== modelPath) return;
      running.held = undefined;
      for await (const _ of exchange((id) => ({ type: 'unload', id }), signal));
    },

    held: () => running?.held,

    async close() {
      const last = running;
      running = undefined;
      last?.process.keepAlive(true);
      last?.process.kill();
      await last?.ended;
    },
  };
}

/** Messages after which nothing follows. */
const LAST: ReadonlySet<FromWorker['type']> = new Set(['done', 'prompt', 'scored', 'unloaded']);

function noAnswer(): ProvisionError {
  return new ProvisionError('bug', 'The embedded worker answered a request with a message of another type.');
}

function deliver(inboxes: ReadonlyMap<number, Inbox>, message: unknown): void {
  const parsed = FromWorker.safeParse(message);
  if (parsed.success) {
    inboxes.get(parsed.data.id)?.put(parsed.data);
    return;
  }
  const error = new ProvisionError('bug', `The embedded worker sent an unknown message: ${JSON.stringify(message)}`);
  for (const inbox of inboxes.values()) inbox.fail(error);
}

function workerDied(reason: string, lines: readonly string[]): ProvisionError {
  const words = lines.length === 0 ? '' : `\n  ${lines.join('\n  ')}`;
  return new ProvisionError('runtime-died', `The embedded runtime died (${reason}).${words}`, {
    suggestions: [remedyFor(reason), 'Or use another runtime: start Ollama and pass --runtime ollama.'],
  });
}

function remedyFor(reason: string): string {
  if (reason.includes('SIGKILL'))
    return 'Choose a smaller quant, or a shorter context with --ctx: unless a user killed the process, the system ran out of memory.';
  if (reason.includes('SIGILL'))
    return 'Install node-llama-cpp@3 again on this machine: the processor does not support an instruction that this llama.cpp uses.';
  return 'Get the model file again if its SHA-256 differs from the publisher’s, and install the newest node-llama-cpp@3.';
}

/** Messages of one request, in order; what arrived before a failure is still read. */
export interface Inbox {
  put(message: FromWorker): void;
  fail(error: unknown): void;
  next(): Promise<FromWorker>;
}

export function createInbox(): Inbox {
  const messages: FromWorker[] = [];
  let failure: { readonly error: unknown } | undefined;
  let wake: () => void = () => undefined;
  return {
    put(message) {
      messages.push(message);
      wake();
    },
    fail(error) {
      failure ??= { error };
      wake();
    },
    async next() {
      for (;;) {
        const message = messages.shift();
        if (message !== undefined) return message;
        if (failure !== undefined) throw failure.error;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
