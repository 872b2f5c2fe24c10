import { formatBytes } from '../../core/units.ts';
import { formatDifference } from '../../package/frozen.ts';
import type { LockData } from '../../provision/share/lock.ts';

/** What was written, or in what the file is no longer true. */
export function lockText({ file, lock, changed, differences }: LockData, check: boolean): string {
  if (differences.length > 0) {
    const lines = differences.map((each) => {
      const { path, wanted, got } = each;
      return `  ${formatDifference({ path, ...(wanted !== undefined && { wanted }), ...(got !== undefined && { got }) })}`;
    });
    return [`${file} does not match the current plan:`, ...lines].join('\n');
  }
  const { model, quant, name, source } = lock;
  const state = check ? 'is up to date' : changed ? 'written' : 'is already up to date';
  return [
    `${file} ${state}.`,
    `  ${model}:${quant} as ${name}`,
    `  ${source.pinnedRef ?? source.ref}, ${formatBytes(source.sizeBytes)}`,
    `  ${source.digest}`,
  ].join('\n');
}
