import type { ByteSource } from './byte-source.ts';
import { architectureOf, modelFacts } from './facts.ts';
import { type Front, noTensors, readFront, readTensorList } from './file-header.ts';
import { blockCountOf } from './hyperparameters.ts';
import { refusal } from './refusal.ts';
import type { GgufFacts } from './schema.ts';
import { splitCountOf } from './split.ts';
import { readTokenizer } from './tokenizer.ts';

export interface ReadHeaderOptions {
  /** Size of the whole file; without it a file that was cut off behind its header is not noticed. */
  readonly fileBytes?: number;
}

/**
 * Reads and checks the header of a model that is one GGUF file, and nothing of the tensor data: at most
 * `MAX_HEADER_BYTES`, through a window of `MAX_WINDOW_BYTES`. Refuses what llama.cpp refuses, and earlier.
 *
 * Throws `bad-gguf` (what the file is instead, or which field at which byte is wrong) and `truncated-file` (the file is
 * shorter than its header promises). Messages do not know the file's name; callers add it. One file of a split model is
 * refused: `readSplitHeader` reads such.
 */
export async function readGgufHeader(source: ByteSource, options: ReadHeaderOptions = {}): Promise<GgufFacts> {
  const { fileBytes } = options;
  const front = await readFront(source, fileBytes);
  refusePart(front);
  const architecture = architectureOf(front.reader, front.cursor.position);
  const blockCount = blockCountOf(front.reader, architecture);
  const list = await readTensorList(front);
  if (list.tensors.length === 0) throw noTensors(front.cursor.position);
  const tokenizer = await readTokenizer(front.cursor, front.metadata, front.reader);
  return {
    ...modelFacts({ ...front, architecture, blockCount, tokenizer, tensors: list.tensors }),
    version: front.version,
    alignment: list.alignment,
    dataOffset: list.dataOffset,
    requiredBytes: list.requiredBytes,
    ...(fileBytes !== undefined && { fileBytes }),
  };
}

function refusePart({ reader }: Front): void {
  const count = splitCountOf(reader);
  if (count === undefined || count < 2) return;
  const part = (reader.count('split.no') ?? 0) + 1;
  throw refusal(
    `this is file ${part} of ${count} of a split model, which is not a complete model by itself`,
    undefined,
    [
      `Keep its files in one folder under their original names (…-00001-of-${String(count).padStart(5, '0')}.gguf) and pass the first.`,
      'Or join them: llama-gguf-split --merge FIRST.gguf WHOLE.gguf',
    ],
  );
}
