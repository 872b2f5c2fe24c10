import { errnoOf, messageOf, ProvisionError } from '../../core/errors.ts';
import { formatBytes, formatDuration } from '../../core/units.ts';
import { checkAnswer } from '../../net/answer.ts';
import { networkFault, shownUrl, statusFault } from '../../net/errors.ts';
import type { HttpReply } from '../../net/http.ts';
import { follow, type Reached, type Send } from '../../net/redirects.ts';
import { parseRetryAfter, RETRY, retryAfterOf } from '../../net/retry-policy.ts';
import type { RemoteFile } from '../contract.ts';
import type { DownloadEffects } from './contract.ts';
import { RequestFailure } from './errors.ts';
import type { DownloadLimits } from './limits.ts';

/** What TLS refuses is refused again. */
const CERTIFICATE = /^(CERT_|ERR_TLS_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(VERIFY|GET_ISSUER))/;

/** An answer that brings bytes of the file. */
export interface RangeReply {
  readonly body: AsyncIterable<Uint8Array>;
  /** Offset of the first byte of the body: 0 where the server gives no parts. */
  readonly start: number;
  /** Offset behind its last byte, where the server reports it. */
  readonly end: number | undefined;
  readonly ranged: boolean;
  /** What the server calls these bytes. */
  readonly validator: string | undefined;
  readonly url: URL;
  close(): Promise<void>;
}

export interface RangeRequest {
  readonly start: number;
  readonly end: number;
  /** Ask for a part; without, the whole file comes. */
  readonly ranged: boolean;
  /** What the bytes that are here were called. */
  readonly validator: string | undefined;
}

/** Asks a server for stretches of one file. Remembers where redirects led, and asks at the first address again when that goes stale. */
export class RangeClient {
  readonly #remote: RemoteFile;
  readonly #effects: DownloadEffects;
  readonly #limits: DownloadLimits;
  readonly #origin: URL;
  /** For the first address. */
  #secrets: Readonly<Record<string, string>>;
  #reached: Pick<Reached<HttpReply>, 'url' | 'headers' | 'from'> | undefined;

  constructor(remote: RemoteFile, effects: DownloadEffects, limits: DownloadLimits) {
    this.#remote = remote;
    this.#effects = effects;
    this.#limits = limits;
    const origin = URL.parse(remote.access.url);
    if (origin === null || !['http:', 'https:'].includes(origin.protocol)) {
      throw new ProvisionError('bad-usage', `${remote.ref} does not lead to a web address`);
    }
    this.#origin = origin;
    this.#secrets = remote.access.headers;
  }

