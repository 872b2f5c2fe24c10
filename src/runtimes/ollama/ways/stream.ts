import type { Digest } from '../../../core/digest.ts';
import type { Work } from '../../../core/progress.ts';
import { type Elsewhere, exactly } from '../../storable.ts';
import { type CountedBody, sendBlob } from '../blobs.ts';
import type { Connection } from '../client.ts';

/**
 * Passes a file on from its source to the server in one pass, with no copy on this machine; the server checks the digest.
 * Returns the bytes sent. Throws what the source throws, and what an upload throws.
 */
export function streamBlob(connection: Connection, file: Elsewhere, digest: Digest, signal: AbortSignal): Work<number> {
  const { ref: place, sizeBytes } = file;
  return sendBlob(connection, { place, sizeBytes, digest, body: bodyOf(file, signal) }, signal);
}

function bodyOf(file: Elsewhere, signal: AbortSignal): CountedBody {
  let sentBytes = 0;
  return {
    get sentBytes() {
      return sentBytes;
    },
    async *[Symbol.asyncIterator]() {
      for await (const piece of exactly(file, signal)) {
        yield piece;
        sentBytes += piece.length;
      }
    },
  };
}
