import type { Cage, CageParts } from '../../cage/cage.ts';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import type { Disk } from '../../disk/port.ts';
import { answer } from './answer.ts';
import type { Engine, LoadEngine } from './engine.ts';
import { leadingBos, renderPrompt, tokenizePrompt } from './prompt.ts';
import { type EffectivePrompt, type FromWorker, type LoadOptions, type Source, ToWorker } from './protocol.ts';
import { scoreText } from './score.ts';

/** The worker's side of the protocol, free of processes: takes messages, says messages. */
export interface Session {
  handle(message: unknown): void;
}

export interface SessionParts {
  /** Where templates run. */
  readonly cage: Cage;
  /** Where scores are kept. */
  readonly disk: Pick<Disk, 'open'>;
}

type Task = Exclude<ToWorker, { type: 'abort' }>;
type TaskOf<Type extends Task['type']> = Extract<Task, { type: Type }>;

/** Tasks run one after the other; an abort also reaches one that is still waiting. */
export function createSession(
  load: LoadEngine,
  { cage, disk }: SessionParts,
  say: (message: FromWorker) => void,
): Session {
  const running = new Map<number, AbortController>();
  let loaded: { readonly key: string; readonly engine: Engine } | undefined;
  let queue = Promise.resolve();

  async function engineFor(options: LoadOptions, signal: AbortSignal): Promise<Engine> {
    const key = JSON.stringify(options);
    if (loaded?.key === key) return loaded.engine;
    await unload();
    const engine = await load(options, signal);
    loaded = { key, engine };
    return engine;
  }

  async function unload(): Promise<void> {
    const old = loaded;
    loaded = undefined;
    await old?.engine.dispose();
  }

  async function ready(
    { id, load: options }: TaskOf<'chat' | 'prompt' | 'score'>,
    signal: AbortSignal,
  ): Promise<Engine> {
    const started = performance.now();
    const had = loaded;
    const engine = await engineFor(options, signal);
    const loadMs = loaded === had ? 0 : performance.now() - started;
    say({ type: 'loaded', id, loadMs, contextLength: engine.contextLength });
    return engine;
  }

  async function chat(request: TaskOf<'chat'>, signal: AbortSignal): Promise<void> {
    const { id } = request;
    const engine = await ready(request, signal);
    const pieces = answer(engine, request.chat, { cage, signal });
    for (;;) {
      const step = await pieces.next();
      if (step.done) return say({ type: 'done', id, answer: step.value });
      say({ type: 'piece', id, text: step.value });
    }
  }

  async function score(request: TaskOf<'score'>, signal: AbortSignal): Promise<void> {
    const { id } = request;
    const engine = await ready(request, signal);
    const positions = scoreText(engine, request.score, { disk, signal });
    for (;;) {
      const step = await positions.next();
      if (step.done) return say({ type: 'scored', id, ...step.value });
      say({ type: 'position', id, ...step.value });
    }
  }

  async function carryOut(request: Task, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { id } = request;
    if (request.type === 'chat') return chat(request, signal);
    if (request.type === 'score') return score(request, signal);
    if (request.type === 'prompt') {
      const engine = await ready(request, signal);
      return say({ type: 'prompt', id, prompt: await promptOf(engine, request.source, { cage, signal }) });
    }
    await unload();
    say({ type: 'unloaded', id });
  }

  async function run(request: Task, controller: AbortController): Promise<void> {
    try {
      await carryOut(request, controller.signal);
    } catch (error) {
      say(failure(request.id, error));
    } finally {
      running.delete(request.id);
    }
  }

  return {
    handle(message) {
      const request = ToWorker.parse(message);
      if (request.type === 'abort') {
        running.get(request.id)?.abort();
        return;
      }
      const controller = new AbortController();
      running.set(request.id, controller);
      queue = queue.then(() => run(request, controller));
    },
  };
}

/** What `answer` would evaluate for the same messages. */
async function promptOf(engine: Engine, source: Source, parts: CageParts): Promise<EffectivePrompt> {
  const text = 'text' in source ? source.text : await renderPrompt(engine, source.messages, parts);
  const { tokens } = tokenizePrompt(engine, text);
  return { text, tokens: tokens.length, bosCount: leadingBos(engine, tokens) };
}

function failure(id: number, error: unknown): FromWorker {
  if (error instanceof ProvisionError) {
    return { type: 'failed', id, code: error.code, message: error.message, suggestions: [...error.suggestions] };
  }
  return { type: 'failed', id, code: 'runtime-refused', message: messageOf(error), suggestions: [] };
}
