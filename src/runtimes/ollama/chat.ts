import * as z from 'zod';
import { ProvisionError } from '../../core/errors.ts';
import type { ChatRequest, ChatResult } from '../contract.ts';
import { AnswerLimits } from './answer-limits.ts';
import { stream } from './client.ts';
import { explainLoadFailure, type ModelCall } from './explain.ts';
import { messagesFor, NO_THOUGHTS } from './messages.ts';
import { failureOf } from './server-errors.ts';
import { read } from './show.ts';

const Nanoseconds = z.number().nonnegative().default(0);
const ChatLine = z.object({
  message: z.object({ content: z.string().default('') }).nullish(),
  done: z.boolean().default(false),
  done_reason: z.string().nullish(),
  total_duration: Nanoseconds,
  load_duration: Nanoseconds,
  prompt_eval_count: z.int().nonnegative().default(0),
  eval_count: z.int().nonnegative().default(0),
  eval_duration: Nanoseconds,
});
type ChatLine = z.infer<typeof ChatLine>;

const NS_PER_MS = 1e6;

/**
 * Chats with a stored model. Yields the answer as it comes. A load that fails is explained by the model's architecture.
 * Throws `runtime-too-old` when a schema is asked of a server before 0.5.0.
 */
export async function* chatWith(
  request: ChatRequest,
  now: () => number,
  context: ModelCall,
): AsyncGenerator<string, ChatResult, undefined> {
  const { connection, signal } = context;
  const endpoint = connection.host.url;
  if (request.format !== undefined) await needSchemas(context);
  const call = { doing: `asking ${request.name}`, endpoint, signal, kind: 'chat' } as const;
  const body = bodyOf(request);
  const started = now();
  let firstAt: number | undefined;
  let text = '';
  let last: ChatLine | undefined;
  const limits = new AnswerLimits(request.options?.num_predict);
  let waitingSince = started;
  try {
    for await (const raw of stream(connection, call, { method: 'POST', path: '/api/chat', body })) {
      const line = read(ChatLine, raw, '/api/chat', endpoint);
      const piece = line.message?.content ?? '';
      limits.add(piece, now() - waitingSince);
      if (piece !== '') {
        firstAt ??= now();
        text += piece;
        yield piece;
      }
      if (line.done) last = line;
      waitingSince = now();
    }
  } catch (thrown) {
    throw await explainLoadFailure(failureOf(thrown, call), request.name, context);
  }
  const ended = now();
  return resultOf(text, last ?? ChatLine.parse({}), { started, firstAt: firstAt ?? ended, ended });
}

function bodyOf({ name, messages, options, format }: ChatRequest) {
  return {
    model: name,
    messages: messagesFor(messages),
    ...NO_THOUGHTS,
    ...(options && { options: { ...options } }),
    ...(format && { format }),
  };
}

/** Older servers answer a schema with 400 and a message about JSON that does not explain it. */
async function needSchemas({ facts }: ModelCall): Promise<void> {
  const { capabilities, version } = await facts();
  if (capabilities.has('structured-output')) return;
  throw new ProvisionError(
    'runtime-too-old',
    `Ollama ${version.raw} cannot constrain an answer to a JSON Schema; 0.5.0 and later can.`,
    { suggestions: ['Upgrade Ollama to 0.5.0 or later, or use --runtime embedded.'] },
  );
}

interface Times {
  readonly started: number;
  readonly firstAt: number;
  readonly ended: number;
}

function resultOf(text: string, last: ChatLine, { started, firstAt, ended }: Times): ChatResult {
  const { eval_count: answerTokens, eval_duration: evalNs } = last;
  const measured = answerTokens > 1 && evalNs > 0;
  return {
    text,
    endedBy: last.done_reason === 'length' ? 'length' : 'stop',
    promptTokens: last.prompt_eval_count,
    answerTokens,
    loadMs: last.load_duration / NS_PER_MS,
    firstTokenMs: firstAt - started,
    totalMs: ended - started,
    ...(measured && { tokensPerSecond: (answerTokens / evalNs) * 1e9 }),
  };
}
