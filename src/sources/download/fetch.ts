import type { Digest } from '../../core/digest.ts';
import type { Work } from '../../core/progress.ts';
import type { RemoteFile } from '../contract.ts';
import { Ramp } from './concurrency.ts';
import { type Ended, Lanes } from './connection-pool.ts';
import type { DownloadEffects, Downloaded, HashFollower } from './contract.ts';
import { asTold, Failure, wrongDigest } from './errors.ts';
import type { DownloadLimits } from './limits.ts';
import { PartFile } from './part-file.ts';
import { Asker } from './range-client.ts';
import { Patience } from './retry-policy.ts';

/** One download into a file, from what is there of it to the whole. */
export async function* fetchFile(
  effects: DownloadEffects,
  limits: DownloadLimits,
  remote: RemoteFile,
  path: string,
  signal: AbortSignal,
): Work<Downloaded> {
  signal.throwIfAborted();
  const asker = new Asker(remote, effects, limits);
  const part = await PartFile.open(effects.files, path, remote);
  const fetching = new Fetching(effects, limits, remote, asker, part, signal);
  try {
    for (let clean = false; ; clean = true) {
      try {
        yield* fetching.bring();
        await fetching.verify();
        await part.finish();
        return { bytesMoved: fetching.moved };
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.fault.code !== 'digest-mismatch') {
          await fetching.stop();
          throw asTold(error, remote, part.have.total, fetching.ranged);
        }
        // What came now is not what came before: that may be right.
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
  readonly #asker: Asker;
  readonly #part: PartFile;
  readonly #lanes: Lanes;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #follower: HashFollower;
  readonly #ramp: Ramp;
  #patience: Patience;
  /** The server gives parts, as far as is known. */
  ranged = true;
  /** It was seen to give the whole where a part was asked for. */
  #ignoredRange = false;
  moved = 0;

  constructor(
    effects: DownloadEffects,
    limits: DownloadLimits,
    remote: RemoteFile,
    asker: Asker,
    part: PartFile,
    signal: AbortSignal,
  ) {
    this.#effects = effects;
    this.#limits = limits;
    this.#remote = remote;
    this.#asker = asker;
    this.#part = part;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    this.#follower = effects.followHash(part.path);
    this.#ramp = new Ramp(limits);
    this.#patience = this.#newPatience();
    const received = (bytes: number): void => {
      this.moved += bytes;
    };
    const written = (): void => this.#follower.advance(part.have.prefixEnd);
    this.#lanes = new Lanes({ asker, part, received, written }, effects, limits);
    written();
  }

  /** Brings what is missing. Throws a `Failure`, what the disk refused, or the signal's reason. */
  async *bring(): Work<void> {
    const { sizeBytes: total } = this.#remote;
    const part = this.#part;
    let tick: Promise<unknown> | undefined;
    this.#patience = this.#newPatience();
    for (let told = -1; part.have.total < total; ) {
      const done = part.have.total;
      if (done !== told) yield { type: 'bytes', id: 'fetch', done, total };
      told = done;
      this.#signal.throwIfAborted();
      this.#ramp.look(this.#effects.clock(), this.moved, total - done, this.#lanes.count > 0 && this.#lanes.flowing);
      this.#lanes.fill(this.#ramp.target, total, this.ranged, this.#signal);
      tick ??= this.#effects.sleep(this.#limits.tickMs, this.#signal).then(() => {
        tick = undefined;
      });
      tick.catch(() => {});
      await Promise.race([this.#lanes.next(), tick]);
      for (const ended of this.#lanes.takeEnded()) await this.#look(ended);
      this.#lanes.dropSlow();
      this.#patience.saw(part.have.total, this.moved);
      if (this.#patience.stalled) throw this.#asker.tooSlow(this.#limits.progressBytes, this.#limits.stallMs);
    }
    yield { type: 'bytes', id: 'fetch', done: total, total };
  }

  /** Throws a `Failure` when the bytes are not those that are wanted. */
  async verify(): Promise<void> {
    this.#follower.advance(this.#part.have.prefixEnd);
    const got: Digest = `sha256:${await this.#follower.finish()}`;
    if (got === this.#remote.digest) return;
    throw new Failure('other-bytes', wrongDigest(this.#remote, this.#asker.shown, got));
  }

  /** From nothing, in the same run. */
  async startOver(): Promise<void> {
    await this.#lanes.stop();
    await this.#follower.stop();
    await this.#part.restart();
    this.#follower = this.#effects.followHash(this.#part.path);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new DOMException('the download ended', 'AbortError'));
    await this.#lanes.stop();
    await this.#follower.stop();
  }

  async #look({ lane, error }: Ended): Promise<void> {
    if (!lane.ranged) {
      this.ranged = false;
      this.#ramp.settle(1);
    }
    this.#patience.saw(this.#part.have.total, this.moved);
    if (error === undefined) return;
    if (!(error instanceof Failure)) throw error;
    if (error.kind === 'no-ranges' && this.ranged) return this.#withoutRange();
    if (error.kind !== 'again') throw error.kind === 'no-ranges' ? new Failure('other-bytes', error.fault) : error;
    // The server may mind so many connections at once; those that are left bring the rest.
    if (this.#lanes.count > 0) return this.#ramp.settle(this.#lanes.count);
    if (!this.ranged) await this.startOver();
    const wait = this.#patience.afterFailure(error);
    if (wait === undefined) throw error;
    await this.#effects.sleep(wait, this.#signal);
  }

  /** The whole came where a part was asked for: of a file that changed, or because the server gives no parts at all. */
  async #withoutRange(): Promise<void> {
    if (this.#ignoredRange) {
      this.ranged = false;
      this.#ramp.settle(1);
    }
    this.#ignoredRange = true;
    await this.startOver();
  }

  #newPatience(): Patience {
    return new Patience(this.#effects, this.#limits, this.#part.have.total, this.moved);
  }
}
