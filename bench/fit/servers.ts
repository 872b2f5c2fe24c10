/**
 * A real Ollama server on this machine’s CPU: what was predicted, what `/api/ps` says, what the log says was allocated,
 * and what the runner’s process holds. `OLLAMA_BIN` names the binary to start; with `OLLAMA_HOST` alone a running
 * server is asked, whose log is not seen.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { isAtLeast, parseServerVersion } from '../../src/compat/version.ts';
import { defaultFlashAttention } from '../../src/fit/memory/engines.ts';
import { estimateMemory } from '../../src/fit/memory/estimate.ts';
import type { RunSettings } from '../../src/fit/schema.ts';
import { weightsFor } from './cases.ts';
import { engineGenerationOf } from './generation.ts';
import { SCRATCH } from './measure.ts';
import { type BenchModel, benchModels, pick, tinyModel } from './models.ts';
import { allocatedIn } from './server-log.ts';
import { writeSparse } from './sparse.ts';

const PORT = 21_917;
const LOAD_MS = 300_000;
const CONTEXTS = [2048, 8192];

const Version = z.object({ version: z.string() });
const Loaded = z.object({ models: z.array(z.object({ size: z.number() })) });

export interface ServerRow {
  readonly version: string;
  readonly model: string;
  readonly quant: string;
  readonly contextLength: number;
  readonly predicted: number;
  /** `size` of `/api/ps`. */
  readonly ps: number;
  /** Sum of the buffers that the server’s log names; absent when the log is not seen. */
  readonly allocated?: number;
  /** Resident memory of the process that holds the model, and its private part. */
  readonly rss: number;
  readonly anonymous: number;
}

interface Server {
  readonly url: string;
  readonly version: string;
  /** What the command line of its runners has in it, where the server was started here. */
  readonly home?: string;
  log(): string;
  stop(): Promise<void>;
}

/** With `OLLAMA_MODEL`, only the model of this id. */
export async function measureServer(): Promise<ServerRow[] | undefined> {
  const server = await openServer();
  if (server === undefined) return undefined;
  try {
    const rows: ServerRow[] = [];
    for (const { model, quant, file } of filesToLoad(server.version)) {
      const digest = await createModel(server, model.id, file);
      for (const contextLength of CONTEXTS) {
        if (contextLength <= model.hyperparameters.contextLength) {
          rows.push(await loadAndLook(server, { model, quant, digest }, contextLength));
        }
      }
    }
    return rows;
  } finally {
    await server.stop();
  }
}

interface LoadFile {
  readonly model: BenchModel;
  readonly quant: string;
  readonly file: string;
}

function* filesToLoad(version: string): Generator<LoadFile> {
  const wanted = (id: string): boolean => (process.env.OLLAMA_MODEL ?? id) === id;
  const tiny = fileURLToPath(new URL('../../models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf', import.meta.url));
  if (wanted(tinyModel().id)) yield { model: tinyModel(), quant: 'q4_k_m', file: tiny };
  for (const [id, quant, since] of [
    ['gemma-3-270m', 'q4_k_m', '0.10.0'],
    ['gemma-3n-e2b', 'q2_k', '0.10.0'],
    ['gemma-4-e2b', 'q2_k', '0.20.0'],
  ] as const) {
    if (!wanted(id) || !isAtLeast(parseServerVersion(version), since)) continue;
    const model = pick(benchModels(), id);
    const file = join(SCRATCH, `server-${id}.gguf`);
    writeSparse(model, quant, file);
    yield { model, quant, file };
    rmSync(file);
  }
}

interface Created {
  readonly model: BenchModel;
  readonly quant: string;
  readonly digest: string;
}

