import { formatBytes } from '../../core/units.ts';
import type { CatalogRefreshData } from '../../provision/plan/catalog-refresh.ts';

type Change = CatalogRefreshData['changes'][number];
type State = Change['before'];

const WORDS: Readonly<Record<Change['kind'], string>> = {
  pinned: 'pinned to a commit',
  completed: 'completed',
  moved: 'has other bytes now',
  vanished: 'has vanished',
};

/** `catalog refresh`: every change with what was before, then where it was written. */
export function refreshText(data: CatalogRefreshData): string {
  const { changes, files, dryRun, sources, repositories, unchanged } = data;
  const written = files.map(({ path }) => `${dryRun ? 'Would write' : 'Wrote'} ${path}`);
  const repositoriesText = repositories === 1 ? '1 repository' : `${repositories} repositories`;
  const summary = `${sources === 1 ? '1 source' : `${sources} sources`} in ${repositoriesText}: ${unchanged} unchanged${count(changes)}.`;
  const nothing = files.length === 0 ? ['Nothing to write.'] : [];
  // A repository that is gone is one fault, however many sources it had.
  const grouped = Map.groupBy(changes, (change) => change.why ?? change);
  return [...[...grouped.values()].flatMap(groupLines), ...written, ...nothing, summary].join('\n');
}

function groupLines(changes: readonly Change[]): string[] {
  const [first] = changes;
  if (first === undefined) return [];
  if (changes.length === 1) return changeLines(first);
  return [
    `${changes.length} sources have vanished`,
    `  ${first.why ?? ''}`,
    ...changes.map(({ usedBy, before }) => `  ${usedBy.join(', ')}  ${stateText(before)}`),
  ];
}

function changeLines({ kind, usedBy, before, after, why }: Change): string[] {
  const head = `${usedBy.join(', ')}: ${WORDS[kind]}`;
  const old = `  old  ${stateText(before)}`;
  if (after !== undefined) return [head, old, `  new  ${stateText(after)}`];
  return [head, old, `  ${why ?? ''}`];
}

function stateText({ ref, digest, sizeBytes }: State): string {
  const size = sizeBytes === undefined ? '' : `  ${formatBytes(sizeBytes)}`;
  return `${ref}${digest === undefined ? '' : `  ${digest}`}${size}`;
}

function count(changes: readonly Change[]): string {
  const kinds = ['pinned', 'completed', 'moved', 'vanished'] as const;
  const counted = kinds.map((kind) => [kind, changes.filter((each) => each.kind === kind).length] as const);
  return counted.flatMap(([kind, number]) => (number === 0 ? [] : [`, ${number} ${kind}`])).join('');
}
