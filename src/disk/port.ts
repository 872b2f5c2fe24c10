/** The one interface to the file system; every other folder is given it. Its implementation: `disk.ts`. */

/** What the system reports about a file or folder. Sizes in bytes, times in nanoseconds since 1970. */
export interface FileFacts {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  /** Blocks of 512 bytes: what a sparse file really occupies. */
  readonly blocks: bigint;
  readonly nlink: bigint;
  readonly mode: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** File systems that do not record the time of creation report another time of the file. */
  readonly birthtimeNs: bigint;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

/** An open file that is read. */
export interface ReadableFile {
  read(buffer: Uint8Array, offset: number, length: number, position: number | null): Promise<{ bytesRead: number }>;
  stat(options: { bigint: true }): Promise<FileFacts>;
  close(): Promise<void>;
}

/** Opens a file for reading. */
export type OpenForReading = (path: string) => Promise<Omit<ReadableFile, 'stat'>>;

/** An open file. */
export interface OpenFile extends ReadableFile {
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position?: number | null,
  ): Promise<{ bytesWritten: number }>;
  /** Writes all of it or throws. */
  writeFile(content: string | Uint8Array): Promise<void>;
  truncate(length: number): Promise<void>;
  chmod(mode: number): Promise<void>;
  chown(uid: number, gid: number): Promise<void>;
  /** Returns when the bytes are on the disk. */
  datasync(): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Small texts of this tool that are read and replaced as a whole: records, journals. For this user alone. */
export interface TextFiles {
  /** Undefined when the file does not exist. */
  readText(path: string): Promise<string | undefined>;
  /**
   * Replaces the file in one step (a reader sees the old text or the new one); creates its folder. Mode 0600 whatever the
   * umask, and a symbolic link in its place is replaced, not followed.
   */
  replaceText(path: string, text: string): Promise<void>;
  /** Names in a folder; empty when the folder does not exist. */
  list(folder: string): Promise<string[]>;
  /** Removes a file durably; succeeds when the file does not exist. */
  remove(path: string): Promise<void>;
}

/** Names and arguments are those of `node:fs/promises`, and so are the failures: an error with an errno in `code`. */
export interface Disk extends TextFiles {
  /** As `replaceText`, for a file that the user named: keeps its mode and owner, and follows a symbolic link. */
  replaceOutput(path: string, text: string): Promise<void>;
  /** Follows symbolic links. */
  stat(path: string, options: { bigint: true }): Promise<FileFacts>;
  /** Does not follow symbolic links. */
  lstat(path: string, options: { bigint: true }): Promise<FileFacts>;
  realpath(path: string): Promise<string>;
  readlink(path: string): Promise<string>;
  /** `mode` is a sum of `R_OK`, `W_OK`, `X_OK` of `node:fs`. */
  access(path: string, mode?: number): Promise<void>;
  readdir(folder: string): Promise<string[]>;
  readFile(path: string, encoding: 'utf8'): Promise<string>;
  writeFile(
    path: string,
    content: string | Uint8Array,
    options: { flag: 'wx' | 'r+' | 'w'; mode?: number },
  ): Promise<void>;
  /** Flags as a word (`r`, `r+`, `wx`) or as those of open(2). */
  open(path: string, flags: string | number, mode?: number): Promise<OpenFile>;
  /** Creates those above it too. Returns the first that had to be created, if any. */
  mkdir(folder: string, options: { recursive: true; mode?: number }): Promise<string | undefined>;
  /** `mode` is `SHARE_BYTES`. */
  copyFile(from: string, to: string, mode: number): Promise<void>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Succeeds when the path does not exist. */
  rm(path: string, options: { force: true; recursive?: boolean }): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  utimes(path: string, accessed: Date, modified: Date): Promise<void>;
  /** Makes what was written to a file, or to the names in a folder, survive a power cut. */
  sync(path: string): Promise<void>;
  /** Bytes that this user may still write, and all bytes, of the file system that holds the path. */
  space(path: string): Promise<{ readonly free: number; readonly total: number }>;
}
