import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A real Ollama server for one test file. */
export interface OllamaServer {
  /** For `--host` and `OLLAMA_HOST`. */
  readonly host: string;
  /** Where it keeps its models; absent for a server that was there already. */
  readonly models?: string;
  /** Ends it as a crash does, without a word; absent for a server that was there already. */
  crash?(): Promise<void>;
  /** Starts it again after a crash, on the same port and models folder. */
  restart?(): Promise<void>;
  /** What the server wrote to its log so far. */
  log(): string;
  stop(): Promise<void>;
}

/** Why no real server can be had, to be shown beside the skipped tests; undefined when one can. */
export function whyNoOllama(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env.OLLAMA_BIN || env.OLLAMA_HOST) return undefined;
  return 'set OLLAMA_BIN to an ollama program, or OLLAMA_HOST to a server';
}

/**
 * Starts `OLLAMA_BIN` on a free loopback port with a models folder and a home of its own, or uses `OLLAMA_HOST`. One
 * thread: engines of old servers spin on busy machines otherwise. `models`: a models folder elsewhere, which stays.
 */
export async function startOllama(
  env: NodeJS.ProcessEnv = process.env,
  { models: place }: { models?: string } = {},
): Promise<OllamaServer> {
  if (!env.OLLAMA_BIN) {
    return { host: env.OLLAMA_HOST ?? '', log: () => '', stop: async () => {} };
  }
  const home = await mkdtemp(join(tmpdir(), 'ollama-e2e-'));
  const models = place ?? join(home, 'models');
  const host = `127.0.0.1:${await freePort()}`;
  const logged: string[] = [];
  const log = () => logged.join('');
  const { PATH = '', LD_LIBRARY_PATH, OLLAMA_BIN } = env;
  const launch = () => {
    const child = spawn(OLLAMA_BIN, ['serve'], {
      cwd: home,
      env: {
        PATH,
        ...(LD_LIBRARY_PATH && { LD_LIBRARY_PATH }),
        HOME: home,
        OLLAMA_HOST: host,
        OLLAMA_MODELS: models,
        OLLAMA_NUM_PARALLEL: '1',
        // No test reaches a registry: nothing listens on port 1.
        HTTPS_PROXY: 'http://127.0.0.1:1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that the engines which a killed server leaves behind can be ended with it.
      detached: true,
    });
    for (const pipe of [child.stdout, child.stderr]) pipe.on('data', (data: Buffer) => logged.push(data.toString()));
    return child;
  };
  let child = launch();
  // An interrupted test run stops nothing by itself, and the group does not get the terminal's Ctrl-C.
  const onExit = () => endGroup(child);
  process.once('exit', onExit);
  const stop = async () => {
    await ended(child, 'SIGTERM');
    process.off('exit', onExit);
    await rm(home, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    await answering(host, child, log);
  } catch (failure) {
    await stop();
    throw failure;
  }
  return {
    host,
    models,
    crash: () => ended(child, 'SIGKILL'),
    async restart() {
      for (let tried = 1; ; tried += 1) {
        const before = log().length;
        child = launch();
        try {
          return await answering(host, child, log);
        } catch (failure) {
          // Another process of a busy machine may have been given the port for a connection of its own meanwhile.
          if (tried === 20 || !/address already in use/.test(log().slice(before))) throw failure;
          await sleep(500);
        }
      }
    },
    log,
    stop,
  };
}

async function answering(host: string, child: ChildProcess, log: () => string): Promise<void> {
  const until = Date.now() + 60_000;
  while (Date.now() < until) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`ollama ended at once:\n${log()}`);
    const answer = await fetch(`http://${host}/api/version`).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new Error(`ollama does not answer at ${host}:\n${log()}`);
}

async function ended(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  try {
    await serverEnded(child, signal);
  } finally {
    endGroup(child);
  }
}

/** No server ends its engines when it is killed; they would hold memory for good. */
function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left in the group.
  }
}

async function serverEnded(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exit;
  clearTimeout(timer);
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
