import { ProvisionError } from '../../core/errors.ts';
import { ask, type Connection } from './client.ts';
import { unloadIfLoaded } from './memory.ts';
import { findListed, isAbsent } from './show.ts';

/**
 * Deletes a model; one that is not there is no error. It is unloaded first: no server does that by itself, so a
 * deleted model would hold its memory, under a name that is gone, until its keep-alive of five minutes ends.
 */
export async function removeModel(connection: Connection, name: string, signal: AbortSignal): Promise<void> {
  const call = {
    doing: `removing ${name}`,
    endpoint: connection.host.url,
    signal,
    silenceMs: connection.patience.answerMs,
  };
  await unloadIfLoaded(connection, name, signal);
  try {
    await ask(connection, call, (ollama) => ollama.delete({ model: name }), 'nothing');
  } catch (thrown) {
    if (!isAbsent(thrown)) throw thrown;
  }
}

/**
 * Gives a model a second name, and reads that name back: with a full disk the server answers 200 and leaves a manifest
 * of 0 bytes. Throws `model-not-found` when there is no `from`, `disk-full` when the copy does not read back.
 */
export async function copyModel(connection: Connection, from: string, to: string, signal: AbortSignal): Promise<void> {
  const call = {
    doing: `copying ${from} to ${to}`,
    endpoint: connection.host.url,
    signal,
    silenceMs: connection.patience.answerMs,
  };
  await ask(connection, call, (ollama) => ollama.copy({ source: from, destination: to }), 'nothing');
  const source = await findListed(connection, from, signal);
  const copy = await findListed(connection, to, signal);
  if (copy !== undefined && copy.digest === source?.digest) return;
  throw new ProvisionError(
    'disk-full',
    `The server copied ${from} to ${to}, but ${to} does not read back as ${from}.`,
    {
      suggestions: [
        "Free space on the disk of the server's models folder (OLLAMA_MODELS), then run the command again.",
        `Until then ${to} may be broken; ${from} is not touched.`,
      ],
    },
  );
}
