import type * as z from 'zod';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import { checkDocument } from '../../core/parse.ts';
import { networkFault } from '../../net/errors.ts';
import type { Http } from '../../net/http.ts';
import { type Asked, hubFault } from './faults.ts';
import { hubFetch, tokenHeader } from './fetch.ts';
import { urlPath } from './reference.ts';
import { type CardData, ModelAnswer, PathsAnswer } from './schema.ts';

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
export async function hubModel(http: Http, asked: Asked, signal: AbortSignal): Promise<HubModel> {
  const { modelInfo } = await import('@huggingface/hub');
  const answer = await called(asked, signal, () =>
    modelInfo({
      name: asked.repo,
      revision: asked.revision,
      additionalFields: ['sha', 'cardData', 'filePaths'],
      hubUrl: asked.endpoint,
      fetch: hubFetch(http, asked, signal),
    }),
  );
  const { sha, filePaths, cardData } = checked(ModelAnswer, answer, asked);
  return { commit: sha, files: filePaths, card: cardData };
}

/** Size and digest of a file at a commit. Throws `source-not-found` and as `hubModel`. */
export async function hubFile(http: Http, asked: Asked & { file: string }, signal: AbortSignal): Promise<HubFile> {
  const { pathsInfo } = await import('@huggingface/hub');
  const answer = await called(asked, signal, () =>
    pathsInfo({
      repo: { type: 'model', name: asked.repo },
      paths: [asked.file],
      revision: asked.revision,
      hubUrl: asked.endpoint,
      fetch: hubFetch(http, asked, signal),
    }),
  );
  const found = checked(PathsAnswer, answer, asked).find(({ path, type }) => path === asked.file && type === 'file');
  if (found === undefined) {
    throw new ProvisionError('source-not-found', `${asked.repo} has no file ${asked.file} at ${asked.revision}.`);
  }
  return found.lfs === undefined ? { sizeBytes: found.size } : { sizeBytes: found.lfs.size, sha256: found.lfs.oid };
}

/** The address under which a file's bytes are asked for. */
export function resolveUrl({ endpoint, repo, revision }: Asked, file: string): string {
  return `${endpoint}/${repo}/resolve/${encodeURIComponent(revision)}/${urlPath(file)}`;
}

/**
 * Asks whether the bytes may be had: a gated repository tells everybody what it holds, and refuses only the files.
 * A mirror that does not know such requests is no obstacle. Throws as `hubFault` explains, `network`.
 */
export async function requireReadable(http: Http, asked: Asked, url: string, signal: AbortSignal): Promise<void> {
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

async function called<Answer>(asked: Asked, signal: AbortSignal, call: () => Promise<Answer>): Promise<Answer> {
  try {
    return await call();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ProvisionError) throw error;
    throw notTheHub(asked, messageOf(error), error);
  }
}

function checked<Schema extends z.ZodType>(schema: Schema, answer: unknown, asked: Asked): z.output<Schema> {
  try {
    return checkDocument(schema, answer, { name: 'The answer', code: 'remote-fault' });
  } catch (error) {
    throw notTheHub(asked, messageOf(error), error);
  }
}

function notTheHub({ endpoint, repo }: Asked, why: string, cause: unknown): ProvisionError {
  return new ProvisionError('remote-fault', `${endpoint} did not answer about ${repo} as a hub does: ${why}`, {
    cause,
    suggestions: ['Check HF_ENDPOINT: it must be the base address of the Hugging Face hub or of a mirror of it.'],
  });
}
