import * as z from 'zod';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import type { StoredModel } from '../contract.ts';
import { type Connection, stream } from './client.ts';
import { cleanText, ServerError } from './server-errors.ts';
import { findModel, read } from './show.ts';

const PullLine = z.object({
  status: z.string().default(''),
  digest: z.string().optional(),
  total: z.int().nonnegative().optional(),
  completed: z.int().nonnegative().optional(),
});

/** Lets the server fetch a model of its library. Progress counts the bytes of all layers that the server has named so far. */
export async function* pullModel(
  connection: Connection,
  name: string,
  version: () => Promise<string>,
  signal: AbortSignal,
): Work<StoredModel> {
  const endpoint = connection.host.url;
  try {
    yield* pullLayers(connection, { model: name }, signal);
  } catch (thrown) {
    throw await explainRefusedPull(thrown, name, version);
  }
  const stored = await findModel(connection, name, signal);
  if (stored !== undefined) return stored;
  throw new ProvisionError('runtime-refused', `${endpoint} reported that it pulled ${name}, but does not have it.`, {
    suggestions: ["Check the server's log, and the free space of its models folder."],
  });
}

/** One pull to its end. `insecure`: over plain HTTP, for a registry on loopback. */
export async function* pullLayers(
  connection: Connection,
  request: { readonly model: string; readonly insecure?: boolean },
  signal: AbortSignal,
): Work<void> {
  const endpoint = connection.host.url;
  const title = `pull ${request.model}`;
  const call = { doing: `pulling ${request.model}`, endpoint, signal, silenceMs: connection.timeouts.pullMs };
  const layers = new Map<string, { total: number; completed: number }>();
  let phase = '';
  // Both `model` and `name`: newer servers call the second deprecated, older ones know nothing else.
  const body = { ...request, name: request.model };
  for await (const raw of stream(connection, call, { method: 'POST', path: '/api/pull', body })) {
    const { status, digest, total, completed = 0 } = read(PullLine, raw, '/api/pull', endpoint);
    if (digest !== undefined && total !== undefined) {
      layers.set(digest, { total, completed });
      yield { type: 'bytes', id: 'pull', ...sumOf([...layers.values()]) };
    } else if (status !== phase) {
      phase = status;
      yield { type: 'phase', id: 'pull', title, status: 'started', detail: cleanText(status) };
    }
  }
}

function sumOf(layers: readonly { total: number; completed: number }[]): { done: number; total: number } {
  const sum = { done: 0, total: 0 };
  for (const { total, completed } of layers) {
    sum.done += completed;
    sum.total += total;
  }
  return sum;
}

/** The registry answers 412 to servers whose version cannot run the model; the text does not say which version can. */
async function explainRefusedPull(thrown: unknown, name: string, version: () => Promise<string>): Promise<unknown> {
  if (!(thrown instanceof ProvisionError && thrown.code === 'runtime-too-old')) return thrown;
  if (!(thrown.cause instanceof ServerError)) return thrown;
  return new ProvisionError(
    'runtime-too-old',
    `The library does not offer ${name} to this server: Ollama ${await version()} is too old for it.`,
    {
      cause: thrown.cause,
      suggestions: ['Upgrade Ollama.', 'Or install a local GGUF of the model with --from FILE.'],
    },
  );
}
