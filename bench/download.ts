/**
 * A file from a web server on loopback, against what else there is on this machine of curl, aria2c and `hf download`:
 *   HF_BIN=… node bench/download.ts [rounds] [contender…]
 * - every connection limited to 8 MiB/s, as hubs and their storage do it; and as fast as loopback is. Goal: at least
 *   0.9x of the fastest. We also check the digest and wait for the disk: what that takes is shown by contenders that do so too.
 * - peak of resident memory. Goal: at most 150 MiB.
 * - bytes that are fetched again after cuts, and after kills. Goal: at most 1 MiB for each.
 */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildSync } from 'esbuild';
import * as z from 'zod';
import { MIB } from '../src/core/units.ts';
import { median } from './paired.ts';

const SIZE = 512 * MIB;
const LIMIT = 8 * MIB;
const SPEED_GOAL = 0.9;
const MEMORY_GOAL_MIB = 150;
const rounds = Number(process.argv[2] ?? 5);
const wanted = process.argv.slice(3);

const Ready = z.object({ url: z.string(), hub: z.string(), digest: z.string() });
const Sent = z.object({ sent: z.number(), requests: z.number() });
type Ready = z.infer<typeof Ready>;
type Sent = z.infer<typeof Sent>;

interface Contender {
  readonly title: string;
  /** Shell words; `out` is the file to write. */
  command(ready: Ready, out: string): readonly string[];
  /** Has one connection: where each is limited it takes a minute, always the same, and is timed once. */
  readonly single?: true;
  readonly env?: (ready: Ready, folder: string) => Readonly<Record<string, string>>;
}

const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'gemma-provision-bench-'));
const source = join(folder, 'source.bin');
const script = join(folder, 'fetch.mjs');
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  fill(source);
  bundle();
  const all = contenders().filter(({ title }) => wanted.length === 0 || ['ours', ...wanted].includes(title));
  console.log(`${SIZE / MIB} MiB, ${rounds} rounds, contenders: ${all.map(({ title }) => title).join(', ')}`);
  for (const [title, rate] of [
    [`each connection limited to ${LIMIT / MIB} MiB/s`, LIMIT],
    ['fast loopback', 0],
  ] as const) {
    await compare(title, rate, all);
  }
  await cuts(4);
  await kills(3);
}

/** Compiled and beside our dependencies, as users run it. */
function bundle(): void {
  buildSync({
    entryPoints: [join(import.meta.dirname, 'download/fetch.ts')],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    alias: { undici: join(import.meta.dirname, '../node_modules/undici') },
    banner: { js: "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);" },
    logLevel: 'error',
  });
}

function contenders(): Contender[] {
  const ours: Contender = {
    title: 'ours',
    command: ({ url, digest }, out) => [process.execPath, script, url, String(SIZE), `sha256:${digest}`, out],
  };
  const curl: Contender = { title: 'curl', single: true, command: ({ url }, out) => ['curl', '-sf', '-o', out, url] };
  const aria: Contender = {
    title: 'aria2c -x8 -s8',
    command: ({ url }, out) => [
      'aria2c',
      '-q',
      '-x8',
      '-s8',
      '-k1M',
      '--file-allocation=none',
      '-d',
      '/',
      '-o',
      out,
      url,
    ],
  };
  const checked: Contender = {
    title: 'aria2c + sha-256',
    command: (ready, out) => [
      ...aria.command(ready, out).slice(0, -1),
      `--checksum=sha-256=${ready.digest}`,
      ready.url,
    ],
  };
  const curlChecked: Contender = {
    title: 'curl, sync, sha256',
    single: true,
    command: (ready, out) => [
      'sh',
      '-c',
      `curl -sf -o ${out} ${ready.url} && sync ${out} && sha256sum ${out} | grep -q ${ready.digest}`,
    ],
  };
  const { HF_BIN } = process.env;
  const hub = (title: string, extra: Readonly<Record<string, string>>): Contender => ({
    title,
    command: (_, out) => [HF_BIN ?? 'hf', 'download', 'org/repo', 'model.gguf', '--local-dir', out],
    env: (ready, home) => ({ HF_ENDPOINT: ready.hub, HF_HOME: home, HF_HUB_DISABLE_PROGRESS_BARS: '1', ...extra }),
  });
  return [
    ours,
    ...(runs('curl') ? [curl, curlChecked] : []),
    ...(runs('aria2c') ? [aria, checked] : []),
    ...(runs(HF_BIN ?? 'hf')
      ? [{ ...hub('hf download', {}), single: true as const }, hub('hf_transfer', { HF_HUB_ENABLE_HF_TRANSFER: '1' })]
      : []),
  ];
}

