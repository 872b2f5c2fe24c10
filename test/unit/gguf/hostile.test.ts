import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../src/core/errors.ts';
import { GIB, MIB } from '../../../src/core/units.ts';
import type { ByteSource } from '../../../src/gguf/byte-source.ts';
import { readGgufHeader } from '../../../src/gguf/header.ts';
import { MAX_CHUNK_BYTES, MAX_HEADER_BYTES, MAX_WINDOW_BYTES } from '../../../src/gguf/limits.ts';
import { HOSTILE } from './hostile.ts';

/** Answers as a file does, and counts what the reader had to be given memory for. */
function countingFile(content: Uint8Array): ByteSource & { bytes: number; reads: number; allocated: number } {
  const memory = new Set<ArrayBufferLike>();
  const file = {
    bytes: 0,
    reads: 0,
    allocated: 0,
    async read(offset: number, length: number, spare?: Uint8Array): Promise<Uint8Array> {
      const target = spare ?? new Uint8Array(length);
      if (!memory.has(target.buffer)) {
        memory.add(target.buffer);
        file.allocated += target.buffer.byteLength;
      }
      const piece = content.subarray(offset, offset + length);
      target.set(piece);
      file.bytes += piece.length;
      file.reads += 1;
      return target.subarray(0, piece.length);
    },
  };
  return file;
}

describe('a header that keeps every single limit and wears the reader out', () => {
  test.each(Object.entries(HOSTILE))(
    'with %s is refused after one pass, in memory of fixed size',
    async (_, content) => {
      const bytes = content();
      const file = countingFile(bytes);
      const thrown: unknown = await readGgufHeader(file, { fileBytes: 13 * GIB }).catch((error: unknown) => error);
      expect(thrown).toBeInstanceOf(ProvisionError);
      expect(thrown).toMatchObject({ code: 'bad-gguf' });
      expect(file.bytes).toBeLessThanOrEqual(Math.min(bytes.length, MAX_HEADER_BYTES + MAX_CHUNK_BYTES));
      expect(file.allocated).toBeLessThanOrEqual(MAX_WINDOW_BYTES + MIB);
      expect(file.reads).toBeLessThanOrEqual(2 + MAX_HEADER_BYTES / MAX_CHUNK_BYTES + 1);
    },
  );

  test('and goes on without end is refused at the limit of all headers', async () => {
    const head = HOSTILE['texts just too long to be kept']?.() ?? Buffer.alloc(0);
    let furthest = 0;
    // A text of a byte more than 1 MiB, again and again: the key of each is another, as its first letters are its own offset.
    const entry = 8 + 8 + 4 + 8 + MIB + 1;
    const source: ByteSource = {
      async read(offset, length) {
        furthest = Math.max(furthest, offset + length);
        const piece = Buffer.alloc(length, 'x');
        if (offset < 24) head.copy(piece, 0, offset, 24);
        if (offset === 0) piece.writeBigUInt64LE(9999n, 16);
        for (let at = firstEntry(offset, entry); at < offset + length; at += entry) put(piece, at - offset, at);
        return piece;
      },
    };
    await expect(readGgufHeader(source)).rejects.toMatchObject({
      code: 'bad-gguf',
      message: expect.stringContaining('more than any GGUF header has'),
    });
    expect(furthest).toBeLessThanOrEqual(MAX_HEADER_BYTES + MAX_CHUNK_BYTES);
  });
});

function firstEntry(offset: number, entry: number): number {
  return 24 + Math.max(0, Math.ceil((offset - 24 - 28) / entry)) * entry;
}

/** Length, key, type and length of the text that starts at `at`; what lies outside the piece is left out. */
function put(piece: Buffer, start: number, at: number): void {
  const entry = Buffer.alloc(28);
  entry.writeBigUInt64LE(8n, 0);
  entry.write(String(at).padStart(8, '0'), 8);
  entry.writeUInt32LE(8, 16);
  entry.writeBigUInt64LE(BigInt(MIB + 1), 20);
  for (const [index, byte] of entry.entries())
    if (start + index >= 0 && start + index < piece.length) piece[start + index] = byte;
}
