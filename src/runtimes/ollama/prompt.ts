import * as z from 'zod';
import type { ChatRequest, RenderedPrompt } from '../contract.ts';
import { type ApiRequest, ask } from './client.ts';
import { explainLoadFailure, type ModelCall } from './explain.ts';
import { messagesFor, NO_THOUGHTS } from './messages.ts';
import { read } from './show.ts';

const RenderReply = z.object({ _debug_info: z.object({ rendered_template: z.string() }).nullish() });
const CountReply = z.object({ prompt_eval_count: z.int().nonnegative().default(0) });

/**
 * The text that a chat would feed to the model (`_debug_render_only`, since 0.11.5). Loads the model. Undefined where
 * the server does not have the field: a version that is unknown or newer than all known ones shows it by its answer.
 */
export async function renderPrompt(
  { name, messages }: Pick<ChatRequest, 'name' | 'messages'>,
  call: ModelCall,
): Promise<RenderedPrompt | undefined> {
  if (!(await call.facts()).capabilities.has('render-only')) return undefined;
  const request = {
    model: name,
    messages: messagesFor(messages),
    ...NO_THOUGHTS,
    stream: false,
    _debug_render_only: true,
    // A server that ignores the field answers instead: with one token, not with hundreds.
    options: { num_predict: 1 },
  };
  const reply = await askAboutPrompt(call, name, `asking how ${name} is prompted`, {
    method: 'POST',
    path: '/api/chat',
    body: request,
  });
  const info = read(RenderReply, reply, '/api/chat', call.connection.host.url)._debug_info;
  return info ? { text: info.rendered_template } : undefined;
}

/**
 * Tokens that the server evaluates for a raw prompt, its own BOS included. Generates one token. Undefined where the
 * server does not count all of a prompt. A prompt longer than the context throws `bad-usage` from 0.12.6 on; older
 * servers cut it and count the rest.
 */
export async function countRawPrompt(name: string, prompt: string, call: ModelCall): Promise<number | undefined> {
  if (!(await call.facts()).promptCount) return undefined;
  const request = {
    model: name,
    prompt,
    raw: true,
    stream: false,
    truncate: false,
    options: { num_predict: 1, temperature: 0 },
  };
  const reply = await askAboutPrompt(call, name, `counting a prompt with ${name}`, {
    method: 'POST',
    path: '/api/generate',
    body: request,
  });
  return read(CountReply, reply, '/api/generate', call.connection.host.url).prompt_eval_count || undefined;
}

async function askAboutPrompt(call: ModelCall, name: string, doing: string, request: ApiRequest): Promise<unknown> {
  const { connection, signal } = call;
  const context = { doing, endpoint: connection.host.url, signal, kind: 'chat' } as const;
  try {
    return await ask(connection, context, request);
  } catch (thrown) {
    throw await explainLoadFailure(thrown, name, call);
  }
}
