import * as z from 'zod';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import { checkDocument, parseBounded } from '../../core/parse.ts';
import { networkFault } from '../../net/errors.ts';
import { readBody, sendFollowing } from '../../net/follow.ts';
import type { Http } from '../../net/http.ts';
import { LARGEST_DOCUMENT } from '../../net/limits.ts';
import { type HubRequest, hubFault } from './errors.ts';
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

/**
 * Checks that the file can be downloaded: a gated repository lists its files publicly and refuses only their content.
 * A mirror that does not support such requests passes. Throws as `hubFault` explains, `network`.
 */
export async function requireReadable(http: Http, asked: HubRequest, url: string, signal: AbortSignal): Promise<void> {
  const headers = { 'accept-encoding': 'identity', ...tokenHeader(asked) };
  const reply = await http({ method: 'HEAD', url, headers, signal }).catch((thrown: unknown) => {
    signal.throwIfAborted();
    throw thrown instanceof ProvisionError ? thrown : networkFault(new URL(url), thrown);
  });
  await reply.close();
  if ([401, 403, 404, 410, 429].includes(reply.status)) {
    throw hubFault({ status: reply.status, header: (name) => reply.header(name) }, asked);
  }
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
    return { value: parseAnswer(text, asked), url: answered, link: reply.header('link') };
  } finally {
    await reply.close();
  }
}

function parseAnswer(text: string, asked: HubRequest): unknown {
  try {
    return parseBounded(text);
  } catch (error) {
    throw notTheHub(asked, messageOf(error), error);
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
    throw notTheHub(asked, messageOf(error), error);
  }
}

export function notTheHub({ endpoint, repo }: HubRequest, why: string, cause: unknown): ProvisionError {
  return new ProvisionError('remote-fault', `${endpoint} did not return a valid answer about ${repo}: ${why}`, {
    cause,
    suggestions: ['Check HF_ENDPOINT: it must be the base address of the Hugging Face hub or of a mirror of it.'],
  });
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
