/** What lies in the folder of a runtime on this machine: which names there are, and the blobs that they name. */
import type { Digest } from '../core/digest.ts';

/** One name of the runtime, as its file says. */
export interface FolderManifest {
  /** As the runtime lists it: `gemma-3n-e4b:q5_k_m`, `example.org/team/gemma:latest`. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** SHA-256 of the file: what Ollama calls the digest of the model. Absent for a file that could not be read. */
  readonly digest?: Digest;
  /** Blobs that it names, each once; empty for a broken one. */
  readonly digests: readonly Digest[];
  /** Why it cannot be used, as the end of a sentence: `is empty`. */
  readonly broken?: string;
}

/** A file among the blobs, whatever its name. */
export interface FolderBlob {
  /** `sha256-<64 hex digits>`, or the name of something that is no whole blob. */
  readonly name: string;
  /** From its name; absent where that is no digest. */
  readonly digest?: Digest;
  /** Absolute. */
  readonly path: string;
  readonly sizeBytes: number;
  /** When it was last written to, in milliseconds since 1970. */
  readonly modifiedMs: number;
}

export interface FolderContents {
  /** Absolute path of what was read. */
  readonly folder: string;
  readonly manifests: readonly FolderManifest[];
  readonly blobs: readonly FolderBlob[];
  /** Symbolic links and other things that are no plain files or folders: not followed, absolute paths. */
  readonly links: readonly string[];
}