  /** The address as messages show it. */
  get displayUrl(): string {
    return shownUrl(this.#origin);
  }

  /** Throws a `Failure`; the signal's reason where it was aborted. */
  async request(wanted: RangeRequest, signal: AbortSignal): Promise<RangeReply> {
    const reached = await this.#send(wanted, signal);
    try {
      return this.#accept(reached.url, reached.reply, wanted);
    } catch (error) {
      await reached.reply.close();
      throw error;
    }
  }

  /** The connection failed while the body was read. */
  failed(url: URL, thrown: unknown): RequestFailure {
    return asFailure(url, thrown);
  }

  /** The answer ended early without an error. */
  endedEarly(url: URL): RequestFailure {
    return asFailure(url, new Error('the answer ended early'));
  }

  /** The server sent more bytes than the file has. */
  tooLong(url: URL): RequestFailure {
    return this.#otherBytes(url, 'other-bytes', `more than the ${this.#remote.sizeBytes} bytes of the file arrived`);
  }

  /** Not needed any more. */
  stopped(): RequestFailure {
    return asFailure(this.#origin, new Error('the download ended'));
  }

  /** The connection was closed because it was too slow. */
  tooSlow(bytes: number, ms: number): RequestFailure {
    const what = `less than ${formatBytes(bytes)} arrived within ${formatDuration(ms)}`;
    const fault = new ProvisionError('network', `${this.displayUrl}: ${what}`, { suggestions: [] });
    return new RequestFailure('again', fault);
  }

  async #send(wanted: RangeRequest, signal: AbortSignal, renewed = false): Promise<Reached<HttpReply>> {
    const known = this.#reached;
    const first = known ?? { url: this.#origin, headers: this.#secrets, from: undefined };
    const reached = await this.#follow(first, wanted, signal);
    // An address that a redirect led to may be valid for minutes only.
    const { status } = reached.reply;
    const stale = status >= 400 && status < 500 && !RETRY.statuses.includes(status) && status !== 416;
    const renews = status === 401 && !renewed && this.#remote.access.renew !== undefined;
    if (!stale || (known === undefined && !renews)) {
      if (status < 400) this.#reached = { url: reached.url, headers: reached.headers, from: reached.from };
      return reached;
    }
    await reached.reply.close();
    this.#reached = undefined;
    if (renews) await this.#renew(signal);
    return this.#send(wanted, signal, renewed || renews);
  }

  async #renew(signal: AbortSignal): Promise<void> {
    try {
      this.#secrets = (await this.#remote.access.renew?.(signal)) ?? this.#secrets;
    } catch (thrown) {
      signal.throwIfAborted();
      throw asFailure(this.#origin, thrown);
    }
  }

  async #follow(
    { url, headers: secrets, from }: Pick<Reached<HttpReply>, 'url' | 'headers' | 'from'>,
    { start, end, ranged, validator }: RangeRequest,
    signal: AbortSignal,
  ): Promise<Reached<HttpReply>> {
    const { answerMs, silenceMs } = this.#limits;
    const range = ranged ? { range: `bytes=${start}-${end - 1}` } : {};
    const condition = ranged && start > 0 && validator !== undefined ? { 'if-range': validator } : {};
    const headers = { ...range, ...condition };
    // A redirect is judged by where the user sent us first, also when its target is known already.
    const send: Send<HttpReply> = (to, all, limit) =>
      this.#effects.http({
        method: 'GET',
        url: to.href,
        headers: all,
        ...limit,
        kind: 'transfer',
        limits: { answerMs, silenceMs },
        signal,
      });
    try {
      return await follow(send, url, secrets, headers, signal, from);
    } catch (thrown) {
      signal.throwIfAborted();
      // The next try follows the redirects again.
      this.#reached = undefined;
      throw asFailure(url, thrown);
    }
  }

  #accept(url: URL, reply: HttpReply, wanted: RangeRequest): RangeReply {
    const { status } = reply;
    if (status === 416)
      throw this.#otherBytes(url, 'no-ranges', 'the server does not serve parts of the file (HTTP 416)');
    if (status !== 200 && status !== 206) throw this.#refused(url, reply);
    const encoding = reply.header('content-encoding')?.trim().toLowerCase() ?? '';
    if (encoding !== '' && encoding !== 'identity') {
      throw this.#otherBytes(
        url,
        'final',
        `the answer is compressed (${encoding.slice(0, 20)}) although that was not requested`,
      );
    }
    const stretch = this.#stretchOf(url, reply, wanted.start);
    const { sizeBytes } = this.#remote;
    const size = stretch.fileBytes;
    if (size !== undefined && size !== sizeBytes) {
      throw this.#otherBytes(url, 'other-bytes', `the file there has ${size} bytes, not ${sizeBytes}`);
    }
    if (!stretch.ranged && wanted.start > 0) {
      throw this.#otherBytes(url, 'no-ranges', 'the server ignores range requests');
    }
    const validator = validatorOf(reply);
    if (stretch.ranged && wanted.validator !== undefined && validator !== undefined && validator !== wanted.validator) {
      throw this.#otherBytes(url, 'other-bytes', 'the file changed while it was read');
    }
    return { ...stretch, body: reply.body, validator, url, close: () => reply.close() };
  }

  #stretchOf(url: URL, reply: HttpReply, offset: number): ReturnType<typeof checkAnswer> {
    try {
      return checkAnswer(url, reply, offset);
    } catch (error) {
      if (!(error instanceof ProvisionError)) throw error;
      // A web page in place of the file is a matter of the way there; a wrong part is a matter of the bytes.
      const wrongPart = reply.status === 206 && !/html/i.test(reply.header('content-type') ?? '');
      throw wrongPart
        ? new RequestFailure('other-bytes', asMismatch(error.message, error))
        : new RequestFailure('final', error);
    }
  }

  #refused(url: URL, reply: HttpReply): RequestFailure {
    const { status } = reply;
    const retryAfter = retryAfterOf(reply);
    const fault = statusFault(url, status, retryAfter);
    if (!RETRY.statuses.includes(status)) return new RequestFailure('final', fault);
    const waitMs = parseRetryAfter(retryAfter, this.#effects.now());
    if (waitMs === undefined || waitMs <= this.#limits.retryAfterCapMs)
      return new RequestFailure('again', fault, waitMs);
    // A date too far in the future cannot be formatted.
    const until = new Date(this.#effects.now().getTime() + Math.min(waitMs, 1e15));
    const when =
      Number.isNaN(until.getTime()) || until.getUTCFullYear() > 9999 ? 'in many years' : `at ${until.toISOString()}`;
    const explained = new ProvisionError(fault.code, `${fault.message}; the server asks clients to retry ${when}`, {
      suggestions: ['Run the command again then, or download the file from another location.'],
    });
    return new RequestFailure('final', explained);
  }

  #otherBytes(url: URL, kind: 'no-ranges' | 'other-bytes' | 'final', what: string): RequestFailure {
    return new RequestFailure(kind, asMismatch(`${shownUrl(url)}: ${what}`));
  }
}

function asMismatch(message: string, cause?: unknown): ProvisionError {
  return new ProvisionError('digest-mismatch', message, {
    suggestions: ['Download the file from another location, or contact the operator of that server.'],
    ...(cause !== undefined && { cause }),
  });
}

function asFailure(url: URL, thrown: unknown): RequestFailure {
  if (thrown instanceof RequestFailure) return thrown;
  const fault = networkFault(url, thrown);
  const again = fault.code === 'network' && !CERTIFICATE.test(errnoOf(thrown) ?? '');
  if (!(thrown instanceof Error)) throw new TypeError(messageOf(thrown));
  return new RequestFailure(again ? 'again' : 'final', fault);
}

/** A weak ETag identifies equivalent content, not identical bytes. */
function validatorOf(reply: HttpReply): string | undefined {
  const etag = reply.header('etag');
  const validator = etag?.startsWith('"') === true ? etag : reply.header('last-modified');
  return validator !== undefined && validator.length <= 1024 ? validator : undefined;
}
