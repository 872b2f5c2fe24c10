import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { digestMismatch } from '../../disk/errors.ts';
import type { RemoteFile } from '../contract.ts';

/**
 * Why a range request failed, and what to do about it:
 * - `again`: the same request may succeed, after `waitMs` where the server asks for a delay;
 * - `no-ranges`: the server does not support ranges, or not for its current file: start over, without ranges;
 * - `other-bytes`: the server sends another file: start over once;
 * - `final`: a retry cannot succeed.
 */
export type RequestFailureKind = 'again' | 'no-ranges' | 'other-bytes' | 'final';

export class RequestFailure extends Error {
  override readonly name = 'Failure';
  readonly kind: RequestFailureKind;
  readonly fault: ProvisionError;
  readonly waitMs: number | undefined;

  constructor(kind: RequestFailureKind, fault: ProvisionError, waitMs?: number) {
    super(fault.message, { cause: fault });
    this.kind = kind;
    this.fault = fault;
    this.waitMs = waitMs;
  }
}

/** The error shown for a failure that ends a download, with the bytes downloaded so far and whether they can be resumed. */
export function describeFailure(
  { fault }: RequestFailure,
  remote: RemoteFile,
  doneBytes: number,
  resumes: boolean,
): ProvisionError {
  if (fault.code !== 'network' && fault.code !== 'remote-fault') return fault;
  const done = `${formatBytes(doneBytes)} of ${formatBytes(remote.sizeBytes)} downloaded`;
  const next = resumes && doneBytes > 0 ? 'Run the command again to resume the download.' : 'Run the command again.';
  return new ProvisionError(fault.code, `${fault.message}; ${done}`, {
    suggestions: [next, ...fault.suggestions],
    cause: fault.cause,
  });
}

export function downloadedDigestMismatch(remote: RemoteFile, shown: string, got: Digest): ProvisionError {
  return digestMismatch(`${remote.fileName} from ${shown}`, { wanted: remote.digest, got }, [
    'Download the file from another location: that server, or a proxy on the way to it, changes the bytes.',
    'If the publisher replaced the file, use its current digest.',
  ]);
}
