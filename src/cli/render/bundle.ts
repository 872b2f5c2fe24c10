import { formatBytes } from '../../core/units.ts';
import type { BundleCreateData } from '../../provision/share/bundle.ts';
import type { BundleContent } from '../../provision/share/pack.ts';
import type { PublishData, PullData } from '../../provision/share/publish.ts';
import { pairs, table } from './table.ts';

/** `publish`. */
export function publishText({
  name,
  ref,
  pinnedRef,
  sizeBytes,
  bytesSent,
  changed,
  signedBy,
  contents,
}: PublishData): string {
  const lines = pairs([
    ['Published', `${name} as ${ref}${changed ? '' : ' (it was already there)'}`],
    ['Pinned', pinnedRef],
    ['Size', `${formatBytes(sizeBytes)}, ${formatBytes(bytesSent)} sent`],
    ['Signed', signerText(signedBy)],
  ]);
  return `${lines}\n${contentsTable(contents)}`;
}

/** `pull`. */
export function pullText({ ref, pinnedRef, digest, sizeBytes, path, bytesMoved, servedBy }: PullData): string {
  const here = servedBy === undefined ? 'it was already in the cache' : `copied from ${servedBy} on this machine`;
  const from = servedBy === undefined ? '' : ` from the mirror ${servedBy}`;
  const moved = bytesMoved === 0 ? here : `${formatBytes(bytesMoved)} fetched${from}`;
  return pairs([
    ['Pulled', ref],
    ['Pinned', pinnedRef],
    ['Digest', digest],
    ['Size', `${formatBytes(sizeBytes)}, ${moved}`],
    ['File', path],
  ]);
}

/** `bundle create`. */
export function bundleText({
  file,
  name,
  digest,
  fileDigest,
  sizeBytes,
  signedBy,
  contents,
}: BundleCreateData): string {
  const lines = pairs([
    ['Bundle', file],
    ['Model', name],
    ['Size', formatBytes(sizeBytes)],
    ['Manifest', digest],
    ['File', fileDigest],
    ['Signed', signerText(signedBy)],
  ]);
  return `${lines}\n${contentsTable(contents)}`;
}

function signerText(signedBy: string | undefined): string {
  return signedBy === undefined ? 'no' : `by the key ${signedBy.slice(0, 16)}…`;
}

function contentsTable(contents: readonly BundleContent[]): string {
  return table(
    ['FILE', 'DIGEST'],
    contents.map(({ name, digest }) => [name, digest]),
  );
}
