import * as z from 'zod';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import { checkDocument, parseBounded } from '../../core/parse.ts';
import { networkFault } from '../../net/errors.ts';
import { readBody, sendFollowing } from '../../net/follow.ts';
import type { Http, HttpReply } from '../../net/http.ts';
import { LARGEST_DOCUMENT } from '../../net/limits.ts';
import { type RemoteFile, requireExpected } from '../contract.ts';
import { type HubRequest, hubFault, isWebPage, notTheHub } from './errors.ts';
import { urlPath } from './reference.ts';

const Words = z.union([z.string(), z.array(z.string())]);

/** The metadata at the start of a model's README. It is written by hand, so fields of an unexpected form are ignored. */
const CardData = z.looseObject({
  license: Words.optional().catch(undefined),
  license_name: z.string().optional().catch(undefined),
  base_model: Words.optional().catch(undefined),
  quantized_by: z.string().optional().catch(undefined),
});
export type CardData = z.infer<typeof CardData>;

export const ModelAnswer = z.looseObject({
  sha: z.string().regex(/^[0-9a-f]{40}$/, 'must be a commit'),
  cardData: CardData.optional().catch(undefined),
  siblings: z.array(z.looseObject({ rfilename: z.string() })),
});

export const PathsAnswer = z
  .array(
    z.looseObject({
      path: z.string(),
      type: z.string(),
      size: z.int().nonnegative(),
      lfs: z
        .looseObject({
          oid: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256'),
          size: z.int().nonnegative(),
        })
        .optional(),
    }),
  )
  .max(1000);

/** A repository at one commit. */
export interface HubModel {
  readonly commit: string;
  /** Paths of all its files. */
  readonly files: readonly string[];
  readonly card: CardData | undefined;
}

/** A file at one commit. The SHA-256 is known of files in large-file storage alone. */
export interface HubFile {
  readonly sizeBytes: number;
  readonly sha256?: string;
}

/** What a revision means now, and which files it has. Throws as `hubFault` explains, `network`, `remote-fault`. */
export async function fetchHubModel(http: Http, asked: HubRequest, signal: AbortSignal): Promise<HubModel> {
  const path = `/api/models/${asked.repo}/revision/${encodeURIComponent(asked.revision)}`;
  const { value: answer } = await askHub(
    http,
    asked,
    { path: `${path}?expand=sha&expand=cardData&expand=siblings` },
    signal,
  );
  const { sha, siblings, cardData } = checked(ModelAnswer, answer, asked);
  return { commit: sha, files: siblings.map(({ rfilename }) => rfilename), card: cardData };
}

/** Size and digest of a file at a commit. Throws `source-not-found` and as `hubModel`. */
export async function fetchHubFile(
  http: Http,
  asked: HubRequest & { file: string },
  signal: AbortSignal,
): Promise<HubFile> {
  const path = `/api/models/${asked.repo}/paths-info/${encodeURIComponent(asked.revision)}`;
  const { value: answer } = await askHub(http, asked, { path, body: { paths: [asked.file] } }, signal);
  const found = checked(PathsAnswer, answer, asked).find(({ path, type }) => path === asked.file && type === 'file');
  if (found === undefined) {
    throw new ProvisionError('source-not-found', `${asked.repo} has no file ${asked.file} at ${asked.revision}.`);
  }
  return found.lfs === undefined ? { sizeBytes: found.size } : { sizeBytes: found.lfs.size, sha256: found.lfs.oid };
}

/** The address under which a file's bytes are asked for. */
export function resolveUrl({ endpoint, repo, revision }: HubRequest, file: string): string {
  return `${endpoint}/${repo}/resolve/${encodeURIComponent(revision)}/${urlPath(file)}`;
}

/** Redirects within the hub itself that are followed: a repository that was renamed, once or more often. */
const MOST_HOPS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * Checks that the file can be downloaded, and that the hub gives the file that it lists: a gated repository lists its files
 * publicly and refuses only their content. Every answer of the hub itself is looked at: one for a renamed repository says
 * nothing of the file, the next one does (`X-Linked-Etag` is its SHA-256, `X-Linked-Size` its size). Its storage on another
 * host is not asked. A mirror that does not support such requests passes. Throws as `hubFault` explains,
 * `digest-mismatch`, `network`.
 */
