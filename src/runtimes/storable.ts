import { ProvisionError } from '../core/errors.ts';
import type { FileFacts } from '../disk/port.ts';
import type { LocalFile, RemoteFile, StreamFile } from '../sources/contract.ts';
import type { StorableFile } from './contract.ts';

/** A file that is read from its source while it is stored. */
export type Elsewhere = RemoteFile & { readonly open: StreamFile };

export function isElsewhere(file: StorableFile): file is Elsewhere {
  return 'open' in file;
}

export function isHere(file: StorableFile): file is LocalFile {
  return !isElsewhere(file);
}

/**
 * Why a file must not get a hard link in a store, as a whole sentence: its user could change the stored model by editing
 * the file. Undefined for a file of our cache, and for one that nobody may write to.
 */
export function reasonAgainstSharing(file: LocalFile, { mode }: Pick<FileFacts, 'mode'>): string | undefined {
  if (file.immutable === true || (mode & ANY_WRITE) === 0n) return undefined;
  return `${file.path} can be written to, and a hard link would change with it. Make it read-only first: chmod a-w`;
}

const ANY_WRITE = 0o222n;

/** The pieces of a source, as long as they are no more than it said. Throws `truncated-file` when they are. */
export async function* exactly(file: Elsewhere, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const piece of file.open(file, signal)) {
    bytes += piece.length;
    if (bytes > file.sizeBytes) throw otherSize(file, 'more');
    yield piece;
  }
  if (bytes < file.sizeBytes) throw otherSize(file, 'fewer');
}

function otherSize({ ref, sizeBytes }: Elsewhere, how: string): ProvisionError {
  return new ProvisionError('truncated-file', `${ref} sent ${how} than its ${sizeBytes} bytes.`, {
    suggestions: ['Run the command again: the transfer may have been cut.'],
  });
}
