/**
 * Import of a local 1 GiB GGUF against `ollama create` of the same file, in turns, each into a server of its own with
 * an empty models folder, so that all really bring the bytes: OLLAMA_BIN=… node bench/import.ts [rounds] [ways|command]
 * `ways`: each way of the adapter, its time and its disk. `command`: the whole command, and its memory.
 * Goals: a link at most 0.05x, a known digest at most 0.75x, a pull from loopback at most 0.5x with one size of disk where
 * the server's create writes files anew (0.30 and later); at most 200 MiB of memory at any size.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverFacts } from '../src/compat/lookup.ts';
import type { Digest } from '../src/core/digest.ts';
import { writePadded } from '../test/e2e/ollama/padded-gguf.ts';
import { startOllama } from '../test/helpers/ollama-server.ts';
import { takeOnce, type Way, waysOf } from './import/ways.ts';
import { type Contender, median, ratioToFirst } from './paired.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const TIME_GOAL = 0.75;
const MEMORY_GOAL_MIB = 200;
const root = join(import.meta.dirname, '..');
const source = join(root, 'models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf');

/** Writes the peak of resident memory, in KiB on every platform, when the process ends. */
const RECORD_PEAK = `data:text/javascript,${encodeURIComponent(
  "import{writeFileSync}from'node:fs';process.on('exit',()=>writeFileSync(process.env.BENCH_PEAK,String(process.resourceUsage().maxRSS)))",
)}`;

async function main(ollama: string, rounds: number, part: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'gemma-provision-bench-'));
  try {
    const file = join(folder, 'model.gguf');
    const sizeBytes = await writePadded(source, file, { sizeBytes: GIB, fill: 'random' });
    const modelfile = join(folder, 'Modelfile');
    await writeFile(modelfile, `FROM ${file}\n`);
    const digest = await digestOfFile(file);
    const version = await versionOf();
    console.log(`1 GiB into Ollama ${version}, ${rounds} rounds`);
    if (part !== 'command') {
      const rewrites = serverFacts(version).capabilities.has('gguf-rewrite');
      const local = { ref: file, path: file, sizeBytes, digest };
      await measureWays(waysOf(local, modelfile, ollama, rewrites), sizeBytes, rounds);
    }
    if (part === 'ways') return;
    const contenders: (Contender & { goal?: number })[] = [
      { title: 'ollama create', command: ollama, args: ['create', 'bench:t', '-f', modelfile] },
      { ...installer('install --digest', folder, file, '--digest', digest), goal: TIME_GOAL },
      installer('install, digest unknown', folder, file),
    ];
    reportTimes(contenders, await timeImports(contenders, folder, rounds));
    await reportMemory(folder, file, digest);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Every way once a round, in turns; the first round only warms the page cache and does not count. */
async function measureWays(ways: readonly Way[], sizeBytes: number, rounds: number): Promise<void> {
  const times: number[][] = ways.map(() => []);
  const disks: number[][] = ways.map(() => []);
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, way] of ways.entries()) {
      const taken = await takeOnce(way, sizeBytes);
      if (taken === undefined || round < 0) continue;
      times[index]?.push(taken.ms);
      disks[index]?.push(taken.disk);
    }
  }
  console.log(
    `${'way'.padEnd(30)} ${'median'.padStart(9)} ${'spread'.padStart(13)} ${'ratio'.padStart(7)} ${'disk'.padStart(6)}  goals`,
  );
  ways.forEach((way, index) => {
    console.log(wayLine(way, times, index, Math.max(0, ...(disks[index] ?? []))));
  });
  console.log('');
}

function wayLine({ title, goal, diskGoal }: Way, times: readonly number[][], index: number, disk: number): string {
  const own = times[index] ?? [];
  if (own.length === 0) return `${title.padEnd(30)} not possible on this file system`;
  const ratio = ratioToFirst(times, index);
  const spread = `${Math.min(...own).toFixed(0)}–${Math.max(...own).toFixed(0)}`;
  const verdicts = [
    ...(goal === undefined ? [] : [`${goal.toFixed(2)}x ${ratio <= goal ? 'met' : 'MISSED'}`]),
    // Manifests, and blocks that are not full.
    ...(diskGoal === undefined ? [] : [`disk ${diskGoal}x ${disk <= diskGoal + 0.02 ? 'met' : 'MISSED'}`]),
  ];
  const ms = `${median(own).toFixed(0)} ms`.padStart(9);
  return `${title.padEnd(30)} ${ms} ${spread.padStart(13)} ${`${ratio.toFixed(3)}x`.padStart(7)} ${`${disk.toFixed(2)}x`.padStart(6)}  ${verdicts.join(', ')}`;
}

