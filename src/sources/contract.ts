import type { Digest } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import type { Work } from '../core/progress.ts';
import { formatBytes } from '../core/units.ts';
import { digestMismatch } from '../disk/errors.ts';

/** A file on this machine with what is known of it. */
export interface LocalFile {
  readonly ref: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** Known beforehand (catalog, `--digest`, or our digest cache); absent when it must be computed by reading the file. */
  readonly digest?: Digest;
  /** For a file of our cache, whose path is only its digest: the publisher's file name, and the origin. */
  readonly fileName?: string;
  readonly pinnedRef?: string;
  readonly provenance?: Provenance;
  /** It is in our cache, where files are never edited: a hard link to it is safe. */
  readonly immutable?: true;
  /** What gave the bytes in place of the origin: the store of another tool on this machine, or a mirror. */
  readonly servedBy?: string;
  /** What the user should know of how the reference was resolved. */
  readonly warnings?: readonly string[];
}

/** The address and headers for requesting a file from a web server. Contains secrets: never logged, recorded, or put into an error. */
export interface RemoteAccess {
  /** Without user and password. */
  readonly url: string;
  /** For the origin of `url` alone: a redirect to another host goes without them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Other headers in place of `headers`, for a server that no longer takes those: tokens run out. Throws `unauthorised`, `network`. */
  renew?(signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
}

/** Where bytes come from beyond their digest, as far as the publisher states it; for the record. */
export interface Provenance {
  /** SPDX id or the publisher's own word. */
  readonly licence?: string;
  /** The model that was converted, with its commit where it is given: `google/gemma-3n-E4B-it@1b2c…`. */
  readonly baseModel?: string;
  /** Who or what made the quant: `llama.cpp b6122`, `unsloth`. */
  readonly quantiser?: string;
}

/** A file on a web server, pinned: its digest is known before the first byte. */
export interface RemoteFile {
  /** As the user wrote it, without user and password. */
  readonly ref: string;
  /** Names the same bytes permanently: a commit instead of a branch, a digest instead of a tag. */
  readonly pinnedRef: string;
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
  readonly access: RemoteAccess;
  readonly provenance?: Provenance;
  /** The name under which our cache remembers it besides `pinnedRef`: with the requested branch or tag. */
  readonly rememberAs?: string;
  /** The mirror that gives the bytes in place of the origin, by its address. */
  readonly servedBy?: string;
  /** What the user should know of how the reference was resolved. */
  readonly warnings?: readonly string[];
}

/** What a source knows about a reference without a request. */
export interface KnownRef {
  /** As the user wrote it, without user and password. */
  readonly ref: string;
  /** The reference in its full and only spelling, without secrets. */
  readonly key: string;
  /** It names the same bytes permanently: once resolved, it does not need another request. */
  readonly fixed: boolean;
  /** What the bytes must be, where the reference itself says it. */
  readonly digest?: Digest;
  /** The file's name at its publisher, where the reference itself says it. */
  readonly fileName?: string;
}

export type ResolvedSource =
  | ({ readonly kind: 'file' } & LocalFile)
  /** Not on this machine yet. */
  | ({ readonly kind: 'remote' } & RemoteFile)
  /** The server pulls it itself; size and digest are known only afterwards. */
  | { readonly kind: 'library'; readonly ref: string; readonly name: string };

/** What a source may want to know to resolve a reference. */
export interface ResolveRequest {
  readonly ref: string;
  /** File name of the chosen quant, to pick from a folder. */
  readonly fileName?: string;
  /** What the bytes must be. */
  readonly expected?: { readonly digest?: Digest; readonly sizeBytes?: number };
  readonly signal: AbortSignal;
}

/** One way to get bytes. A new source is one file that exports `defineSource({...})`. */
export interface Source {
  readonly scheme: string;
  readonly description: string;
  /** True for references of this source's form; the first that matches wins. */
  matches(ref: string): boolean;
  /** Finds the thing without moving its bytes. Throws `source-not-found`, `file-access`, `bad-usage`, `network`, `unauthorised`, … */
  resolve(request: ResolveRequest): Promise<ResolvedSource>;
  /** The GGUF files of a folder on this machine, by name; undefined for a reference to anything else. */
  list?(ref: string): Promise<readonly LocalFile[] | undefined>;
  /** For sources that ask the network. Undefined where not even the file is known yet. Throws `bad-usage`. */
  known?(request: ResolveRequest): KnownRef | undefined;
  /** Checks that the file can be downloaded, where `resolve` alone does not show it. Called only before a download. Throws `unauthorised`. */
  requireAccess?(file: RemoteFile, signal: AbortSignal): Promise<void>;
}

export function defineSource(source: Source): Source {
  return source;
}

/** A file that was fetched, or was in the cache already. */
export interface FetchedFile extends LocalFile {
  readonly digest: Digest;
  /** Bytes received over the network for it, including those fetched again after a broken connection. */
  readonly bytesMoved: number;
}

/** Gets a file into our cache, verified; one process at a time for one digest. Progress under the id `fetch`. */
export type FetchFile = (file: RemoteFile, signal: AbortSignal) => Work<FetchedFile>;

/** The bytes of a file in order, read once, with no copy on this machine; the caller checks the digest. */
export type StreamFile = (file: RemoteFile, signal: AbortSignal) => AsyncIterable<Uint8Array>;

/** Compares what a server reports about a file with what was requested, before any download. Throws `digest-mismatch`. */
export function requireExpected(
  file: Pick<RemoteFile, 'ref' | 'digest' | 'sizeBytes'>,
  expected: ResolveRequest['expected'],
): void {
  if (expected?.digest !== undefined && expected.digest !== file.digest) throw otherDigest(file, expected.digest);
  if (expected?.sizeBytes === undefined || expected.sizeBytes === file.sizeBytes) return;
  const sizes = `it has ${file.sizeBytes} bytes (${formatBytes(file.sizeBytes)}), expected ${expected.sizeBytes} (${formatBytes(expected.sizeBytes)})`;
  throw new ProvisionError('digest-mismatch', `${file.ref} does not have the expected size: ${sizes}.`, {
    suggestions: ['Check that the reference names the quant that you chose.'],
  });
}

function otherDigest({ ref, digest }: Pick<RemoteFile, 'ref' | 'digest'>, wanted: Digest): ProvisionError {
  return digestMismatch(ref, { wanted, got: digest }, [
    'Pin the revision that had that file: the branch has changed.',
    'To use another file, pass its own digest with --digest, or omit the digest.',
  ]);
}
