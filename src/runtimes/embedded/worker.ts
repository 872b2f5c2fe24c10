/**
 * The child process that runs llama.cpp, so that a crash of native code ends this process and not the tool. The only
 * file that imports node-llama-cpp. Started with an IPC channel; ends with its parent.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  LlamaContext,
  LlamaContextSequence,
  LlamaGrammarEvaluationState,
  LlamaModel,
  Token,
} from 'node-llama-cpp';
import { cagedFile, createCage, forkCaged } from '../../cage/cage.ts';
import { errnoOf, messageOf, ProvisionError } from '../../core/errors.ts';
import { realDisk } from '../../disk/disk.ts';
import type { Engine, LoadEngine } from './engine.ts';
import { engineMissing, engineUnusable, loadFailure } from './engine-errors.ts';
import type { LoadOptions, Sampling } from './protocol.ts';
import { createSession } from './session.ts';

type Binding = typeof import('node-llama-cpp');
type Llama = Awaited<ReturnType<Binding['getLlama']>>;
type AnySchema = Parameters<Llama['createGrammarForJsonSchema']>[0];

/** Of this package: the built worker lies in its `dist`. */
const ROOT = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? '../../..' : '..');

const MAX_LOG_LINES = 20;
/** Native threads hand their log lines to the event loop, sometimes after the failure that they explain. */
const LOG_DELAY_MS = 50;
const log: string[] = [];

function keepLog(_level: string, message: string): void {
  log.push(...message.split('\n').filter((line) => line.trim() !== ''));
  log.splice(0, log.length - MAX_LOG_LINES);
}

async function importBinding(): Promise<Binding> {
  try {
    return await import('node-llama-cpp');
  } catch (cause) {
    throw errnoOf(cause) === 'ERR_MODULE_NOT_FOUND' ? engineMissing(cause) : engineUnusable(cause);
  }
}

async function startLlama(binding: Binding, options: LoadOptions): Promise<Llama> {
  try {
    return await binding.getLlama({
      gpu: options.gpu === 'off' ? false : 'auto',
      // Nobody who asks a question wants a compiler to start, or a download.
      build: 'never',
      skipDownload: true,
      progressLogs: false,
      logLevel: binding.LlamaLogLevel.error,
      logger: keepLog,
      maxThreads: options.threads,
    });
  } catch (cause) {
    throw engineUnusable(cause);
  }
}

let started: { readonly key: string; readonly llama: Promise<Llama> } | undefined;

/** The backend is started once; only another kind of device or other threads need another one. */
function llamaFor(binding: Binding, options: LoadOptions): Promise<Llama> {
  const key = JSON.stringify([options.gpu, options.threads]);
  if (started?.key !== key) started = { key, llama: startLlama(binding, options) };
  return started.llama;
}

const loadEngine: LoadEngine = async (options, signal) => {
  const binding = await importBinding();
  const llama = await llamaFor(binding, options);
  log.length = 0;
  let model: LlamaModel | undefined;
  try {
    model = await llama.loadModel({
      modelPath: options.modelPath,
      // As many layers on the GPU as leave room for this context.
      gpuLayers: llama.gpu === false ? 0 : { fitContext: { contextSize: options.contextLength } },
      loadSignal: signal,
    });
    // A header may claim more than the binding's signed number holds.
    const trained = model.trainContextSize > 0 ? model.trainContextSize : options.contextLength;
    const contextLength = Math.min(options.contextLength, trained);
    const context = await model.createContext({
      contextSize: contextLength,
      batchSize: Math.min(options.batch, contextLength),
      sequences: 1,
      threads: options.threads,
      createSignal: signal,
      // Without a GPU the check compares with all free RAM less a fixed margin; what fits is decided before, with
      // knowledge of cgroups, and a wrong decision ends this process only.
      ignoreMemorySafetyChecks: llama.gpu === false,
    });
    return engineOf(binding, model, context, { contextLength, chatTemplate: options.chatTemplate });
  } catch (cause) {
    await model?.dispose();
    signal.throwIfAborted();
    await sleep(LOG_DELAY_MS);
    throw loadFailure(options.modelPath, cause, log);
  }
};

