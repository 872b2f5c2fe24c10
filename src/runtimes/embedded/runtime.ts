import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { ChatRequest, ChatResult, Message, Runtime, StoreResult } from '../contract.ts';
import { EMBEDDED_ENDPOINT } from './folder.ts';
import { type EngineFiles, engineVersion } from './identify.ts';
import { requireEnforceable } from './json-schema.ts';
import { describe, type Manifest } from './manifest.ts';
import type { ChatMessage, LoadOptions } from './protocol.ts';
import { defaultThreads, type Settings, settingsOf } from './sampling.ts';
import { createModelStore, type ModelStore, noSuchModel, type StoreOptions } from './store.ts';
import { type Chatted, createWorkerClient, type StartWorker, type WorkerClient } from './worker-client.ts';

export { forkWorker } from './fork-worker.ts';

export interface EmbeddedOptions extends StoreOptions {
  readonly startWorker: StartWorker;
  readonly engine: EngineFiles;
  readonly physicalCores: number;
  /** Instead of what `defaultThreads` makes of the cores. */
  readonly threads?: number;
  /** `off` keeps everything on the processor; `auto` (the default) uses a GPU where a GPU build is installed. */
  readonly gpu?: 'auto' | 'off';
  /** A seed for answers that need not be repeatable; 0 to 2^32 - 1. */
  readonly randomSeed: () => number;
}

/** Tokens; a window of `score.ts` and room beside it. */
const SCORE_CONTEXT = 512;

/** llama.cpp inside this tool, in a process of its own; models lie in our data folder. */
export function embeddedRuntime(options: EmbeddedOptions): Runtime {
  const store = createModelStore(options);
  const worker = createWorkerClient(options.startWorker);
  return {
    kind: 'embedded',
    endpoint: EMBEDDED_ENDPOINT,
    async identify() {
      return { kind: 'embedded', version: await engineVersion(options.engine), endpoint: EMBEDDED_ENDPOINT };
    },
    async find(name) {
      const manifest = await store.find(name);
      return manifest && describe(manifest);
    },
    planTransfer: (file, way) => store.plan(file, way),
    isIntact: (name, signal) => store.isIntact(name, signal),
    store: (request, signal): Work<StoreResult> => store.put(request, signal),
    names: () => store.names(),
    copy: (from, to) => store.copy(from, to),
    remove: (name) => store.remove(name),
    chat: (request, signal) => chat(options, store, worker, request, signal),
    async render({ name, messages }, signal) {
      const { manifest, load } = await modelFor(options, store, name);
      const { text, bosCount } = await worker.prompt(load, { messages: messagesFor(manifest, messages) }, signal);
      return { text, bosCount };
    },
    async countRaw(name, prompt, signal) {
      const { load } = await modelFor(options, store, name);
      return (await worker.prompt(load, { text: prompt }, signal)).tokens;
    },
    async loaded(name) {
      const manifest = await store.find(name);
      const held = worker.held();
      if (manifest === undefined || held?.modelPath !== store.blobPath(manifest)) return undefined;
      return { contextLength: held.contextLength };
    },
    async unload(name, signal) {
      const manifest = await store.find(name);
      if (manifest !== undefined) await worker.unload(store.blobPath(manifest), signal);
    },
    score: ({ modelPath, ...score }, signal) =>
      worker.score(
        {
          modelPath,
          gpu: options.gpu ?? 'auto',
          threads: options.threads ?? defaultThreads(options.physicalCores),
          contextLength: SCORE_CONTEXT,
          batch: SCORE_CONTEXT,
        },
        score,
        signal,
      ),
    close: () => worker.close(),
  };
}

async function* chat(
  options: EmbeddedOptions,
  store: ModelStore,
  worker: WorkerClient,
  request: ChatRequest,
  signal: AbortSignal,
): AsyncGenerator<string, ChatResult, undefined> {
  const started = performance.now();
  const { format } = request;
  if (format !== undefined) requireEnforceable(format);
  const { manifest, load, settings } = await modelFor(options, store, request.name, request.options);
  const messages = messagesFor(manifest, request.messages);
  const thoughts = manifest.spec.builtIn?.thoughts;
  const wanted = { ...(format && { format }), ...(thoughts && { thoughts }) };
  const pieces = worker.chat(load, { messages, ...settings, ...wanted }, signal);
  const { text, chatted } = yield* collect(pieces);
  const { answer, loadMs } = chatted;
  return {
    text,
    endedBy: answer.endedBy,
    promptTokens: answer.promptTokens,
    answerTokens: answer.answerTokens,
    loadMs,
    firstTokenMs: answer.firstTokenMs,
    totalMs: performance.now() - started,
    ...speed(answer.answerTokens, answer.decodeMs),
  };
}

async function* collect(
  pieces: ReturnType<WorkerClient['chat']>,
): AsyncGenerator<string, { text: string; chatted: Chatted }, undefined> {
  let text = '';
  try {
    for (;;) {
      const step = await pieces.next();
      if (step.done) return { text, chatted: step.value };
      text += step.value;
      yield step.value;
    }
  } finally {
    // Whoever stops listening also stops the model.
    await pieces.return(undefined as never);
  }
}

interface ModelToRun {
  readonly manifest: Manifest;
  readonly load: LoadOptions;
  readonly settings: Settings['chat'];
}

async function modelFor(
  options: EmbeddedOptions,
  store: ModelStore,
  name: string,
  overrides: ChatRequest['options'] = {},
): Promise<ModelToRun> {
  const manifest = await store.find(name);
  if (manifest === undefined) throw noSuchModel(name);
  const { jinja } = manifest.spec;
  const { load, chat: settings } = settingsOf(manifest.spec.parameters, overrides, {
    threads: options.threads ?? defaultThreads(options.physicalCores),
    randomSeed: options.randomSeed,
  });
  return {
    manifest,
    load: {
      modelPath: store.blobPath(manifest),
      gpu: options.gpu ?? 'auto',
      ...load,
      ...(jinja !== undefined && { chatTemplate: jinja }),
    },
    settings,
  };
}

/** A model's own system text speaks unless the conversation brings one, as in Ollama. */
function messagesFor({ spec }: Manifest, messages: readonly Message[]): ChatMessage[] {
  if (messages.some(({ images = [], sounds = [] }) => images.length + sounds.length > 0))
    throw new ProvisionError(
      'runtime-refused',
      'The embedded runtime does not accept pictures or sounds: its binding reads text only.',
      {
        suggestions: ['Ask without them.', 'Or use another runtime: start Ollama and pass --runtime ollama.'],
      },
    );
  if (messages.length === 0)
    throw new ProvisionError('bad-usage', 'No message was given to answer.', {
      suggestions: ['Pass a prompt.'],
    });
  const own = spec.system === undefined || messages.some((each) => each.role === 'system') ? [] : [spec.system];
  const system = own.map((content) => ({ role: 'system' as const, content }));
  return [...system, ...messages.map(({ role, content }) => ({ role, content }))];
}

/** The first token belongs to the prompt's time, so n tokens take n - 1 decode steps. */
function speed(tokens: number, decodeMs: number): { tokensPerSecond?: number } {
  return tokens > 1 && decodeMs > 0 ? { tokensPerSecond: ((tokens - 1) * 1000) / decodeMs } : {};
}
