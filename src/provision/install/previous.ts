import type { InstallRecord } from '../../registry/schema.ts';

export type Previous = NonNullable<InstallRecord['previous']>;

interface Replacing {
  /** Versions are kept for a rollback. */
  readonly keep: boolean;
  /** What is installed now is the version that was there. */
  readonly isSame: boolean;
  /** What the version that was there had replaced is still kept. */
  readonly isEarlierThere: boolean;
  /** Where the version that was there is kept. */
  readonly keptAs?: string;
}

/** The version to go back to, as the new record tells it. One that can be gone back to is never given up for one that cannot. */
export function previousOf(
  before: InstallRecord | undefined,
  { keep, isSame, isEarlierThere, keptAs }: Replacing,
): Previous | undefined {
  if (before === undefined) return undefined;
  const { previous: earlier, ...body } = before;
  const isKept = keep && isEarlierThere;
  if (isSame) return isKept || earlier === undefined ? earlier : notKept(earlier);
  if (keptAs !== undefined) return { ...body, keptAs };
  return isKept && earlier !== undefined ? earlier : body;
}

function notKept({ keptAs: _, ...body }: Previous): Previous {
  return body;
}
