import { ProvisionError } from '../core/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { architectureOf, modelFacts, type ReadModel } from './facts.ts';
import { type Front, noTensors, readFront, readTensorList, type TensorList } from './file-header.ts';
import { blockCountOf } from './hyperparameters.ts';
import { MAX_TENSORS } from './limits.ts';
import type { MetadataReader } from './metadata-reader.ts';
import { quoteName, refusal } from './refusal.ts';
import type { GgufFacts, PartFacts, Tensor } from './schema.ts';
import { readTokenizer } from './tokenizer.ts';

/** One file of a split model, that can be opened for the time of one task. */
export interface SplitPart {
  /** As messages name it. */
  readonly name: string;
  /** Throws the source's own `ProvisionError` where the file is missing or cannot be read. */
  open<Result>(task: (source: ByteSource, fileBytes: number | undefined) => Promise<Result>): Promise<Result>;
}

/**
 * The names of all files of a split model in order, from the name of any of them: `x-00001-of-00003.gguf`. A path or a
 * URL's last segment may precede it. Undefined for any other name, also for `…-00001-of-00001.gguf`, which is whole.
 */
export function splitNames(name: string): readonly string[] | undefined {
  const match = /^(.*)-(\d{5})-of-(\d{5})(\.gguf)$/is.exec(name);
  if (match === null) return undefined;
  const [, prefix = '', no = '', total = '', ending = ''] = match;
  const count = Number(total);
  if (count < 2 || count > MAX_PARTS || Number(no) < 1 || Number(no) > count) return undefined;
  return Array.from(
    { length: count },
    (_, index) => `${prefix}-${String(index + 1).padStart(5, '0')}-of-${total}${ending}`,
  );
}

/** What the first file contains; llama.cpp's writers put all metadata but the split keys there. */
interface First extends Omit<ReadModel<Tensor>, 'tensors'> {
  readonly version: 2 | 3;
}

/**
 * Reads the headers of all files of a split model as one. Each file is opened once, one after the other.
 * `requiredBytes` and `fileBytes` of the result are sums, `parts` has each file's own.
 *
 * Throws what `readGgufHeader` throws, with the file's name in front, and `bad-gguf` when the files are not those of one
 * model in order: by llama.cpp's own rules (`split.no`, `split.count`, `split.tensors.count`, each tensor once).
 */
export async function readSplitHeader(files: readonly SplitPart[]): Promise<GgufFacts> {
  const tensors = new Map<string, Tensor>();
  const parts: PartFacts[] = [];
  let first: First | undefined;
  let start: TensorList | undefined;
  for (const [index, file] of files.entries()) {
    await named(`${file.name} (file ${index + 1} of ${files.length})`, () =>
      file.open(async (source, fileBytes) => {
        const front = await readFront(source, fileBytes);
        checkPlace(front, index, files.length);
        const opening = first === undefined ? openModel(front) : undefined;
        const list = await readTensorList(front);
        add(tensors, list.tensors, index);
        parts.push(partFacts(file.name, list, fileBytes));
        if (opening === undefined) return;
        start = list;
        first = { ...opening, tokenizer: await readTokenizer(front.cursor, front.metadata, front.reader) };
      }),
    );
  }
  if (first === undefined || start === undefined) throw new TypeError('a split model has files');
  checkTotal(first, tensors.size);
  if (tensors.size === 0) throw noTensors(undefined);
  return {
    ...modelFacts({ ...first, tensors: [...tensors.values()] }),
    version: first.version,
    alignment: start.alignment,
    dataOffset: start.dataOffset,
    ...sums(parts),
    parts,
  };
}

function openModel(front: Front): Omit<First, 'tokenizer'> {
  const { version, metadata, reader, cursor } = front;
  const architecture = architectureOf(reader, cursor.position);
  return { version, metadata, reader, architecture, blockCount: blockCountOf(reader, architecture) };
}

function checkPlace({ reader }: Front, index: number, count: number): void {
  const claimed = splitCountOf(reader);
  // llama.cpp looks for the count in the first file only.
  if (claimed === undefined && index === 0) {
    throw refusal('its name is that of a part of a split model, but split.count is missing', undefined);
  }
  if (claimed !== undefined && claimed !== count) {
    throw refusal(`its header says that the model has ${claimed} files, its name says ${count}`, undefined);
  }
  const no = reader.count('split.no');
  if (no !== index) {
    const claim =
      no === undefined
        ? 'its header does not say which file of the model it is'
        : `its header says that it is file ${no + 1}`;
    throw refusal(`${claim}, its name says file ${index + 1}`, undefined, ['Restore the original names of the files.']);
  }
}

function add(all: Map<string, Tensor>, tensors: readonly Tensor[], part: number): void {
  for (const tensor of tensors) {
    if (all.has(tensor.name)) {
      throw refusal(`the tensor ${quoteName(tensor.name)} is already in an earlier file`, undefined);
    }
    all.set(tensor.name, { ...tensor, part });
  }
  if (all.size > MAX_TENSORS) {
    throw refusal(`the files list ${all.size} tensors so far; at most ${MAX_TENSORS} are read`, undefined);
  }
}

function checkTotal({ reader }: First, found: number): void {
  const promised = reader.count('split.tensors.count');
  if (promised === undefined || promised === found) return;
  throw refusal(`the first file declares ${promised} tensors, all files together have ${found}`, undefined, [
    'Download all files again, from the same source and of the same version.',
  ]);
}

function partFacts(name: string, list: TensorList, fileBytes: number | undefined): PartFacts {
  const { dataOffset, requiredBytes, tensors } = list;
  return {
    name,
    dataOffset,
    requiredBytes,
    tensorCount: tensors.length,
    ...(fileBytes !== undefined && { fileBytes }),
  };
}

function sums(parts: readonly PartFacts[]): { requiredBytes: number; fileBytes?: number } {
  const requiredBytes = parts.reduce((sum, part) => sum + part.requiredBytes, 0);
  const sizes = parts.flatMap(({ fileBytes }) => (fileBytes === undefined ? [] : [fileBytes]));
  if (sizes.length < parts.length) return { requiredBytes };
  return { requiredBytes, fileBytes: sizes.reduce((sum, bytes) => sum + bytes, 0) };
}

/** Puts the file's name in front of what is wrong with it. */
async function named<Result>(name: string, task: () => Promise<Result>): Promise<Result> {
  try {
    return await task();
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    const { code, message, suggestions } = error;
    throw new ProvisionError(code, `${name}: ${message}`, { suggestions, cause: error.cause });
  }
}

/** Files of one split model. The largest in use have about 60. */
export const MAX_PARTS = 1000;

/** `split.count`: how many files the model has; undefined where the file says nothing of it. */
export function splitCountOf(reader: MetadataReader): number | undefined {
  const count = reader.count('split.count');
  if (count !== undefined && count > MAX_PARTS) {
    throw refusal(`it claims to be one of ${count} files; at most ${MAX_PARTS} are read`, undefined);
  }
  return count;
}