async function loadAndLook(
  server: Server,
  { model, quant, digest }: Created,
  contextLength: number,
): Promise<ServerRow> {
  const before = server.log().length;
  const options = { num_ctx: contextLength, num_batch: 512 };
  await ask(server, '/api/generate', { model: model.id, options, keep_alive: '10m' });
  const { models } = Loaded.parse(await ask(server, '/api/ps'));
  const runner = runnerOf(server, digest);
  const row = {
    version: server.version,
    model: model.id,
    quant,
    contextLength,
    predicted: predict(server, model, quant, contextLength),
    ps: models[0]?.size ?? 0,
    ...memoryOf(runner),
  };
  const allocated = allocatedIn(server.log().slice(before));
  await ask(server, '/api/generate', { model: model.id, keep_alive: 0 });
  return { ...row, ...(allocated !== undefined && { allocated }) };
}

function predict({ version }: Server, model: BenchModel, quant: string, contextLength: number): number {
  const engine = engineGenerationOf(version);
  const settings: RunSettings = {
    contextLength,
    batch: 512,
    parallel: 1,
    kvType: 'f16',
    flashAttention: defaultFlashAttention(engine, model.architecture).on,
  };
  return estimateMemory({
    architecture: model.architecture,
    hyperparameters: model.hyperparameters,
    weights: weightsFor(model, quant),
    weightsBasis: 'catalog',
    engine,
    settings,
    placement: { gpuLayers: 0 },
  }).totalBytes;
}

async function openServer(): Promise<Server | undefined> {
  const { OLLAMA_BIN: binary, OLLAMA_HOST: host } = process.env;
  if (binary !== undefined) return startServer(binary);
  if (host === undefined) return undefined;
  const url = host.includes('://') ? host : `http://${host}`;
  return { url, version: await versionOf(url), log: () => '', stop: () => Promise.resolve() };
}

async function startServer(binary: string): Promise<Server> {
  const home = join(SCRATCH, 'ollama');
  mkdirSync(home, { recursive: true });
  const url = `http://127.0.0.1:${PORT}`;
  const env = {
    ...process.env,
    HOME: home,
    OLLAMA_HOST: url,
    OLLAMA_MODELS: join(home, 'models'),
    OLLAMA_NUM_PARALLEL: '1',
    OLLAMA_DEBUG: '1',
  };
  const child = spawn(binary, ['serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += String(chunk)));
  const stop = async (): Promise<void> => {
    await endOf(child);
    rmSync(home, { recursive: true, force: true });
  };
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      return { url, version: await versionOf(url), home, log: () => log, stop };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  await stop();
  throw new Error(`${binary} serve did not answer: ${log.slice(-500)}`);
}

async function endOf(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

async function versionOf(url: string): Promise<string> {
  return Version.parse(await (await fetch(`${url}/api/version`)).json()).version;
}

async function createModel(server: Server, name: string, file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  const digest = `sha256:${hash.digest('hex')}`;
  await fetch(`${server.url}/api/blobs/${digest}`, {
    method: 'POST',
    body: Readable.toWeb(createReadStream(file)),
    headers: { 'content-length': String(statSync(file).size) },
    duplex: 'half',
  });
  await ask(server, '/api/create', { model: name, files: { 'model.gguf': digest }, template: '{{ .Prompt }}' });
  return digest;
}

async function ask(server: Server, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${server.url}${path}`, {
    ...(body !== undefined && { method: 'POST', body: JSON.stringify({ stream: false, ...body }) }),
    signal: AbortSignal.timeout(LOAD_MS),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`);
  return answer;
}

/** The process that has the model: `ollama runner` before 0.30, `llama-server` since. */
function runnerOf({ version, home }: Server, digest: string): number {
  const mark = home ?? digest.replace(':', '-');
  const runner = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0)
    .find((pid) => /\brunner\b|llama-server/.test(commandOf(pid)) && commandOf(pid).includes(mark));
  if (runner === undefined) throw new Error(`no runner of Ollama ${version} among the processes`);
  return runner;
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

function memoryOf(pid: number): { rss: number; anonymous: number } {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1]) * 1024;
  return { rss: bytes('Rss'), anonymous: bytes('Anonymous') };
}
