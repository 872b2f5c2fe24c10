import type { Digest } from '../../core/digest.ts';

/** Bytes that are looked for on this machine. */
export interface WantedBytes {
  readonly digest: Digest;
  readonly sizeBytes?: number | undefined;
  /** As its publisher calls the file. */
  readonly fileName?: string | undefined;
}

/** A folder in which another tool keeps model files. */
export interface Store {
  /** As messages name it: `Hugging Face cache`. */
  readonly name: string;
  /** Absolute. A file that a link leads to outside this folder does not count. */
  readonly folder: string;
  /** Its files are named by their digest: one with other bytes is corrupt. */
  readonly namedByDigest: boolean;
  /** Paths where the bytes may be, the likeliest first; none of them is read, and none needs to exist. Never throws. */
  candidates(wanted: WantedBytes): Promise<readonly string[]>;
}

/** A file of another tool's store whose bytes were read and have the digest. */
export interface StoredFile {
  readonly digest: Digest;
  readonly path: string;
  readonly sizeBytes: number;
  /** Name of the store. */
  readonly store: string;
}