export async function requireReadable(
  http: Http,
  asked: HubRequest,
  file: Pick<RemoteFile, 'ref' | 'digest' | 'sizeBytes' | 'access'>,
  signal: AbortSignal,
): Promise<void> {
  const headers = { 'accept-encoding': 'identity', ...tokenHeader(asked) };
  let url = new URL(file.access.url);
  for (let hop = 0; hop < MOST_HOPS; hop += 1) {
    const reply = await http({ method: 'HEAD', url: url.href, headers, signal }).catch((thrown: unknown) => {
      signal.throwIfAborted();
      throw networkFault(url, thrown);
    });
    await reply.close();
    if ([401, 403, 404, 410, 429].includes(reply.status)) throw hubFault(reply, asked);
    requireExpected(linkedFile(file, reply), file);
    const next = REDIRECTS.includes(reply.status) ? URL.parse(reply.header('location') ?? '', url.href) : null;
    if (next === null || next.origin !== url.origin) return;
    url = next;
  }
}

/** What the headers of an answer say of the file behind it; what they do not say is taken as expected. */
function linkedFile({ ref, digest, sizeBytes }: Pick<RemoteFile, 'ref' | 'digest' | 'sizeBytes'>, reply: HttpReply) {
  const hex = /^(?:W\/)?"?([0-9a-f]{64})"?$/i.exec(reply.header('x-linked-etag')?.trim() ?? '')?.[1];
  const size = /^\d{1,16}$/.exec(reply.header('x-linked-size')?.trim() ?? '')?.[0];
  return {
    ref,
    digest: hex === undefined ? digest : (`sha256:${hex.toLowerCase()}` as const),
    sizeBytes: size === undefined ? sizeBytes : Number(size),
  };
}

/** What the hub's API said. */
export interface HubAnswer {
  readonly value: unknown;
  /** Where it was said: a repository that was renamed answers under its new name. */
  readonly url: URL;
  /** The header that names the next page. */
  readonly link: string | undefined;
}

/**
 * One question to the hub's API, with the token for the hub alone. A body makes it a POST. Throws as `hubFault` explains,
 * `network`, `remote-fault`.
 */
export async function askHub(
  http: Http,
  asked: HubRequest,
  { path, body }: { readonly path: string; readonly body?: object },
  signal: AbortSignal,
): Promise<HubAnswer> {
  const url = new URL(`${asked.endpoint}${path}`);
  const sent = body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const secrets = tokenHeader(asked);
  const { reply, url: answered } = await sendFollowing(http, {
    method: body ? 'POST' : 'GET',
    url,
    secrets,
    ...sent,
    signal,
  });
  try {
    const text = (await readBody(url, reply, LARGEST_DOCUMENT, signal)).toString('utf8');
    const { status } = reply;
    if (status < 200 || status > 299) throw hubFault({ status, header: reply.header, said: errorIn(text) }, asked);
    if (isWebPage(reply)) throw notTheHub(asked, 'a web page');
    return { value: parseAnswer(text, asked), url: answered, link: reply.header('link') };
  } finally {
    await reply.close();
  }
}

function parseAnswer(text: string, asked: HubRequest): unknown {
  try {
    return parseBounded(text);
  } catch (error) {
    throw notTheHub(asked, `something else: ${messageOf(error)}`, error);
  }
}

/** An answer in the form that it must have. Throws `remote-fault`. */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  answer: unknown,
  asked: HubRequest,
): z.output<Schema> {
  try {
    return checkDocument(schema, answer, { name: 'The answer', code: 'remote-fault' });
  } catch (error) {
    throw notTheHub(asked, `something else: ${messageOf(error)}`, error);
  }
}

/** The header that says who asks. */
export function tokenHeader({ token }: Pick<HubRequest, 'token'>): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token.value}` };
}

/** `{"error": "…"}`, the form of the hub's errors. */
function errorIn(text: string): string {
  try {
    const answer: unknown = JSON.parse(text);
    const said = typeof answer === 'object' && answer !== null && 'error' in answer ? answer.error : '';
    return typeof said === 'string' ? said : '';
  } catch {
    return '';
  }
}