function installer(title: string, folder: string, file: string, ...more: string[]): Contender {
  const wanted = ['tiny-gemma-3n:q4_k_m', '--from', file, '--name', 'bench:t', '--runtime', 'ollama'];
  const args = [join(root, 'bin/run.js'), 'install', ...wanted, '--no-smoke', '--force', '--json', ...more];
  return { title, command: process.execPath, args, env: { GEMMA_PROVISION_HOME: join(folder, 'home') } };
}

/** Wall milliseconds a contender and round; the first round only warms the page cache and does not count. */
async function timeImports(contenders: readonly Contender[], folder: string, rounds: number): Promise<number[][]> {
  const times: number[][] = contenders.map(() => []);
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      const ms = await importOnce(contender, folder);
      if (round >= 0) times[index]?.push(ms);
    }
  }
  return times;
}

async function importOnce({ title, command, args, env }: Contender, folder: string): Promise<number> {
  // What a run before left to write, and what it remembered of the file, would be charged to this one.
  await run('sync', []).catch(() => undefined);
  await rm(join(folder, 'home'), { recursive: true, force: true });
  const server = await startOllama();
  try {
    const started = performance.now();
    await run(command, args, { ...process.env, ...env, OLLAMA_HOST: server.host }).catch((failure: unknown) => {
      throw new Error(`${title} failed`, { cause: failure });
    });
    return performance.now() - started;
  } finally {
    await server.stop();
  }
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const child = spawn(command, [...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  for (const pipe of [child.stdout, child.stderr]) pipe.on('data', (data: Buffer) => said.push(data.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`exit ${code}: ${said.join('')}`))));
  });
}

async function digestOfFile(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: MIB })) hash.update(piece);
  return `sha256:${hash.digest('hex')}`;
}

async function versionOf(): Promise<string> {
  const server = await startOllama();
  try {
    const reply: unknown = await (await fetch(`http://${server.host}/api/version`)).json();
    return typeof reply === 'object' && reply !== null && 'version' in reply ? String(reply.version) : 'unknown';
  } finally {
    await server.stop();
  }
}

function reportTimes(contenders: readonly (Contender & { goal?: number })[], times: readonly number[][]): void {
  console.log(`${'command'.padEnd(30)} ${'median'.padStart(9)} ${'ratio'.padStart(7)}  goal`);
  contenders.forEach(({ title, goal }, index) => {
    const ms = median(times[index] ?? []).toFixed(0);
    const ratio = ratioToFirst(times, index);
    const verdict = goal === undefined ? '' : `${goal.toFixed(2)}x ${ratio <= goal ? 'met' : 'MISSED'}`;
    console.log(`${title.padEnd(30)} ${`${ms} ms`.padStart(9)} ${`${ratio.toFixed(2)}x`.padStart(7)}  ${verdict}`);
  });
}

async function reportMemory(folder: string, file: string, digest: string): Promise<void> {
  const large = join(folder, 'large.gguf');
  await writePadded(source, large, { sizeBytes: 4 * GIB, fill: 'sparse' });
  const cases = [
    installer('1 GiB, --digest', folder, file, '--digest', digest),
    installer('1 GiB, digest unknown', folder, file),
    installer('4 GiB sparse, --digest', folder, large, '--digest', await digestOfFile(large)),
    installer('4 GiB sparse, digest unknown', folder, large),
  ];
  console.log(`\n${'memory of our process'.padEnd(30)} ${'peak'.padStart(9)}  goal`);
  for (const contender of cases) {
    const peak = join(folder, 'peak');
    const env = { ...contender.env, BENCH_PEAK: peak, NODE_OPTIONS: `--import=${RECORD_PEAK}` };
    await importOnce({ ...contender, env }, folder);
    const mib = Number(await readFile(peak, 'utf8')) / 1024;
    const verdict = `${MEMORY_GOAL_MIB} MiB ${mib <= MEMORY_GOAL_MIB ? 'met' : 'MISSED'}`;
    console.log(`${contender.title.padEnd(30)} ${`${mib.toFixed(0)} MiB`.padStart(9)}  ${verdict}`);
  }
}

const { OLLAMA_BIN } = process.env;
if (OLLAMA_BIN === undefined || OLLAMA_BIN === '') {
  console.error('This measures against a real server: set OLLAMA_BIN to an ollama program.');
  process.exitCode = 2;
} else {
  await main(OLLAMA_BIN, Number(process.argv[2] ?? 5), process.argv[3] ?? 'all');
}
