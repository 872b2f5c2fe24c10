import type { OpenForReading } from '../../../src/disk/port.ts';
/** What the tests of the ways into a real server share. */

import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Digest, digestOf } from '../../../src/core/digest.ts';
import { drive, type ProgressEvent } from '../../../src/core/progress.ts';
import { NO_DIGEST_CACHE } from '../../../src/disk/digest-cache.ts';
import { realDisk } from '../../../src/disk/disk.ts';
import { createHasher } from '../../../src/disk/hash.ts';
import type { ModelSpec } from '../../../src/modelfile/schema.ts';
import type { StoreRequest, StoreResult } from '../../../src/runtimes/contract.ts';
import { isTemporary } from '../../../src/runtimes/ollama/folder/files.ts';
import { parseHost } from '../../../src/runtimes/ollama/host.ts';
import { isTransferName } from '../../../src/runtimes/ollama/loopback/names.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../../src/runtimes/ollama/runtime.ts';
import type { LocalTransfers } from '../../../src/runtimes/ollama/transfer/facts.ts';
import { never } from '../../helpers/failure.ts';
import type { OllamaServer } from '../../helpers/ollama-server.ts';

export const TINY = new URL('../../../models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf', import.meta.url).pathname;

const TEMPLATE = `{{- range .Messages }}<start_of_turn>{{ .Role }}
{{ .Content }}<end_of_turn>
{{ end }}<start_of_turn>model
`;

export const SPEC: ModelSpec = {
  templateName: 'gemma',
  template: TEMPLATE,
  templateDigest: digestOf(TEMPLATE),
  profile: 'card',
  parameters: { stop: ['<end_of_turn>', '<eos>'], temperature: 0.7, seed: 1, num_ctx: 512, num_predict: 16 },
  system: 'Be short.',
  license: 'Apache-2.0\n',
};

/** The adapter at a real server; without doors it has nothing but the API. */
export function adapter(
  server: OllamaServer,
  doors: LocalTransfers = {},
  open: OpenForReading = (path) => fs.open(path),
  reconnectMs = 1_000,
): OllamaRuntime {
  return ollamaRuntime({
    host: parseHost(server.host),
    files: { open, hash: createHasher(realDisk, NO_DIGEST_CACHE) },
    now: () => performance.now(),
    doors,
    reconnectMs,
  });
}

/** All that there is: the server's folder, and a registry on loopback. */
export function allDoors(models: string): LocalTransfers {
  return { models: async () => ({ path: models, disk: realDisk, uid: process.getuid?.() }), loopback: true };
}

export async function digestOfFile(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  const handle = await fs.open(path);
  try {
    for await (const piece of handle.createReadStream({ autoClose: false })) hash.update(piece);
  } finally {
    await handle.close();
  }
  return `sha256:${hash.digest('hex')}`;
}

export async function store(
  runtime: OllamaRuntime,
  request: StoreRequest,
  signal: AbortSignal = never,
): Promise<{ result: StoreResult; events: ProgressEvent[] }> {
  const events: ProgressEvent[] = [];
  const result = await drive(runtime.store(request, signal), (event) => events.push(event));
  return { result, events };
}

export async function namesOn({ host }: OllamaServer): Promise<string[]> {
  const reply = await fetch(`http://${host}/api/tags`);
  const { models } = (await reply.json()) as { models: { name: string }[] | null };
  return (models ?? []).map(({ name }) => name).sort();
}

/** The server's own word on a model, without what differs from one create to the next. */
export async function shown({ host }: OllamaServer, name: string): Promise<Record<string, unknown>> {
  const reply = await fetch(`http://${host}/api/show`, { method: 'POST', body: JSON.stringify({ model: name }) });
  const said = (await reply.json()) as Record<string, unknown> & { modelfile: string; parameters: string };
  const details = said.details as Record<string, unknown>;
  return {
    ...said,
    modified_at: undefined,
    modelfile: sortedParameters(said.modelfile.replaceAll(name, 'NAME')),
    parameters: sortedParameters(said.parameters),
    // Only where the file came from: a path among the blobs, a stub, or nothing.
    details: { ...details, parent_model: undefined },
  };
}

/** Go's maps have no order. */
function sortedParameters(text: string): string[] {
  return text.split('\n').sort();
}

/** Blobs of a models folder that are no manifest's, and files of ours or of the server's that are not whole. */
export async function strays(models: string): Promise<string[]> {
  const named = (await manifestsOf(models)).map(({ text }) => text).join('');
  const blobs = await fs.readdir(join(models, 'blobs'));
  return blobs.filter((name) => isTemporary(name) || !named.includes(name.replace('-', ':')));
}

export async function manifestsOf(models: string): Promise<{ path: string; text: string }[]> {
  const found = await fs.readdir(join(models, 'manifests'), { recursive: true, withFileTypes: true });
  const paths = found.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(paths.map(async (path) => ({ path, text: await fs.readFile(path, 'utf8') })));
}

/** Nothing of a transfer is left: no name, no file. */
export async function expectNoRemains(server: OllamaServer, models: string): Promise<void> {
  expect((await namesOn(server)).filter(isTransferName)).toEqual([]);
  expect(await strays(models)).toEqual([]);
}

/** The most bytes that a folder takes on its disk while some work goes on, files with several links counted once. */
export async function highWater<Result>(
  folder: string,
  work: Promise<Result>,
): Promise<{ result: Result; bytes: number }> {
  let over = false;
  const ending = work.finally(() => {
    over = true;
  });
  ending.catch(() => {});
  let bytes = 0;
  while (!over) bytes = Math.max(bytes, await ownBytes(folder));
  return { result: await ending, bytes };
}

/** Bytes on the disk that are in no other folder. */
async function ownBytes(folder: string): Promise<number> {
  const entries = await fs.readdir(folder, { withFileTypes: true }).catch(() => []);
  let sum = 0;
  for (const entry of entries) {
    const facts = await fs.stat(join(folder, entry.name)).catch(() => undefined);
    if (facts?.isFile() && facts.nlink === 1) sum += facts.blocks * 512;
  }
  return sum;
}
