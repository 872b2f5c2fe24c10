import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { digestMismatch } from '../../disk/errors.ts';
import type { RemoteFile } from '../contract.ts';
import type { Failure } from './failure.ts';

/** The error that a user gets for a failure that ends a download: with what is here, and whether it is of use. */
export function asTold({ fault }: Failure, remote: RemoteFile, doneBytes: number, resumes: boolean): ProvisionError {
  if (fault.code !== 'network' && fault.code !== 'remote-fault') return fault;
  const done = `${formatBytes(doneBytes)} of ${formatBytes(remote.sizeBytes)} are here`;
  const next =
    resumes && doneBytes > 0 ? 'Run it again to resume: what is here is not fetched again.' : 'Run it again.';
  return new ProvisionError(fault.code, `${fault.message}; ${done}`, {
    suggestions: [next, ...fault.suggestions],
    cause: fault.cause,
  });
}

export function wrongDigest(remote: RemoteFile, shown: string, got: Digest): ProvisionError {
  return digestMismatch(`${remote.fileName} from ${shown}`, { wanted: remote.digest, got }, [
    'Download the file from another location: that server, or a proxy on the way to it, changes the bytes.',
    'If the publisher replaced the file, use its current digest.',
  ]);
}