function engineOf(
  binding: Binding,
  model: LlamaModel,
  context: LlamaContext,
  { contextLength, chatTemplate: given }: Pick<LoadOptions, 'contextLength' | 'chatTemplate'>,
): Engine {
  const sequence = context.getSequence();
  const { bos, bosString, eosString, shouldPrependBosToken } = model.tokens;
  const chatTemplate = given ?? model.fileInfo.metadata.tokenizer?.chat_template;
  return {
    contextLength,
    addBos: shouldPrependBosToken,
    ...(chatTemplate !== undefined && { chatTemplate }),
    ...(bos !== null && { bos: { token: bos, text: bosString ?? '' } }),
    ...(eosString !== null && { eosText: eosString }),
    tokenize: (text) => model.tokenize(text, true),
    detokenize: (tokens) => model.detokenize(tokens.map(asToken)),
    isEnd: (token) => model.isEogToken(asToken(token)),
    isSpecial: (token) => model.isSpecialToken(asToken(token)),
    async *generate(prompt, sampling, signal, format) {
      const grammar = format && (await grammarFor(binding, model, format));
      yield* generate(sequence, prompt.map(asToken), sampling, signal, grammar);
    },
    logProbabilities: (tokens, from, signal) => logProbabilities(sequence, tokens.map(asToken), from, signal),
    dispose: () => model.dispose(),
  };
}

/** The binding returns a map of the whole vocabulary for each token: so many of them are in memory at a time. */
const SLICE = 8;

async function* logProbabilities(
  sequence: LlamaContextSequence,
  tokens: Token[],
  from: number,
  signal: AbortSignal,
): AsyncGenerator<Float32Array, void, undefined> {
  await sequence.clearHistory();
  if (from > 0) await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(0, from));
  for (let at = from; at < tokens.length; at += SLICE) {
    signal.throwIfAborted();
    const slice = tokens.slice(at, at + SLICE);
    const results = await sequence.controlledEvaluate(
      slice.map((token) => [token, { generateNext: { logits: true } }]),
    );
    for (const result of results) {
      const logits = result?.next.logits;
      // No logits would look like two models that agree.
      if (logits === undefined) throw new ProvisionError('runtime-refused', 'llama.cpp returned no logits.');
      yield logSoftmax(logits);
    }
  }
}

function logSoftmax(logits: ReadonlyMap<Token, number>): Float32Array {
  const values = new Float32Array(logits.size);
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits.values()) largest = Math.max(largest, logit);
  let sum = 0;
  for (const logit of logits.values()) sum += Math.exp(logit - largest);
  const logSum = largest + Math.log(sum);
  for (const [token, logit] of logits) values[token] = logit - logSum;
  return values;
}

async function grammarFor(
  binding: Binding,
  model: LlamaModel,
  format: Readonly<Record<string, unknown>>,
): Promise<LlamaGrammarEvaluationState> {
  try {
    // Which keywords may be in it was checked before it was sent.
    const grammar = await model.llama.createGrammarForJsonSchema(format as AnySchema);
    return new binding.LlamaGrammarEvaluationState({ model, grammar });
  } catch (cause) {
    throw new ProvisionError(
      'runtime-refused',
      `llama.cpp cannot make a grammar from the JSON Schema: ${messageOf(cause)}`,
      {
        cause,
        suggestions: ['Simplify the schema.'],
      },
    );
  }
}

/** The binding brands its token numbers; ours come from the binding and go back to it. */
function asToken(token: number): Token {
  return token as Token;
}

async function* generate(
  sequence: LlamaContextSequence,
  prompt: Token[],
  sampling: Sampling,
  signal: AbortSignal,
  grammar: LlamaGrammarEvaluationState | undefined,
): AsyncGenerator<number, void, undefined> {
  await sequence.clearHistory();
  const last = await evaluateAllButLastBatch(sequence, prompt, signal);
  const answer: Token[] = [];
  const tokens = sequence.evaluate(last, {
    temperature: sampling.temperature,
    topK: sampling.topK,
    topP: sampling.topP,
    minP: sampling.minP,
    seed: sampling.seed,
    yieldEogToken: true,
    ...(grammar !== undefined && { grammarEvaluationState: grammar }),
    ...(sampling.repeatPenalty !== 1 &&
      sampling.repeatLastTokens > 0 && {
        repeatPenalty: {
          penalty: sampling.repeatPenalty,
          maxPunishTokens: sampling.repeatLastTokens,
          punishTokens: () => answer.slice(-sampling.repeatLastTokens),
        },
      }),
  });
  for await (const token of tokens) {
    answer.push(token);
    yield token;
  }
}

/** Evaluates batch by batch, so that an abort does not wait for a long prompt; the last batch is left to the sampler. */
async function evaluateAllButLastBatch(
  sequence: LlamaContextSequence,
  prompt: Token[],
  signal: AbortSignal,
): Promise<Token[]> {
  const batch = sequence.context.batchSize;
  let done = 0;
  while (prompt.length - done > batch) {
    await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(done, done + batch));
    signal.throwIfAborted();
    done += batch;
  }
  return prompt.slice(done);
}

function main(): void {
  const cage = createCage(forkCaged(cagedFile(ROOT)));
  const session = createSession(loadEngine, { cage, disk: realDisk }, (message) => process.send?.(message));
  process.on('message', (message) => session.handle(message));
  // The parent decides when to end: Ctrl-C in a terminal reaches the whole process group.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit(0));
}

main();
