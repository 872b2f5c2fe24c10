import type { ByteSource } from './byte-source.ts';
import { Cursor } from './cursor.ts';
import { type Metadata, readMetadata } from './metadata.ts';
import { MetadataReader } from './metadata-reader.ts';
import { readPreamble } from './preamble.ts';
import { refusal, truncation } from './refusal.ts';
import type { Tensor } from './schema.ts';
import { alignUp, readTensors } from './tensors.ts';

/** GGUF_DEFAULT_ALIGNMENT of ggml. */
const DEFAULT_ALIGNMENT = 32;
/** Writers use 32 or at most a page; more would let a header claim padding without bound. */
const MAX_ALIGNMENT = 2 ** 20;

/** The front of one file's header, up to and with its metadata. */
export interface Front {
  readonly cursor: Cursor;
  readonly fileBytes: number | undefined;
  readonly version: 2 | 3;
  readonly tensorCount: number;
  readonly metadata: Metadata;
  readonly reader: MetadataReader;
}

/** What follows the metadata. */
export interface TensorList {
  readonly alignment: number;
  readonly tensors: readonly Tensor[];
  readonly dataOffset: number;
  readonly requiredBytes: number;
}

/** Reads magic, counts and metadata. Throws `bad-gguf` or `truncated-file`. */
export async function readFront(source: ByteSource, fileBytes: number | undefined): Promise<Front> {
  const cursor = new Cursor(source, fileBytes);
  const { version, tensorCount, metadataCount } = await readPreamble(cursor);
  const metadata = await readMetadata(cursor, metadataCount);
  return { cursor, fileBytes, version, tensorCount, metadata, reader: new MetadataReader(metadata) };
}

/** Reads the tensor list, and checks that the file is as long as it says. Throws `bad-gguf` or `truncated-file`. */
export async function readTensorList(front: Front): Promise<TensorList> {
  const { cursor, fileBytes, tensorCount } = front;
  const alignment = alignmentOf(front);
  const tensors = await readTensors(cursor, tensorCount, alignment);
  const dataOffset = alignUp(cursor.position, alignment);
  const last = tensors.at(-1);
  // A file without tensors needs no padding behind its header: the first file of a split model may be one.
  const requiredBytes = last === undefined ? cursor.position : dataOffset + last.offset + last.bytes;
  checkLength(fileBytes, requiredBytes);
  return { alignment, tensors, dataOffset, requiredBytes };
}

/** Throws unless the alignment is a power of two from 1 to 1 MiB, which is llama.cpp's rule and a bound. */
function alignmentOf({ reader, metadata }: Front): number {
  const alignment = reader.count('general.alignment');
  if (alignment === undefined) return DEFAULT_ALIGNMENT;
  if (alignment === 0 || alignment > MAX_ALIGNMENT || !Number.isInteger(Math.log2(alignment))) {
    const offset = metadata.get('general.alignment')?.offset;
    throw refusal(`general.alignment is ${alignment} and must be a power of two up to ${MAX_ALIGNMENT}`, offset);
  }
  return alignment;
}

function checkLength(fileBytes: number | undefined, requiredBytes: number): void {
  if (fileBytes === undefined || fileBytes >= requiredBytes) return;
  throw truncation(
    `the file has ${fileBytes} bytes, but its header describes ${requiredBytes}: ${requiredBytes - fileBytes} are missing`,
  );
}

export function noTensors(offset: number | undefined): Error {
  return refusal('the header lists no tensors: there is no model in this file', offset, [
    'A file that contains only a vocabulary cannot be run; use the GGUF file of the model.',
  ]);
}
