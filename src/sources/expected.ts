import type { Digest } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { formatBytes } from '../core/units.ts';
import { digestMismatch } from '../disk/errors.ts';
import type { RemoteFile, ResolveRequest } from './contract.ts';

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
