import { ProvisionError } from '../../core/errors.ts';
import { ask, type Connection } from './client.ts';
import { unloadIfLoaded } from './memory.ts';
import { findListed, findModel, isAbsent, isUnreadable, listModels, unreadableModel } from './show.ts';

/**
 * Deletes a model; one that is not there is no error, nor is a manifest of 0 bytes. It is unloaded first: no server does that by itself, so a
 * deleted model would keep its memory, under a name that is gone, until its keep-alive of five minutes ends.
 */
export async function removeModel(connection: Connection, name: string, signal: AbortSignal): Promise<void> {
  const call = {
    doing: `removing ${name}`,
    endpoint: connection.host.url,
    signal,
  };
  await unloadIfLoaded(connection, name, signal);
  // Both `model` and `name`: newer servers call the second deprecated, older ones know nothing else.
  const body = { model: name, name };
  const remove = () => ask(connection, call, { method: 'DELETE', path: '/api/delete', body }, 'nothing');
  try {
    await remove();
  } catch (thrown) {
    if (isAbsent(thrown)) return;
    if (!isUnreadable(thrown)) throw thrown;
    if (!(await overwritten(connection, name, signal))) throw unreadableModel(name, connection.host.url, thrown);
    await remove();
  }
}

/** Does the server have a manifest under this name that it cannot read itself? */
export async function isBroken(connection: Connection, name: string, signal: AbortSignal): Promise<boolean> {
  return findModel(connection, name, signal).then(
    () => false,
    (thrown: unknown) => thrown instanceof ProvisionError && thrown.code === 'needs-repair',
  );
}

/** Some servers cannot delete what they cannot read: another model's manifest, copied over it, can be deleted again. */
async function overwritten(connection: Connection, name: string, signal: AbortSignal): Promise<boolean> {
  const [sound] = await listModels(connection, signal);
  if (sound === undefined) return false;
  await copyModel(connection, sound.name, name, signal);
  return true;
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
  };
  const body = { source: from, destination: to };
  await ask(connection, call, { method: 'POST', path: '/api/copy', body }, 'nothing');
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
