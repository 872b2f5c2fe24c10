import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
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
  const lines = [
    `${remote.fileName} from ${shown} is not the file that was asked for.`,
    `  wanted ${remote.digest}`,
    `  got    ${got}`,
  ];
  return new ProvisionError('digest-mismatch', lines.join('\n'), {
    suggestions: [
      'Get the file from another place: that server, or something on the way to it, gives other bytes.',
      'If the publisher replaced the file, use the digest that it has now.',
    ],
  });
}
