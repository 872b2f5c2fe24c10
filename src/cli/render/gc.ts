import { formatBytes } from '../../core/units.ts';
import type { GcReport } from '../../provision/maintain/gc/schema.ts';
import { table } from './table.ts';

/** `gc`: one line a leftover, then what was left alone. */
export function gcText({ applied, items, reclaimableBytes, removed, notes }: GcReport): string {
  const remarks = notes.map((note) => `Note: ${note}`);
  if (items.length === 0) return [...remarks, 'There are no leftovers.'].join('\n');
  const rows = items.map(({ kind, path, name, sizeBytes, reason, problem }) => [
    formatBytes(sizeBytes),
    kind,
    path ?? name ?? '',
    problem === undefined ? reason : `stays: ${problem}`,
  ]);
  const sum = formatBytes(reclaimableBytes);
  const end = applied
    ? `${removed} of ${items.length} removed, ${sum} freed.`
    : `${items.length} ${items.length === 1 ? 'leftover' : 'leftovers'}, ${sum} can be freed. Remove them with --apply.`;
  return [table(['SIZE', 'WHAT', 'WHERE', 'WHY'], rows, [0]), ...remarks, end].join('\n');
}
