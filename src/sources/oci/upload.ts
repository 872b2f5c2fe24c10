/** Putting blobs and manifests into a repository. */
import { createHash } from 'node:crypto';
import type { Digest } from '../../core/digest.ts';
import { digestOf } from '../../core/digest.ts';
import { messageOf, ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { networkFault, shownUrl } from '../../net/errors.ts';
import type { HttpReply } from '../../net/http.ts';
import { mayLead, type Reach, reachOfHost } from '../../net/reach.ts';
import { backoffMs } from '../../net/retry-policy.ts';
import { contentMismatch, type Repository, unexpectedAnswer } from './client.ts';
import type { OciOptions } from './session.ts';
import { type Session, shortBody } from './session.ts';

export interface UploadOptions extends Pick<OciOptions, 'http'> {
  /** Rejects with the signal's reason when it is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** Bytes to upload; each try opens them again. */
export interface UploadBlob {
  readonly digest: Digest;
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

const TRIES = 4;

/**
 * Uploads a blob unless the registry has it; returns the bytes sent, those of broken tries included. A try that breaks is
 * made again, at most four times. Progress under the id `upload`. Throws `network`, `remote-fault`, `unauthorised`,
 * `unsafe-redirect`, `digest-mismatch` (the bytes are not what was announced).
 */
export async function* uploadBlob(
  options: UploadOptions,
  repository: Repository,
  blob: UploadBlob,
  signal: AbortSignal,
): Work<number> {
  if (await repository.has(blob.digest, signal)) return 0;
  const sent = { bytes: 0 };
  for (let tried = 1; ; tried += 1) {
    try {
      yield* uploadOnce(options, repository.session, blob, sent, signal);
      return sent.bytes;
    } catch (error) {
      signal.throwIfAborted();
      if (tried >= TRIES || !isPassing(error)) throw error;
      yield { type: 'warning', message: `The upload failed (${messageOf(error)}); retrying.` };
      await options.sleep(backoffMs(tried, options.random), signal);
      // The answer alone may have been lost.
      if (await repository.has(blob.digest, signal)) return sent.bytes;
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof ProvisionError && ['network', 'remote-fault'].includes(error.code);
}

async function* uploadOnce(
  { http }: UploadOptions,
  session: Session,
  blob: UploadBlob,
  sent: { bytes: number },
  signal: AbortSignal,
): Work<void> {
  const target = await startUpload(session, signal);
  target.url.searchParams.set('digest', blob.digest);
  const ended = new AbortController();
  const events = new Progress(blob.size);
  const request = http({
    method: 'PUT',
    url: target.url.href,
    headers: { ...target.headers, 'content-type': 'application/octet-stream', 'content-length': String(blob.size) },
    body: counted(blob, events, sent),
    kind: 'publication',
    ...(target.from && { from: target.from }),
    signal: AbortSignal.any([signal, ended.signal]),
  });
  try {
    const outcome = request.then(
      (reply) => ({ reply }),
      (thrown: unknown) => ({ thrown }),
    );
    yield* events.until(outcome);
    const answered = await outcome;
    if ('thrown' in answered) {
      if (answered.thrown instanceof ProvisionError) throw answered.thrown;
      throw networkFault(target.url, answered.thrown);
    }
    await requireCreated(session, target.url, answered.reply, `the upload to ${session.place}`, signal);
  } finally {
    // Stops sending when the work was cancelled; a completed request is not affected.
    ended.abort();
  }
}

interface Target {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly from?: Reach;
}

/** Where the registry wants the bytes. Another host gets no login of ours, and is not trusted with less than the registry. */
async function startUpload(session: Session, signal: AbortSignal): Promise<Target> {
  const url = await session.url('blobs/uploads/', signal);
  const answer = await session.send({ method: 'POST', url, headers: { 'content-length': '0' }, signal });
  if (answer.reply.status !== 202) throw await session.fault(answer, 'an upload address', signal);
  await answer.reply.close();
  const location = answer.reply.header('location');
  const target = location === undefined ? null : URL.parse(location, answer.url.href);
  if (target === null || !['http:', 'https:'].includes(target.protocol))
    throw unexpectedAnswer(url, 'the registry does not say where to upload to');
  target.username = '';
  target.password = '';
  const reach = answer.reply.reach ?? reachOfHost(answer.url.hostname);
  const isElsewhere = target.origin !== url.origin;
  const isUnsafe =
    (url.protocol === 'https:' && target.protocol === 'http:') || !mayLead(reach, reachOfHost(target.hostname));
  if (isElsewhere && isUnsafe) {
    throw new ProvisionError(
      'unsafe-redirect',
      `${session.place}: the registry redirects uploads to ${shownUrl(target)}`,
      {
        suggestions: ['If you run that registry, correct the address that it gives to its clients.'],
      },
    );
  }
  return isElsewhere ? { url: target, headers: {}, from: reach } : { url: target, headers: session.secrets };
}

/** Registries answer 201; one that knows the manifest already may say 200. */
async function requireCreated(
  session: Session,
  url: URL,
  reply: HttpReply,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  if (reply.status === 201 || reply.status === 200 || reply.status === 204) return reply.close();
  const body = await shortBody(url, reply, signal);
  throw await session.refused({ status: reply.status, header: (name) => reply.header(name), body }, what);
}

/**
 * Names what was uploaded; tried again as {@link uploadBlob} is, and throws the same. True where the registry lists it
 * among the referrers of its subject.
 */
export async function putManifest(
  options: UploadOptions,
  repository: Repository,
  manifest: NamedManifest,
  signal: AbortSignal,
): Promise<boolean> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await putManifestOnce(repository, manifest, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (tried >= TRIES || !isPassing(error)) throw error;
      await options.sleep(backoffMs(tried, options.random), signal);
    }
  }
}

export interface NamedManifest {
  /** JSON in UTF-8. */
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  /** A tag, or the manifest's own digest. */
  readonly version: string;
}

/** After a long upload the token may have run out, so this asks as a question does: it logs in again where it must. */
async function putManifestOnce(
  { session }: Repository,
  manifest: NamedManifest,
  signal: AbortSignal,
): Promise<boolean> {
  const { bytes, mediaType, version } = manifest;
  const url = await session.url(`manifests/${version}`, signal);
  const body = Buffer.from(bytes).toString('utf8');
  const { reply } = await session.send({ method: 'PUT', url, headers: { 'content-type': mediaType }, body, signal });
  await requireCreated(session, url, reply, `the manifest ${version}`, signal);
  const declaredDigest = reply.header('docker-content-digest');
  const digest = digestOf(bytes);
  if (declaredDigest?.startsWith('sha256:') && declaredDigest !== digest)
    throw contentMismatch(`${session.place}: the manifest`, digest, declaredDigest);
  return reply.header('oci-subject') !== undefined;
}

async function* counted(
  blob: UploadBlob,
  events: Progress,
  sent: { bytes: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256');
  let done = 0;
  for await (const chunk of blob.open()) {
    hash.update(chunk);
    done += chunk.length;
    const got = done < blob.size ? undefined : (`sha256:${hash.copy().digest('hex')}` as const);
    // The last bytes are not sent when the digest is wrong, so the registry never receives the complete blob.
    if (done > blob.size || (got !== undefined && got !== blob.digest))
      throw contentMismatch('The upload', blob.digest, got ?? 'more bytes');
    yield chunk;
    sent.bytes += chunk.length;
    events.report(done);
  }
  if (done < blob.size) throw contentMismatch('The upload', blob.digest, `${done} of ${blob.size} bytes`);
}

/** Reports what the body's reader has seen to the driver of the work: the newest count, not every one. */
class Progress {
  readonly #total: number;
  #done = 0;
  #wake: () => void = () => {};

  constructor(total: number) {
    this.#total = total;
  }

  report(done: number): void {
    this.#done = done;
    this.#wake();
  }

  async *until(ended: Promise<unknown>): Work<void> {
    let reported = -1;
    let isOver = false;
    const over = ended.then(() => {
      isOver = true;
    });
    while (!isOver) {
      const moved = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.#done !== reported) {
        reported = this.#done;
        yield { type: 'bytes', id: 'upload', done: reported, total: this.#total };
      }
      await Promise.race([moved, over]);
    }
  }
}
