/** From a version and a server's behaviour to verdicts. */
import { type CheckTarget, checkServer } from '../../compat/check.ts';
import { versionWarnings } from '../../compat/lookup.ts';
import { matrix } from '../../compat/matrix.ts';
import type { Verdict } from '../../compat/verdict.ts';
import { compareNumbers, numbersOf, parseServerVersion, type VersionNumbers } from '../../compat/version.ts';
import type { Evidence } from './evidence.ts';

/** True for a version that the matrix does not cover: unknown, custom, or newer than the newest it knows. */
export function isDoubtful(version: string): boolean {
  const { kind, numbers } = parseServerVersion(version);
  return numbers === undefined || kind === 'custom' || compareNumbers(numbers, numbersOf(matrix().newestKnown)) > 0;
}

export interface Judged {
  readonly verdicts: readonly Verdict[];
  /** Warnings about the version, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * The verdicts of the version's row, and one for each thing that was probed. Where behaviour contradicts the version,
 * behaviour wins: the server is judged as the release nearest to its word that behaves so.
 */
export function judge(version: string, target: CheckTarget | undefined, evidence: readonly Evidence[]): Judged {
  const word = parseServerVersion(version).numbers ?? numbersOf(matrix().newestKnown);
  const { since, until } = boundsOf(evidence);
  const tooOld = since !== undefined && compareNumbers(word, numbersOf(since)) < 0 ? since : undefined;
  const tooNew = until !== undefined && compareNumbers(word, numbersOf(until)) > 0 ? until : undefined;
  // Evidence that contradicts itself (a proxy before several servers) proves least in what is new: the older end counts.
  const judged = tooNew ?? tooOld;
  const verdicts = checkServer(judged ?? version, target);
  const needed = target === undefined ? undefined : sinceOf(verdicts, target);
  const probed = evidence.map((each) => probeVerdict(each, { version, word, judged, needed }));
  return { verdicts: [...verdicts, ...probed], warnings: warningsOf(version, judged) };
}

function warningsOf(version: string, judged: string | undefined): string[] {
  if (judged === undefined) return versionWarnings(parseServerVersion(version), matrix());
  return [
    `The server reports the version ${JSON.stringify(version)}, but does not behave like it; it is treated as Ollama ${judged}.`,
  ];
}

/** The narrowest range that all the evidence allows. */
function boundsOf(evidence: readonly Evidence[]): { since?: string; until?: string } {
  const since = evidence
    .flatMap((each) => each.since ?? [])
    .sort(byRelease)
    .at(-1);
  const until = evidence
    .flatMap((each) => each.until ?? [])
    .sort(byRelease)
    .at(0);
  return { ...(since !== undefined && { since }), ...(until !== undefined && { until }) };
}

function byRelease(a: string, b: string): number {
  return compareNumbers(numbersOf(a), numbersOf(b));
}

interface Judgement {
  readonly version: string;
  readonly word: VersionNumbers;
  /** The release that the server is judged as, where its behaviour contradicts its word. */
  readonly judged: string | undefined;
  /** What the architecture needs, and since when servers have it. */
  readonly needed: { readonly architecture: string; readonly since: string } | undefined;
}

function probeVerdict({ id, seen, since, until }: Evidence, { version, word, judged, needed }: Judgement): Verdict {
  const range = rangeText(since, until);
  const agrees =
    (since === undefined || compareNumbers(word, numbersOf(since)) >= 0) &&
    (until === undefined || compareNumbers(word, numbersOf(until)) <= 0);
  const base = {
    id: `probe.${id}`,
    blocking: false,
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    basis: 'live',
  } as const;
  if (agrees) {
    const proven = needed !== undefined && since !== undefined && byRelease(since, needed.since) >= 0;
    const proof = proven ? `, and ${needed.architecture} came with ${needed.since}` : '';
    return { ...base, ok: true, reason: `The server ${seen}, as ${range} does${proof}.` };
  }
  const taken = judged === undefined ? '' : `; it is treated as Ollama ${judged}`;
  return {
    ...base,
    ok: false,
    reason: `The server reports the version ${JSON.stringify(version)}, but ${seen}, as only ${range} does${taken}.`,
    remedy: 'If you know which release it is built from, run the check again with --server-version V.',
  };
}

function rangeText(since: string | undefined, until: string | undefined): string {
  if (since === undefined) return `Ollama up to ${until}`;
  return until === undefined ? `Ollama ${since} or later` : `Ollama ${since} to ${until}`;
}

function sinceOf(verdicts: readonly Verdict[], { architecture }: CheckTarget): Judgement['needed'] {
  const since = verdicts.find(({ id }) => id === `architecture.${architecture}`)?.since;
  return since === undefined ? undefined : { architecture, since };
}
