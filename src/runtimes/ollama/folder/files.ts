import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Owner } from '../../../cage/owner-protocol.ts';
import type { Digest } from '../../../core/digest.ts';
import type { Disk } from '../../../disk/disk.ts';

/** A models folder that may be the server's: whether it is must be proven, see `proveFolder`. */
export interface ModelsFolder {
  /** Absolute path of what `OLLAMA_MODELS` names: it holds `blobs` and `manifests`. */
  readonly path: string;
  readonly disk: Disk;
  /** This process's user; undefined on Windows, which has no such numbers. */
  readonly uid: number | undefined;
  /** The server's user, where the system reports it. */
  readonly serverUid?: number | undefined;
  /** The disk with the rights of another user, for root. */
  asOwner?(owner: Owner): Disk;
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
