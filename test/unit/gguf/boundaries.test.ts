import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { readGgufHeader } from '../../../src/gguf/header.ts';
import { FIRST_CHUNK_BYTES } from '../../../src/gguf/limits.ts';
import type { GgufFacts } from '../../../src/gguf/schema.ts';
import { buildGguf, type GgufSpec, memorySource, modelSpec } from '../../helpers/gguf-builder.ts';

const PAD_KEY = 'a.pad';
const PAD_ENTRIES = 1025;

/** The header with a list of bytes in front that is long enough to move the end of the first read to `edge` behind it. */
function movedTo(header: Buffer, listStart: number, edge: number): Buffer {
  const missing = FIRST_CHUNK_BYTES - listStart - PAD_ENTRIES - edge;
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(PAD_ENTRIES + missing));
  return Buffer.concat([header.subarray(0, listStart - 8), count, Buffer.alloc(missing), header.subarray(listStart)]);
}

function comparable({ dataOffset: _, requiredBytes: __, ...facts }: GgufFacts): unknown {
  return facts;
}

async function checkEdges(spec: GgufSpec, step: number): Promise<void> {
  const pad = { key: PAD_KEY, type: 'u8', value: Array.from({ length: PAD_ENTRIES }, () => 0) } as const;
  const header = buildGguf({ ...spec, metadata: [pad, ...spec.metadata], withData: false });
  const listStart = header.indexOf(PAD_KEY) + PAD_KEY.length + 4 + 4 + 8;
  const expected = comparable(await readGgufHeader(memorySource(header)));
  for (let edge = 0; edge <= header.length - listStart - PAD_ENTRIES; edge += step) {
    const source = memorySource(movedTo(header, listStart, edge));
    expect(comparable(await readGgufHeader(source))).toEqual(expected);
    expect(source.reads[0]?.length).toBe(FIRST_CHUNK_BYTES);
  }
}

describe('the end of a read', () => {
  test('may fall anywhere in a header', async () => {
    await checkEdges(modelSpec(), 3);
  });

  test('may fall into a long list of tokens', async () => {
    const tokens = Array.from({ length: 1030 }, (_, id) => 'x'.repeat(id % 5));
    const spec = modelSpec('gemma3n', {
      'tokenizer.ggml.tokens': { key: 'tokenizer.ggml.tokens', type: 'string', value: tokens },
      'tokenizer.ggml.eos_token_id': { key: 'tokenizer.ggml.eos_token_id', type: 'u32', value: 1029 },
    });
    await checkEdges(spec, 101);
  });
});
