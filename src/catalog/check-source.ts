/**
 * Checks that the sources of a catalog are pinned (by digest or commit) and use an encrypted connection. A branch of the
 * hub may stand for a repository whose commit is not known yet: the plan resolves it to a commit, a size and a SHA-256
 * before anything is fetched, says so, and the record and `lock` keep what it was.
 */
import type { Issue } from '../core/parse.ts';
import { type Item, issueAt, itemsAt, member, type Path, repeats, textAt } from './json-access.ts';

/** `file`: a quant or a projector. */
export function sourceIssues(file: unknown, path: Path): Issue[] {
  const sources = itemsAt(file, 'sources', path);
  const pinned = textAt(file, 'digest') !== undefined;
  return [...repeats(sources, 'ref', 'the source'), ...sources.flatMap((source) => refIssues(source, pinned))];
}

/** What `catalog refresh` puts in place of a source must be as good as a source. */
export function sourceUpdateIssues(document: unknown): Issue[] {
  const updates = itemsAt(document, 'sourceUpdates', []);
  return [
    ...repeats(updates, 'was', 'the source'),
    ...updates.flatMap(({ value, path }) => refIssues({ value: member(value, 'now'), path: [...path, 'now'] }, false)),
  ];
}

/** `pinned`: the file has a digest, which holds for every source that has none of its own. */
function refIssues({ value, path }: Item, pinned: boolean): Issue[] {
  const ref = textAt(value, 'ref');
  if (ref === undefined) return [];
  const at = [...path, 'ref'];
  const address = ref.startsWith('https:') ? URL.parse(ref) : undefined;
  if (address === null || (address !== undefined && address.hostname === ''))
    return [issueAt(at, 'is not a valid address')];
  if (address !== undefined && (address.username !== '' || address.password !== ''))
    return [issueAt(at, 'must not contain a user name or a password')];
  if (pinned || textAt(value, 'digest') !== undefined || namesItsBytes(ref)) return [];
  return [issueAt(path, `requires a digest: ${describe(ref)}`)];
}

/** True where the bytes can be told before a download: a revision of the hub, whose API has the SHA-256, or a manifest's digest. */
function namesItsBytes(ref: string): boolean {
  return /^hf:[^@]+@[^@/]+\/./.test(ref) || /^oci:[^@]+@sha256:[0-9a-f]{64}$/.test(ref);
}

function describe(ref: string): string {
  if (ref.startsWith('hf:')) return 'without a digest, @ and a revision (a commit of 40 digits, or main) must be given';
  if (ref.startsWith('oci:')) return 'without a digest, or @sha256:…, the file can change';
  return 'the file on a web server can change';
}
