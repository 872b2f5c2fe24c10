/** `install --frozen`: what a lock file wants against what would be installed. */
import { ProvisionError } from '../core/errors.ts';
import type { LockFile } from './lock-file.ts';

export interface Difference {
  /** JSON path in the lock file. */
  readonly path: string;
  /** As JSON; absent where the one side has nothing there. */
  readonly wanted?: string;
  readonly got?: string;
}

/** Says who wrote the lock and what the publisher tells beside the bytes: nothing of it changes what is installed. */
const TOLD_ONLY: ReadonlySet<string> = new Set(['toolVersion', 'catalog.version']);

export interface DifferenceOptions {
  /** False where no smoke test is to be run. */
  readonly suite?: boolean;
}

/** Everything in which an install would not be what the lock file says, in the order of the paths. */
export function differences(lock: LockFile, now: LockFile, { suite = true }: DifferenceOptions = {}): Difference[] {
  const skipped = (path: string) =>
    TOLD_ONLY.has(path) ||
    path.startsWith('source.provenance.') ||
    (!suite && path.startsWith('suite.')) ||
    (path === 'source.ref' && lock.source.pinnedRef !== undefined && now.source.pinnedRef !== undefined) ||
    (isElsewhere(lock, now) && (path === 'source.ref' || path === 'source.pinnedRef'));
  const [wanted, got] = [leavesOf(lock), leavesOf(now)];
  const paths = [...new Set([...wanted.keys(), ...got.keys()])].filter((path) => !skipped(path)).sort();
  return paths.flatMap((path) => {
    const [a, b] = [wanted.get(path), got.get(path)];
    if (a === b) return [];
    return [{ path, ...(a !== undefined && { wanted: a }), ...(b !== undefined && { got: b }) }];
  });
}

/**
 * True where one side is a file of a machine: where that lies says nothing, and its digest is compared in any case. Two
 * references to publishers are compared: the lock names a revision.
 */
function isElsewhere(lock: LockFile, now: LockFile): boolean {
  return isLocal(lock.source.ref) || isLocal(now.source.ref);
}

function isLocal(ref: string): boolean {
  return ref.startsWith('file:') || ref.startsWith('package:');
}

/** Throws `lock-differs` that names every difference. */
export function refuseDifferences(found: readonly Difference[], lockName: string): void {
  if (found.length === 0) return;
  throw new ProvisionError(
    'lock-differs',
    `this is not what ${lockName} says:\n${found.map((each) => `  ${differenceText(each)}`).join('\n')}`,
    {
      suggestions: [
        'Leave out the flags that ask for something else.',
        'If the new state is what you want, write it down with: gemma-provision lock',
      ],
    },
  );
}

/** `parameters.num_ctx: wanted 8192, got 4096`. */
export function differenceText({ path, wanted = 'nothing', got = 'nothing' }: Difference): string {
  return `${path}: wanted ${wanted}, got ${got}`;
}

/** The scalars and lists of a document by their paths, as JSON. */
function leavesOf(value: object, prefix = ''): Map<string, string> {
  const leaves = new Map<string, string>();
  for (const [key, member] of Object.entries(value)) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    if (member === undefined) continue;
    if (typeof member === 'object' && member !== null && !Array.isArray(member)) {
      for (const [inner, leaf] of leavesOf(member, path)) leaves.set(inner, leaf);
    } else {
      leaves.set(path, JSON.stringify(member));
    }
  }
  return leaves;
}
