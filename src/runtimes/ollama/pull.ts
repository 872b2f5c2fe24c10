import * as z from 'zod';
import { ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { LONGEST_LIST } from '../../net/limits.ts';
import type { StoredModel } from '../contract.ts';
import { type Connection, stream } from './client.ts';
import { cleanText, failureOf, ServerError, UnreadableReply } from './server-errors.ts';
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
  const call = { doing: `pulling ${request.model}`, endpoint, signal, kind: 'pull' } as const;
  const layers = new LayerCount();
  let phase = '';
  // Both `model` and `name`: newer servers call the second deprecated, older ones know nothing else.
  const body = { ...request, name: request.model };
  for await (const raw of stream(connection, call, { method: 'POST', path: '/api/pull', body })) {
    const { status, digest, total, completed = 0 } = read(PullLine, raw, '/api/pull', endpoint);
    if (digest !== undefined && total !== undefined) {
      if (!layers.set(digest, { total, done: completed }))
        throw failureOf(new UnreadableReply(`a model of more than ${LONGEST_LIST} layers`), call);
      yield { type: 'bytes', id: 'pull', ...layers.sum };
    } else if (status !== phase) {
      phase = status;
      yield { type: 'phase', id: 'pull', title, status: 'started', detail: cleanText(status) };
    }
  }
}

interface Bytes {
  readonly done: number;
  readonly total: number;
}

/** How much of all layers is there: the sum follows every change, so that a line costs the same however many there are. */
class LayerCount {
  readonly #layers = new Map<string, Bytes>();
  #sum: Bytes = { done: 0, total: 0 };

  get sum(): Bytes {
    return this.#sum;
  }

  /** False for one layer too many. */
  set(digest: string, layer: Bytes): boolean {
    const before = this.#layers.get(digest) ?? { done: 0, total: 0 };
    this.#layers.set(digest, layer);
    const { done, total } = this.#sum;
    this.#sum = { done: done + layer.done - before.done, total: total + layer.total - before.total };
    return this.#layers.size <= LONGEST_LIST;
  }
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
