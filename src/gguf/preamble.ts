import type { Cursor } from './cursor.ts';
import { MAX_METADATA_ENTRIES, MAX_TENSORS } from './limits.ts';
import { refusal } from './refusal.ts';

export interface Preamble {
  readonly version: 2 | 3;
  readonly tensorCount: number;
  readonly metadataCount: number;
}

interface Impostor {
  readonly matches: (start: string) => boolean;
  readonly what: string;
  readonly remedy: string;
}

/** Files that people mistake for GGUF files, by how they start (Latin-1). */
const IMPOSTORS: readonly Impostor[] = [
  {
    matches: (start) => start.startsWith('version https://git-lfs'),
    what: 'this is a Git LFS pointer, not the model',
    remedy: 'Run git lfs pull in the repository it came from.',
  },
  {
    matches: (start) => /^\s*<(!doctype|html|head|\?xml)/i.test(start),
    what: 'this is an HTML page, not the model: probably the page of a proxy, a login or an error',
    remedy: 'Open the address in a browser, log in or configure the proxy, and download again.',
  },
  {
    matches: (start) => start.startsWith('PK\x03\x04'),
    what: 'this is a zip archive, not a GGUF file',
    remedy: 'Unpack it and pass the .gguf file; a PyTorch checkpoint must be converted first.',
  },
  {
    matches: (start) => start.startsWith('\x1f\x8b') || start.startsWith('\x28\xb5\x2f\xfd'),
    what: 'this is a compressed file, not a GGUF file',
    remedy: 'Decompress it first.',
  },
  {
    matches: (start) => /^.{8}\{"/s.test(start),
    what: 'this is a safetensors file, not a GGUF file',
    remedy: 'Convert it with llama.cpp’s convert_hf_to_gguf.py, or use the GGUF edition of the model.',
  },
  {
    matches: (start) => ['lmgg', 'fmgg', 'tjgg', 'algg'].some((magic) => start.startsWith(magic)),
    what: 'this is a GGML file from before 2023-08, not a GGUF file',
    remedy: 'Use the GGUF edition of the model.',
  },
  {
    matches: (start) => /^\s*[{[]/.test(start),
    what: 'this is a JSON document, not the model: probably an error reply was saved',
    remedy: 'Read the file for the cause, then download again.',
  },
];

/** Reads magic, version and counts. Throws `bad-gguf` saying what the file is instead, if that can be detected. */
export async function readPreamble(cursor: Cursor): Promise<Preamble> {
  const start = Buffer.from(await cursor.peek(512)).toString('latin1');
  if (!start.startsWith('GGUF')) throw notGguf(start);
  await cursor.need(24, 'version and counts');
  cursor.seek(4);
  const version = checkVersion(cursor.u32());
  const tensorCount = cursor.u64();
  const metadataCount = cursor.u64();
  if (tensorCount > MAX_TENSORS) throw refusal(`it claims ${tensorCount} tensors; at most ${MAX_TENSORS} are read`, 8);
  if (metadataCount > MAX_METADATA_ENTRIES) {
    throw refusal(`it claims ${metadataCount} metadata entries; at most ${MAX_METADATA_ENTRIES} are read`, 16);
  }
  return { version, tensorCount, metadataCount };
}

function notGguf(start: string): Error {
  if (start.length === 0) return refusal('the file is empty', 0, ['Download it again.']);
  const impostor = IMPOSTORS.find(({ matches }) => matches(start));
  if (impostor !== undefined) return refusal(impostor.what, 0, [impostor.remedy]);
  const magic = Buffer.from(start.slice(0, 4), 'latin1').toString('hex');
  return refusal(`this is not a GGUF file: it starts with the bytes ${magic}, not with GGUF`, 0, [
    'Pass a .gguf file.',
  ]);
}

function checkVersion(version: number): 2 | 3 {
  if (version === 2 || version === 3) return version;
  if (version === 1) {
    throw refusal('this is GGUF version 1, which llama.cpp no longer reads', 4, ['Use a newer edition of the model.']);
  }
  if (version !== 0 && version % 65_536 === 0) {
    throw refusal('this is a big-endian GGUF file, made for machines such as IBM Z', 4, [
      'Use the little-endian edition of the model.',
    ]);
  }
  throw refusal(`this is GGUF version ${version}; versions 2 and 3 are known`, 4, [
    'If the file is newer than this tool, update the tool.',
  ]);
}
