/** What the hub has now under the references of a catalog: one look at the refs and the tree of each repository. */
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Http } from '../../net/http.ts';
import { type HubRequest, hubFault } from './errors.ts';
import type { HubFile } from './hub.ts';
import { formatHubRef, isCommit, parseHubRef } from './reference.ts';
import { fetchHubRefs, fetchHubTree, type HubRefs } from './tree.ts';

export interface PinnedSource {
  readonly ref: string;
  readonly digest?: Digest | undefined;
  readonly sizeBytes?: number | undefined;
}

/**
 * `pinned`: a branch became its commit. `completed`: the same bytes, with a digest, a size or a name of the repository that
 * was not known. `moved`: the branch has other bytes now. `vanished`: nothing can be fetched from there any more.
 */
export type Renewal =
  | { readonly kind: 'unchanged'; readonly before: PinnedSource }
  | {
      readonly kind: 'pinned' | 'completed' | 'moved';
      readonly before: PinnedSource;
      readonly after: Required<PinnedSource>;
    }
  | { readonly kind: 'vanished'; readonly before: PinnedSource; readonly why: string };

interface Repository {
  readonly asked: HubRequest;
  readonly refs: HubRefs;
  /** The tree of each commit, asked for once; undefined for a commit that is not there any more. */
  tree(commit: string): Promise<ReadonlyMap<string, HubFile> | undefined>;
}

/**
 * Compares all sources of one repository with what it holds on its main branch. A repository that is not there, or not for
 * this user, makes all its sources vanish. Throws `network`, `remote-fault`, and `unauthorised` for a token that is not valid.
 */
export async function renewSources(
  http: Http,
  asked: HubRequest,
  sources: readonly PinnedSource[],
  signal: AbortSignal,
): Promise<Renewal[]> {
  const refs = await fetchHubRefs(http, asked, signal).catch((thrown: unknown) => whyGone(thrown));
  if (typeof refs === 'string') return sources.map((before) => ({ kind: 'vanished', before, why: refs }));
  const trees = new Map<string, Promise<ReadonlyMap<string, HubFile> | undefined>>();
  const at = refs.renamed === undefined ? asked : { ...asked, repo: refs.renamed };
  const tree = (commit: string) => {
    const known = trees.get(commit) ?? treeOrNothing(http, { ...at, revision: commit }, signal);
    trees.set(commit, known);
    return known;
  };
  const renewals: Renewal[] = [];
  for (const source of sources) renewals.push(await renew(source, { asked: at, refs, tree }));
  return renewals;
}

/** The reason, for what is gone or hidden; every other failure says nothing about the sources. */
function whyGone(thrown: unknown): string {
  if (thrown instanceof ProvisionError && thrown.code === 'source-not-found') return thrown.message;
  throw thrown;
}

function treeOrNothing(http: Http, asked: HubRequest, signal: AbortSignal) {
  return fetchHubTree(http, asked, signal).catch((thrown: unknown) => {
    whyGone(thrown);
    return undefined;
  });
}

async function renew(source: PinnedSource, { asked, refs, tree }: Repository): Promise<Renewal> {
  const { revision, file = '' } = parseHubRef(source.ref);
  const fixed = isCommit(revision);
  const head = fixed ? (mainOf(refs) ?? revision) : refs.commits.get(revision);
  if (head === undefined)
    return { kind: 'vanished', before: source, why: gone({ ...asked, revision }, 'RevisionNotFound') };
  const own = fixed && source.digest === undefined ? (await tree(revision))?.get(file) : undefined;
  const before = own?.sha256 === undefined ? source : { ...source, ...factsOf(own) };
  const found = (await tree(head))?.get(file);
  const facts = found && factsOf(found);
  if (facts === undefined) {
    const why =
      found === undefined
        ? gone({ ...asked, revision: head, file }, 'EntryNotFound')
        : `${asked.repo} has no SHA-256 for ${file} at ${head}.`;
    return { kind: 'vanished', before, why };
  }
  const same = facts.digest === before.digest;
  const commit = same && fixed ? revision : head;
  const after = { ref: formatHubRef({ repo: asked.repo, revision: commit, file }), ...facts };
  if (!same && before.digest !== undefined) return { kind: 'moved', before, after };
  if (!same && fixed) return { kind: 'moved', before, after };
  if (!fixed) return { kind: 'pinned', before, after };
  const complete = source.digest === after.digest && source.sizeBytes === after.sizeBytes && refs.renamed === undefined;
  return complete ? { kind: 'unchanged', before } : { kind: 'completed', before, after };
}

function mainOf({ commits }: HubRefs): string | undefined {
  return commits.get('main') ?? commits.get('master');
}

function factsOf({ sha256, sizeBytes }: HubFile): { digest: Digest; sizeBytes: number } | undefined {
  return sha256 === undefined ? undefined : { digest: `sha256:${sha256}`, sizeBytes };
}

/** In the words that an install would use. */
function gone(asked: HubRequest, code: string): string {
  return hubFault({ status: 404, header: (name) => (name === 'x-error-code' ? code : undefined) }, asked).message;
}
