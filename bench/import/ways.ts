/** One file into a server of its own by each way of the adapter, and by `ollama create`: time and disk of each. */

import { spawn } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from '../../src/core/digest.ts';
import { drive } from '../../src/core/progress.ts';
import { NO_DIGEST_CACHE } from '../../src/disk/digest-cache.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { createHasher } from '../../src/disk/hash.ts';
import type { ModelSpec } from '../../src/modelfile/schema.ts';
import type { TransferWay } from '../../src/runtimes/contract.ts';
import { parseHost } from '../../src/runtimes/ollama/host.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../src/runtimes/ollama/runtime.ts';
import type { LocalFile } from '../../src/sources/contract.ts';
import { type OllamaServer, startOllama } from '../../test/helpers/ollama-server.ts';

/** One way to measure. */
export interface Way {
  readonly title: string;
  readonly goal?: number;
  /** Most disk that it may take at the peak, in sizes of the file. */
  readonly diskGoal?: number;
  run(server: OllamaServer): Promise<void>;
}

export interface Taken {
  readonly ms: number;
  /** Most bytes in the models folder at once that no other folder shares, in sizes of the file. */
  readonly disk: number;
}

const TEMPLATE = '{{ .Prompt }}';
const SPEC: ModelSpec = {
  templateName: 'gemma',
  template: TEMPLATE,
  templateDigest: digestOf(TEMPLATE),
  profile: 'card',
  parameters: { num_ctx: 512 },
  license: '',
};

/** `rewrites`: the server's create writes the file anew, so that a pull is of use. */
export function waysOf(file: LocalFile, modelfile: string, ollama: string, rewrites: boolean): Way[] {
  const cached: LocalFile = { ...file, immutable: true };
  const alone = { loopback: false, folder: false };
  const ways: Way[] = [
    { title: 'ollama create', run: ({ host }) => command(ollama, ['create', 'bench:t', '-f', modelfile], host) },
    adapterWay('hard link, file of our cache', 'hard-link', cached, 0.05, 0),
    adapterWay('reflink, file of our cache', 'reflink', cached, 0.05, 0),
    adapterWay('copy, file of our cache', 'copy', cached, 0.75, 1),
    adapterWay("copy, the user's file", 'copy', file, 0.75, 1),
    adapterWay('upload, digest known', 'upload', file, rewrites ? undefined : 0.75, 1, alone),
    ...(rewrites ? [adapterWay('upload, taken over by a pull', 'upload', file, 0.75, 1)] : []),
    adapterWay('loopback pull', 'loopback-pull', file, rewrites ? 0.5 : undefined, 1),
  ];
  // Where a create rewrites, an upload alone takes what it takes.
  return ways.map((way) => (rewrites && way.title === 'upload, digest known' ? without(way, 'diskGoal') : way));
}

function without(way: Way, goal: 'diskGoal'): Way {
  const { [goal]: _, ...rest } = way;
  return rest;
}

function adapterWay(
  title: string,
  way: TransferWay,
  file: LocalFile,
  goal: number | undefined,
  diskGoal: number,
  open = { loopback: true, folder: true },
): Way {
  return {
    title,
    ...(goal !== undefined && { goal }),
    diskGoal,
    async run(server) {
      const runtime = adapter(server, open);
      const signal = new AbortController().signal;
      const request = { name: 'bench:t', file, way, architecture: 'gemma3n', spec: SPEC };
      const { way: taken } = await drive(runtime.store(request, signal), () => {});
      if (taken !== way) throw new Error(`${title} went by ${taken}`);
    },
  };
}

function adapter(server: OllamaServer, { loopback, folder }: { loopback: boolean; folder: boolean }): OllamaRuntime {
  const { models } = server;
  return ollamaRuntime({
    host: parseHost(server.host),
    files: { open: (path) => fs.open(path), hash: createHasher(realDisk, NO_DIGEST_CACHE) },
    now: () => performance.now(),
    doors: {
      loopback,
      ...(folder &&
        models !== undefined && { models: async () => ({ path: models, disk: realDisk, uid: process.getuid?.() }) }),
    },
  });
}

/** Milliseconds and disk of one way into an empty server; undefined where the file system does not have it. */
export async function takeOnce(way: Way, sizeBytes: number): Promise<Taken | undefined> {
  await command('sync', []).catch(() => undefined);
  const server = await startOllama();
  try {
    const blobs = join(server.models ?? '', 'blobs');
    const started = performance.now();
    let ended = false;
    const work = way.run(server).then(
      () => performance.now() - started,
      (failure: unknown) => {
        if (failure instanceof Error && failure.message.includes('cannot share bytes')) return undefined;
        throw new Error(`${way.title} failed`, { cause: failure });
      },
    );
    const over = work.finally(() => {
      ended = true;
    });
    let bytes = 0;
    const watching = (async () => {
      while (!ended) {
        bytes = Math.max(bytes, await ownBytes(blobs));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      bytes = Math.max(bytes, await ownBytes(blobs));
    })();
    const ms = await over;
    await watching;
    return ms === undefined ? undefined : { ms, disk: bytes / sizeBytes };
  } finally {
    await server.stop();
  }
}

async function ownBytes(folder: string): Promise<number> {
  let sum = 0;
  for (const name of await fs.readdir(folder).catch(() => [])) {
    const facts = await fs.stat(join(folder, name)).catch(() => undefined);
    if (facts?.isFile() && facts.nlink === 1) sum += facts.blocks * 512;
  }
  return sum;
}

function command(program: string, args: readonly string[], host = ''): Promise<void> {
  const child = spawn(program, [...args], {
    env: { ...process.env, OLLAMA_HOST: host },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  for (const pipe of [child.stdout, child.stderr]) pipe.on('data', (data: Buffer) => said.push(data.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`exit ${code}: ${said.join('')}`))));
  });
}
