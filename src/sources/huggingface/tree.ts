/** Everything that a repository of the hub holds: its branches and tags, and all files at a revision with their digests. */
import * as z from 'zod';
import type { Http } from '../../net/http.ts';
import { type HubRequest, notTheHub } from './errors.ts';
import { askHub, checked, type HubFile } from './hub.ts';

/** Repositories have hundreds of files; more pages than these of a thousand entries are something else. */
const MOST_PAGES = 100;

/** Of all pages together: every path is held in memory. */
const MOST_FILES = 20_000;

const Commit = z.string().regex(/^[0-9a-f]{40}$/, 'must be a commit');
const Refs = z.array(z.looseObject({ name: z.string().max(256), targetCommit: Commit })).max(10_000);
const RefsAnswer = z.looseObject({ branches: Refs, tags: Refs.optional() });

const TreeAnswer = z
  .array(
    z.looseObject({
      type: z.string(),
      path: z.string().max(1024),
      size: z.int().nonnegative().optional(),
      lfs: z
        .looseObject({
          oid: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256'),
          size: z.int().nonnegative(),
        })
        .optional(),
    }),
  )
  .max(10_000);

export interface HubRefs {
  /** Branch or tag → the commit that it means now. */
  readonly commits: ReadonlyMap<string, string>;
  /** Another name that the repository has now. */
  readonly renamed?: string;
}

/** What the branches and tags of a repository mean now. Throws as `askHub`. */
export async function fetchHubRefs(http: Http, asked: HubRequest, signal: AbortSignal): Promise<HubRefs> {
  const { value, url } = await askHub(http, asked, { path: `/api/models/${asked.repo}/refs` }, signal);
  const { branches, tags = [] } = checked(RefsAnswer, value, asked);
  const repo = /\/api\/models\/([^/]+\/[^/]+)\/refs$/.exec(url.pathname)?.[1];
  const commits = new Map([...tags, ...branches].map(({ name, targetCommit }) => [name, targetCommit]));
  return { commits, ...(repo !== undefined && repo !== asked.repo && { renamed: repo }) };
}

/** Path → size and SHA-256 of every file at a revision, page by page. Throws as `askHub`. */
export async function fetchHubTree(http: Http, asked: HubRequest, signal: AbortSignal): Promise<Map<string, HubFile>> {
  const { repo, revision } = asked;
  const files = new Map<string, HubFile>();
  let path: string | undefined = `/api/models/${repo}/tree/${encodeURIComponent(revision)}?recursive=true`;
  for (let page = 0; path !== undefined; page += 1) {
    if (page === MOST_PAGES) throw notTheHub(asked, `more than ${MOST_PAGES} pages of files`);
    const { value, link, url } = await askHub(http, asked, { path }, signal);
    for (const entry of checked(TreeAnswer, value, asked)) {
      if (entry.type !== 'file') continue;
      const { lfs, size = 0 } = entry;
      if (files.size === MOST_FILES) throw notTheHub(asked, `more than ${MOST_FILES} files`);
      files.set(entry.path, lfs === undefined ? { sizeBytes: size } : { sizeBytes: lfs.size, sha256: lfs.oid });
    }
    path = nextPage(link, url);
  }
  return files;
}

/** The address behind `rel="next"` as a path below the endpoint: the next page is asked for at the endpoint, whatever host is named. */
function nextPage(link: string | undefined, answered: URL): string | undefined {
  const target = /<([^<>]{1,4096})>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1];
  const next = target === undefined ? null : URL.parse(target, answered.href);
  // A mirror below a path may repeat the hub's own addresses: what counts is the part that names the page.
  const api = next === null ? -1 : next.pathname.indexOf('/api/models/');
  if (next === null || api < 0) return undefined;
  return next.pathname.slice(api) + next.search;
}
