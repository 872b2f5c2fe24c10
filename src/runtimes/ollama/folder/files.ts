import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Digest } from '../../../core/digest.ts';

export interface FolderFacts {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mode: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  /** When the file was made, in nanoseconds since 1970; file systems without one give another of its times. */
  readonly birthtimeNs: bigint;
  isFile(): boolean;
  isDirectory(): boolean;
}

export interface FolderHandle {
  read(buffer: Uint8Array, offset: number, length: number, position: number | null): Promise<{ bytesRead: number }>;
  write(buffer: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }>;
  chown(uid: number, gid: number): Promise<void>;
  chmod(mode: number): Promise<void>;
  /** Returns when the bytes are on the disk. */
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** What the models folder needs of the file system. `node:fs/promises` satisfies it as it is. */
export interface FolderFiles {
  realpath(path: string): Promise<string>;
  /** Follows symbolic links. */
  stat(path: string, options: { bigint: true }): Promise<FolderFacts>;
  /** Does not. */
  lstat(path: string, options: { bigint: true }): Promise<FolderFacts>;
  readdir(path: string): Promise<string[]>;
  readFile(path: string, encoding: 'utf8'): Promise<string>;
  open(path: string, flags: 'r' | 'r+' | 'wx', mode?: number): Promise<FolderHandle>;
  copyFile(from: string, to: string, mode: number): Promise<void>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { force: true }): Promise<void>;
}

/** A models folder that may be the server's: whether it is must be proven, see `proveFolder`. */
export interface ModelsFolder {
  /** Absolute path of what `OLLAMA_MODELS` names: it holds `blobs` and `manifests`. */
  readonly path: string;
  readonly files: FolderFiles;
  /** This process's user; undefined on Windows, which has no such numbers. */
  readonly uid: number | undefined;
}

const TEMPORARY = /^gemma-provision-[0-9a-f-]{36}\.incomplete$/;

/**
 * A name for a file that is not whole yet, beside the blobs. It is no digest, so Ollama's pruning removes what a killed
 * run left: at every start before 0.21, at a start after the file's first hour from then on. It also matches none of
 * the names of a pull's parts, which a server reads as JSON.
 */
export function temporaryIn(blobs: string): string {
  return join(blobs, `gemma-provision-${randomUUID()}.incomplete`);
}

/** True for the name of a file that a killed run of this tool left beside the blobs. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

export function blobFile(blobs: string, digest: Digest): string {
  return join(blobs, digest.replace(':', '-'));
}