function runs(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

async function compare(title: string, rate: number, all: readonly Contender[]): Promise<void> {
  const times = all.map((): number[] => []);
  const peaks = all.map(() => 0);
  await withOrigin([rate, 0, 0], async (ready) => {
    for (let round = -1; round < rounds; round += 1) {
      for (const [index, contender] of all.entries()) {
        if (contender.single && rate > 0 && round !== 0) continue;
        const { ms, peakMib } = await time(contender, ready);
        if (round >= 0) times[index]?.push(ms);
        peaks[index] = Math.max(peaks[index] ?? 0, peakMib);
      }
    }
  });
  const medians = times.map(median);
  const fastest = Math.min(...medians.slice(1));
  console.log(`\n${title}`);
  for (const [index, { title: name }] of all.entries()) {
    const ms = medians[index] ?? Number.NaN;
    const speed = `${((SIZE / MIB / ms) * 1000).toFixed(0)} MiB/s`.padStart(11);
    console.log(
      `${name.padEnd(18)} ${ms.toFixed(0).padStart(7)} ms ${speed} ${(peaks[index] ?? 0).toFixed(0).padStart(5)} MiB`,
    );
  }
  const ratio = fastest / (medians[0] ?? Number.NaN);
  console.log(
    `speed ${ratio.toFixed(2)}x of the fastest, goal ${SPEED_GOAL}x: ${ratio >= SPEED_GOAL ? 'met' : 'MISSED'}`,
  );
  const peak = peaks[0] ?? 0;
  console.log(
    `memory ${peak.toFixed(0)} MiB, goal ${MEMORY_GOAL_MIB} MiB: ${peak <= MEMORY_GOAL_MIB ? 'met' : 'MISSED'}`,
  );
}

async function time(contender: Contender, ready: Ready): Promise<{ ms: number; peakMib: number }> {
  const place = mkdtempSync(join(folder, 'run-'));
  const out = join(place, 'out');
  const [program = '', ...args] = contender.command(ready, out);
  const started = performance.now();
  const child = spawn(program, args, {
    stdio: 'ignore',
    env: { ...process.env, ...contender.env?.(ready, place) },
  });
  let peakMib = 0;
  const watch = setInterval(() => {
    peakMib = Math.max(peakMib, peakOf(child));
  }, 20);
  const [code] = await once(child, 'close');
  const ms = performance.now() - started;
  clearInterval(watch);
  if (code !== 0) throw new Error(`${contender.title} ended with ${code}`);
  rmSync(place, { recursive: true, force: true });
  return { ms, peakMib };
}

/** Peak of resident memory of a process so far, in MiB, where Linux reports it. */
function peakOf({ pid }: ChildProcess): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

async function cuts(count: number): Promise<void> {
  await withOrigin([0, count, 50 * MIB - 12_345], async (ready, sent) => {
    const out = join(folder, 'cut');
    const child = spawn(process.execPath, [script, ready.url, String(SIZE), `sha256:${ready.digest}`, out]);
    await once(child, 'close');
    report(`${count} cuts`, (await sent()).sent - statSync(out).size, count);
    rmSync(out);
  });
}

async function kills(count: number): Promise<void> {
  await withOrigin([LIMIT, 0, 0], async (ready, sent) => {
    const out = join(folder, 'killed');
    const start = () => spawn(process.execPath, [script, ready.url, String(SIZE), `sha256:${ready.digest}`, out]);
    for (let round = 0; round < count; round += 1) {
      const child = start();
      await sleep(1500);
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    const before = await sent();
    const child = start();
    const [moved] = await once(child.stdout, 'data');
    await once(child, 'close');
    console.log(`after ${count} kills the last run fetched ${(Number(String(moved)) / MIB).toFixed(1)} MiB`);
    // What the server gave to its sockets counts as fetched, also if it was not read from them.
    report(
      `${count} kills of ${before.requests} connections`,
      before.sent + Number(String(moved)) - SIZE,
      before.requests,
    );
    rmSync(out);
  });
}

function report(what: string, again: number, goalMib: number): void {
  const mib = again / MIB;
  console.log(
    `${what}: ${mib.toFixed(2)} MiB fetched again, goal ${goalMib} MiB: ${mib <= goalMib ? 'met' : 'MISSED'}`,
  );
}

async function withOrigin(
  args: readonly number[],
  task: (ready: Ready, sent: () => Promise<Sent>) => Promise<void>,
): Promise<void> {
  const child = fork(join(import.meta.dirname, 'download/origin.ts'), [source, ...args.map(String)]);
  try {
    const [ready] = await once(child, 'message');
    await task(Ready.parse(ready), async () => {
      child.send('sent');
      const [message] = await once(child, 'message');
      return Sent.parse(message);
    });
  } finally {
    child.kill();
  }
}

function fill(path: string): void {
  const file = openSync(path, 'w');
  const piece = Buffer.alloc(8 * MIB);
  for (let done = 0; done < SIZE; done += piece.length) writeSync(file, randomFillSync(piece));
  closeSync(file);
}
