import { createHash } from 'node:crypto';
import type { Digest } from '../../core/digest.ts';
import type { RemoteFile } from '../contract.ts';
import type { DownloadEffects } from './contract.ts';
import { describeFailure, downloadedDigestMismatch, RequestFailure } from './errors.ts';
import type { DownloadLimits } from './limits.ts';
import { RangeClient, type RangeReply } from './range-client.ts';
import { RetryPolicy } from './retry-policy.ts';

/** The bytes of a file in order; a connection that breaks is made again where it broke. */
export async function* streamFile(
  effects: DownloadEffects,
  limits: DownloadLimits,
  remote: RemoteFile,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  signal.throwIfAborted();
  const streaming = new Streaming(effects, limits, remote, signal);
  const hash = createHash('sha256');
  // The last chunk is passed on only after the digest of all of them was checked.
  let last: Uint8Array | undefined;
  for await (const chunk of streaming.chunks()) {
    if (last !== undefined) yield last;
    hash.update(chunk);
    last = chunk;
  }
  const got: Digest = `sha256:${hash.digest('hex')}`;
  if (got !== remote.digest) throw downloadedDigestMismatch(remote, streaming.shown, got);
  if (last !== undefined) yield last;
}

class Streaming {
  readonly #effects: DownloadEffects;
  readonly #limits: DownloadLimits;
  readonly #remote: RemoteFile;
  readonly #signal: AbortSignal;
  readonly #client: RangeClient;
  readonly #retryPolicy: RetryPolicy;
  #position = 0;
  #moved = 0;
  #validator: string | undefined;
  #ranged = true;

  constructor(effects: DownloadEffects, limits: DownloadLimits, remote: RemoteFile, signal: AbortSignal) {
    this.#effects = effects;
    this.#limits = limits;
    this.#remote = remote;
    this.#signal = signal;
    this.#client = new RangeClient(remote, effects, limits);
    this.#retryPolicy = new RetryPolicy(effects, limits, 0, 0);
  }

  get shown(): string {
    return this.#client.displayUrl;
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#position < this.#remote.sizeBytes) {
      try {
        yield* this.#once();
      } catch (error) {
        this.#signal.throwIfAborted();
        await this.#afterwards(error);
      }
    }
  }

  /** What one request brings. */
  async *#once(): AsyncGenerator<Uint8Array, void, undefined> {
    const { sizeBytes } = this.#remote;
    const start = this.#ranged ? this.#position : 0;
    const wanted = { start, end: sizeBytes, ranged: this.#ranged, validator: this.#validator };
    const opened = await this.#client.request(wanted, this.#signal);
    const watch = new Drip(this.#effects, this.#limits, this.#client);
    try {
      this.#validator = opened.validator;
      let at = opened.start;
      for await (const chunk of this.#body(opened)) {
        watch.saw(chunk.length);
        this.#moved += chunk.length;
        if (at + chunk.length > sizeBytes) throw this.#client.tooLong(opened.url);
        // What was given out already comes again where the server gives no parts.
        const fresh = chunk.subarray(Math.max(0, this.#position - at));
        at += chunk.length;
        this.#position += fresh.length;
        this.#retryPolicy.recordProgress(this.#position, this.#moved);
        if (this.#retryPolicy.stalled) throw this.#client.tooSlow(this.#limits.progressBytes, this.#limits.stallMs);
        const given = this.#effects.clock();
        if (fresh.length > 0) yield fresh;
        this.#retryPolicy.excludeTime(this.#effects.clock() - given);
        watch.resume();
      }
      if (opened.end === undefined && at < sizeBytes) throw this.#client.endedEarly(opened.url);
      if (opened.end !== undefined && at < opened.end) throw this.#client.endedEarly(opened.url);
    } finally {
      await opened.close();
    }
  }

  async *#body({ body, url }: RangeReply): AsyncGenerator<Uint8Array, void, undefined> {
    const chunks = body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await chunks.next().catch((thrown: unknown) => {
          this.#signal.throwIfAborted();
          throw this.#client.failed(url, thrown);
        });
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await chunks.return?.();
    }
  }

  async #afterwards(error: unknown): Promise<void> {
    if (!(error instanceof RequestFailure)) throw error;
    if (error.kind === 'no-ranges' && this.#ranged) {
      this.#ranged = false;
      return;
    }
    const wait = this.#retryPolicy.afterFailure(error);
    if (wait === undefined) throw describeFailure(error, this.#remote, this.#position, false);
    await this.#effects.sleep(wait, this.#signal);
  }
}

/** Finds out that a connection drips. Time that the reader takes does not count. */
class Drip {
  readonly #clock: () => number;
  readonly #limits: DownloadLimits;
  readonly #client: RangeClient;
  #bytes = 0;
  #ms = 0;
  #since: number;

  constructor({ clock }: Pick<DownloadEffects, 'clock'>, limits: DownloadLimits, client: RangeClient) {
    this.#clock = clock;
    this.#limits = limits;
    this.#client = client;
    this.#since = clock();
  }

  saw(bytes: number): void {
    this.#bytes += bytes;
    this.#ms += this.#clock() - this.#since;
    const { slowMs, slowBytes } = this.#limits;
    if (this.#ms < slowMs) return;
    if (this.#bytes < slowBytes) throw this.#client.tooSlow(slowBytes, slowMs);
    this.#bytes = 0;
    this.#ms = 0;
  }

  resume(): void {
    this.#since = this.#clock();
  }
}
