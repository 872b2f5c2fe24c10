import { MIB } from '../core/units.ts';
import { diskError } from './errors.ts';
import type { ReadableFile } from './port.ts';

/** Two of these are all the memory that reading takes, whatever the file's size. */
const CHUNK_BYTES = 4 * MIB;

/**
 * Reads a file from its beginning in chunks of at most 4 MiB; the next one is read while the last one is used. A chunk
 * is valid until the next is asked for. Throws `file-access`; an abort throws the signal's reason.
 */
export async function* readChunks(
  handle: Pick<ReadableFile, 'read'>,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  let filling = Buffer.allocUnsafe(CHUNK_BYTES);
  let spare = Buffer.allocUnsafe(CHUNK_BYTES);
  let position = 0;
  let pending = read(handle, filling, position, path);
  try {
    for (;;) {
      const bytesRead = await pending;
      signal.throwIfAborted();
      if (bytesRead === 0) return;
      position += bytesRead;
      const filled = filling;
      [filling, spare] = [spare, filled];
      pending = read(handle, filling, position, path);
      yield filled.subarray(0, bytesRead);
    }
  } finally {
    // A caller that stops early closes the file next, which must not happen during a read.
    await pending.catch(() => undefined);
  }
}

async function read(
  handle: Pick<ReadableFile, 'read'>,
  buffer: Buffer,
  position: number,
  path: string,
): Promise<number> {
  try {
    return (await handle.read(buffer, 0, buffer.length, position)).bytesRead;
  } catch (cause) {
    throw diskError('read', path, cause);
  }
}
