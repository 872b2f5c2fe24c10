/** A downloader on real sockets and files, with limits that make failures quick. */

import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { afterAll, afterEach } from 'vitest';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { drive, type ProgressEvent } from '../../../../src/core/progress.ts';
import { MIB } from '../../../../src/core/units.ts';
import { realDisk } from '../../../../src/disk/disk.ts';
import { createHttp } from '../../../../src/net/client.ts';
import type { RemoteFile } from '../../../../src/sources/contract.ts';
import {
  createDownloader,
  type DownloadEffects,
  type Downloader,
  type DownloadLimits,
  stateFileOf,
  streamingHash,
} from '../../../../src/sources/download/index.ts';
import { type Origin, type OriginOptions, sha256, startOrigin, testBytes } from '../../../helpers/origin.ts';

export const FILE = testBytes(5 * MIB + 3);
export const SECRET = 'hf_plantedSecret';

const client = createHttp({ env: {} });
const origins: Origin[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const origin of origins.splice(0)) await origin.close();
  for (const folder of folders.splice(0)) await fs.rm(folder, { recursive: true, force: true });
});
afterAll(() => client.close());

export async function origin(behave?: OriginOptions['behave'], content: Uint8Array = FILE): Promise<Origin> {
  const started = await startOrigin({ files: { '/m.gguf': content }, ...(behave && { behave }) });
  origins.push(started);
  return started;
}

export async function folder(): Promise<string> {
  const made = await fs.mkdtemp(join(tmpdir(), 'download-'));
  folders.push(made);
  return made;
}

export function remoteOf({ url }: Pick<Origin, 'url'>, over: Partial<RemoteFile> = {}): RemoteFile {
  return {
    ref: 'hf:org/repo/m.gguf',
    pinnedRef: 'hf:org/repo@1/m.gguf',
    fileName: 'm.gguf',
    sizeBytes: FILE.length,
    digest: sha256(FILE),
    access: { url: `${url}/m.gguf?X-Amz-Signature=${SECRET}`, headers: { authorization: `Bearer ${SECRET}` } },
    ...over,
  };
}

/** One connection, so that requests can be counted. */
const QUICK: Partial<DownloadLimits> = {
  answerMs: 10_000,
  silenceMs: 10_000,
  waitMs: 10,
  tickMs: 10,
  maxConnections: 1,
};

export const OPEN_HASH = streamingHash((path) => fs.open(path, 'r'));

export interface Waits {
  readonly waits: number[];
}

/** Waits of more than a second are noted and not waited. */
export function downloader(
  limits: Partial<DownloadLimits> = {},
  over: Partial<DownloadEffects> = {},
): Downloader & Waits {
  const waits: number[] = [];
  const effects: DownloadEffects = {
    http: client.http,
    disk: realDisk,
    openHash: OPEN_HASH,
    clock: () => performance.now(),
    now: () => new Date(),
    async sleep(ms, signal) {
      if (ms > 1000) {
        waits.push(ms);
        return;
      }
      await after(ms, undefined, { signal }).catch((thrown: unknown) => {
        throw signal.aborted ? signal.reason : thrown;
      });
    },
    random: () => 0.5,
    ...over,
  };
  return { ...createDownloader(effects, { ...QUICK, ...limits }), waits };
}

export interface Fetched {
  readonly path: string;
  readonly bytesMoved: number;
  readonly events: readonly ProgressEvent[];
}

/** Fetches to `m.gguf` in a folder. */
export async function fetchTo(
  into: string,
  remote: RemoteFile,
  using: Downloader = downloader(),
  signal: AbortSignal = new AbortController().signal,
): Promise<Fetched> {
  const path = join(into, 'm.gguf');
  const events: ProgressEvent[] = [];
  const { bytesMoved } = await drive(using.fetch(remote, path, signal), (event) => events.push(event));
  return { path, bytesMoved, events };
}

/** What a task is refused with; fails when it is not. No secret is in it. */
export async function refusalOf(task: Promise<unknown>): Promise<ProvisionError> {
  const outcome = await task.catch((error: unknown) => error);
  if (!(outcome instanceof ProvisionError)) throw new Error(`expected a ProvisionError, got ${String(outcome)}`);
  const shown = [outcome.message, ...outcome.suggestions, String(outcome.stack)].join('\n');
  if (shown.includes(SECRET)) throw new Error(`a secret is shown: ${shown}`);
  return outcome;
}

/** Names in a folder; what the download left. */
export async function left(into: string): Promise<string[]> {
  return (await fs.readdir(into)).sort();
}

/** A partial file with its state, as an earlier run left them. */
export async function plant(into: string, content: Uint8Array, state?: string): Promise<void> {
  const path = join(into, 'm.gguf');
  await fs.writeFile(path, content);
  if (state !== undefined) await fs.writeFile(stateFileOf(path), state);
}
