import type { Digest } from '../../core/digest.ts';
import type { Work } from '../../core/progress.ts';
import type { RemoteFile } from '../contract.ts';
import { ConcurrencyController } from './concurrency.ts';
import { ConnectionPool, type Ended } from './connection-pool.ts';
import type { DownloadEffects, Downloaded, StreamingHash } from './contract.ts';
import { describeFailure, downloadedDigestMismatch, RequestFailure } from './errors.ts';
import type { DownloadLimits } from './limits.ts';
import { PartFile } from './part-file.ts';
import { RangeClient } from './range-client.ts';
import { RetryPolicy } from './retry-policy.ts';

/** One download into a file, from what is there of it to the whole. */
export async function* fetchFile(
  effects: DownloadEffects,
  limits: DownloadLimits,
  remote: RemoteFile,
  path: string,
  signal: AbortSignal,
): Work<Downloaded> {
  signal.throwIfAborted();
  const client = new RangeClient(remote, effects, limits);
  const part = await PartFile.open(effects.disk, path, remote);
  const fetching = new Fetching(effects, limits, remote, client, part, signal);
  try {
    for (let clean = false; ; clean = true) {
      try {
        yield* fetching.bring();
        await fetching.verify();
        await part.finish();
        return { bytesMoved: fetching.moved };
      } catch (error) {
        if (!(error instanceof RequestFailure)) throw error;
        if (error.fault.code !== 'digest-mismatch') {
          await fetching.stop();
          throw describeFailure(error, remote, part.have.total, fetching.ranged);
        }
        // The content differs from the earlier one, which may be legitimate.
        if (error.kind === 'final') throw error.fault;
        // Nothing of these bytes can be trusted.
        await fetching.startOver();
        if (clean) throw error.fault;
      }
    }
  } finally {
    await fetching.stop();
    await part.close();
  }
}

class Fetching {
  readonly #effects: DownloadEffects;
  readonly #limits: DownloadLimits;
  readonly #remote: RemoteFile;
  readonly #client: RangeClient;
  readonly #part: PartFile;
  readonly #connections: ConnectionPool;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #hash: StreamingHash;
  readonly #concurrency: ConcurrencyController;
  #retryPolicy: RetryPolicy;
  /** The server gives parts, as far as is known. */
  ranged = true;
  /** The server ignored a range request before. */
  #ignoredRange = false;
  moved = 0;

  constructor(
    effects: DownloadEffects,
    limits: DownloadLimits,
    remote: RemoteFile,
    client: RangeClient,
    part: PartFile,
    signal: AbortSignal,
  ) {
    this.#effects = effects;
    this.#limits = limits;
    this.#remote = remote;
    this.#client = client;
    this.#part = part;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    this.#hash = effects.openHash(part.path);
    this.#concurrency = new ConcurrencyController(limits);
    this.#retryPolicy = this.#newRetryPolicy();
    const received = (bytes: number): void => {
      this.moved += bytes;
    };
    const written = (): void => this.#hash.advance(part.have.prefixEnd);
    this.#connections = new ConnectionPool({ client, part, received, written }, effects, limits);
    written();
  }

  /** Brings what is missing. Throws a `Failure`, what the disk refused, or the signal's reason. */
  async *bring(): Work<void> {
    const { sizeBytes: total } = this.#remote;
    const part = this.#part;
    let tick: Promise<unknown> | undefined;
    this.#retryPolicy = this.#newRetryPolicy();
    for (let reported = -1; part.have.total < total; ) {
      const done = part.have.total;
      if (done !== reported) yield { type: 'bytes', id: 'fetch', done, total };
      reported = done;
      this.#signal.throwIfAborted();
      this.#concurrency.measure(
        this.#effects.clock(),
        this.moved,
        total - done,
        this.#connections.count > 0 && this.#connections.flowing,
      );
      this.#connections.fill(this.#concurrency.target, total, this.ranged, this.#signal);
      tick ??= this.#effects.sleep(this.#limits.tickMs, this.#signal).then(() => {
        tick = undefined;
      });
      tick.catch(() => {});
      await Promise.race([this.#connections.next(), tick]);
      for (const ended of this.#connections.takeEnded()) await this.#look(ended);
      this.#connections.dropSlow();
      this.#retryPolicy.recordProgress(part.have.total, this.moved);
      if (this.#retryPolicy.stalled) throw this.#client.tooSlow(this.#limits.progressBytes, this.#limits.stallMs);
    }
    yield { type: 'bytes', id: 'fetch', done: total, total };
  }

  /** Throws a `Failure` when the bytes are not those that are wanted. */
  async verify(): Promise<void> {
    this.#hash.advance(this.#part.have.prefixEnd);
    const got: Digest = `sha256:${await this.#hash.finish()}`;
    if (got === this.#remote.digest) return;
    throw new RequestFailure('other-bytes', downloadedDigestMismatch(this.#remote, this.#client.displayUrl, got));
  }

  /** From nothing, in the same run. */
  async startOver(): Promise<void> {
    await this.#connections.stop();
    await this.#hash.stop();
    await this.#part.restart();
    this.#hash = this.#effects.openHash(this.#part.path);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new DOMException('the download ended', 'AbortError'));
    await this.#connections.stop();
    await this.#hash.stop();
  }

  async #look({ connection, error }: Ended): Promise<void> {
    if (!connection.ranged) {
      this.ranged = false;
      this.#concurrency.limitTo(1);
    }
    this.#retryPolicy.recordProgress(this.#part.have.total, this.moved);
    if (error === undefined) return;
    if (!(error instanceof RequestFailure)) throw error;
    if (error.kind === 'no-ranges' && this.ranged) return this.#withoutRange();
    if (error.kind !== 'again')
      throw error.kind === 'no-ranges' ? new RequestFailure('other-bytes', error.fault) : error;
    // The server may limit the number of connections; the remaining ones fetch the rest.
    if (this.#connections.count > 0) return this.#concurrency.limitTo(this.#connections.count);
    if (!this.ranged) await this.startOver();
    const wait = this.#retryPolicy.afterFailure(error);
    if (wait === undefined) throw error;
    await this.#effects.sleep(wait, this.#signal);
  }

  /** The server sent the whole file instead of a range: the file changed, or the server does not support ranges. */
  async #withoutRange(): Promise<void> {
    if (this.#ignoredRange) {
      this.ranged = false;
      this.#concurrency.limitTo(1);
    }
    this.#ignoredRange = true;
    await this.startOver();
  }

  #newRetryPolicy(): RetryPolicy {
    return new RetryPolicy(this.#effects, this.#limits, this.#part.have.total, this.moved);
  }
}
