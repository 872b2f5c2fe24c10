import type { Digest } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { formatBytes } from '../core/units.ts';
import type { RemoteFile, ResolveRequest } from './contract.ts';

/** Holds what a server says of a file against what was asked for, before a byte is moved. Throws `digest-mismatch`. */
export function requireExpected(
  file: Pick<RemoteFile, 'ref' | 'digest' | 'sizeBytes'>,
  expected: ResolveRequest['expected'],
): void {
  if (expected?.digest !== undefined && expected.digest !== file.digest) throw otherDigest(file, expected.digest);
  if (expected?.sizeBytes === undefined || expected.sizeBytes === file.sizeBytes) return;
  const sizes = `it has ${file.sizeBytes} bytes (${formatBytes(file.sizeBytes)}), expected were ${expected.sizeBytes} (${formatBytes(expected.sizeBytes)})`;
  throw new ProvisionError('digest-mismatch', `${file.ref} is another file than the one asked for: ${sizes}.`, {
    suggestions: ['Check that the reference names the quant that you chose.'],
  });
}

function otherDigest({ ref, digest }: Pick<RemoteFile, 'ref' | 'digest'>, wanted: Digest): ProvisionError {
  return new ProvisionError(
    'digest-mismatch',
    `${ref} is not the file that was asked for.\n  wanted ${wanted}\n  there  ${digest}`,
    {
      suggestions: [
        'Name the revision that had it: a branch moves on.',
        'If another file is what you want, pass its own digest with --digest, or leave the digest out.',
      ],
    },
  );
}
