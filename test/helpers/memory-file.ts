import type { RandomAccess } from '../../src/package/tar.ts';

/** A bundle in memory. */
export function memoryFile(bytes: Uint8Array): RandomAccess {
  return {
    name: 'test.tar',
    size: bytes.length,
    read: async (buffer, position) => {
      const part = bytes.subarray(position, position + buffer.length);
      buffer.set(part);
      return part.length;
    },
  };
}

/** Everything that a stream gives, in one piece. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const chunk of chunks) pieces.push(chunk);
  return Buffer.concat(pieces);
}
