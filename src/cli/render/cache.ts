import { formatBytes } from '../../core/units.ts';
import type { CacheContents, CachePruning, CacheVerification } from '../../sources/cache/schema.ts';
import { table } from './table.ts';

/** `cache list`: one line a file. */
export function contentsText({ folder, blobs, partials, totalBytes }: CacheContents): string {
  if (blobs.length + partials.length === 0) return `The cache is empty: ${folder}`;
  const rows = [
    ...blobs.map((blob) => [short(blob.digest), formatBytes(blob.sizeBytes), minute(blob.since), nameOf(blob)]),
    ...partials.map((part) => ['not whole', formatBytes(part.sizeBytes), minute(part.since), part.path]),
  ];
  const text = table(['DIGEST', 'SIZE', 'SINCE (UTC)', 'FILE'], rows, [1]);
  return `${text}\n${formatBytes(totalBytes)} in ${folder}`;
}

/** `cache verify`. */
export function verificationText({ folder, results }: CacheVerification): string {
  if (results.length === 0) return `The cache has no complete files: ${folder}`;
  const bad = results.filter((each) => !each.ok);
  const lines = bad.flatMap(({ path, problem, removed }) => [
    `corrupt: ${path}`,
    `  ${problem ?? ''}${removed ? '; removed' : ''}`,
  ]);
  const left = bad.some((each) => !each.removed);
  const next = left ? ['Remove corrupt files with cache verify --remove; they are downloaded again when needed.'] : [];
  const bytes = results.reduce((sum, each) => sum + each.sizeBytes, 0);
  const summary = `${results.length - bad.length} of ${results.length} files are good (${formatBytes(bytes)} read).`;
  return [...lines, ...next, summary].join('\n');
}

/** `cache prune`. */
export function pruningText({ folder, applied, items, reclaimableBytes, kept }: CachePruning): string {
  if (items.length === 0) return `Nothing to remove; ${kept} kept in ${folder}`;
  const rows = items.map((item) => [
    formatBytes(item.sizeBytes),
    item.fileName ?? item.path,
    item.problem === undefined ? item.reason : `stays: ${item.problem}`,
  ]);
  const sum = formatBytes(reclaimableBytes);
  const end = applied
    ? `${sum} removed, ${kept} kept in ${folder}`
    : `${sum} can be removed, ${kept} kept in ${folder}. Remove them with --apply.`;
  return `${table(['SIZE', 'FILE', 'WHY'], rows, [0])}\n${end}`;
}

function nameOf({ fileName, refs, path }: CacheContents['blobs'][number]): string {
  const [ref] = refs;
  return ref ?? fileName ?? path;
}

function short(digest: string): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 12);
}

function minute(when: string): string {
  return when.slice(0, 16).replace('T', ' ');
}
