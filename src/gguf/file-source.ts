import type { ByteSource } from './byte-source.ts';

/** The part of Node's `FileHandle` that is needed. */
export interface ReadableHandle {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
}

/** A byte source over an open file. The caller opens and closes the handle, and gives I/O errors the file's name. */
export function fileSource(handle: ReadableHandle): ByteSource {
  return {
    async read(offset, length, spare) {
      const buffer = spare ?? new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    },
  };
}
