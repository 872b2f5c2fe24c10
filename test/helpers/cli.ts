/** The built command line as a process, with a home of its own and no Ollama in reach unless a test gives one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as z from 'zod';
import { envelopeOf, RESULTS } from '../../scripts/results.ts';

export const ROOT = join(import.meta.dirname, '../..');
export const MODELS = join(ROOT, 'models/tiny-gemma-3n');
export const Q4 = join(MODELS, 'tiny-gemma-3n-q4_k_m.gguf');
export const Q2 = join(MODELS, 'tiny-gemma-3n-q2_k.gguf');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Home {
  readonly path: string;
  run(args: readonly string[], options?: RunOptions): Promise<Ended>;
  /** Runs with `--json`, checks the one object on stdout against the schema of the command, and returns it. */
  json<Id extends keyof typeof RESULTS>(id: Id, args: readonly string[], options?: RunOptions): Promise<Answer<Id>>;
  start(args: readonly string[], options?: RunOptions): { child: ChildProcess; ended: Promise<Ended> };
  remove(): void;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
  /** Runs as this user and group; only root can. */
  readonly user?: number;
}

export interface Answer<Id extends keyof typeof RESULTS> {
  readonly code: number | null;
  readonly ok: boolean;
  readonly command: string;
  readonly data: z.output<(typeof RESULTS)[Id]> | undefined;
  readonly error: { code: string; message: string; suggestions: string[]; causes: string[]; exitCode: number };
  readonly warnings: readonly string[];
  readonly stderr: string;
}

const NO_ERROR = { code: 'none', message: '', suggestions: [], causes: [], exitCode: 0 };

/** Nothing listens on port 1 of loopback. */
const CLOSED = '127.0.0.1:1';

/** Whether something listens where Ollama does by default. Asked by taking the port, since tests intercept connections. */
export function hasDefaultServer(): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(true));
    server.listen(11434, '127.0.0.1', () => server.close(() => resolve(false)));
  });
}

/** Commands that choose a runtime themselves; all others follow the records. */
const CHOOSES = /^(?:install|recommend|lock|gc|bundle install)\b/;

/** A host that is named and does not answer is an error, so a command that would choose gets the embedded runtime. */
function environmentFor(args: readonly string[], own: Readonly<Record<string, string>>): Record<string, string> {
  const names = ['OLLAMA_HOST', 'GEMMA_PROVISION_HOST', 'GEMMA_PROVISION_RUNTIME'];
  const isNamed = names.some((name) => name in own) || args.some((arg) => /^--(?:host|runtime)\b/.test(arg));
  // A saved profile is advice for another machine, which no runtime here is asked for.
  const isElsewhere = args[0] === 'recommend' && args.includes('--profile');
  return isNamed || isElsewhere || !CHOOSES.test(args.join(' '))
    ? { OLLAMA_HOST: CLOSED }
    : { GEMMA_PROVISION_RUNTIME: 'embedded' };
}

export function makeHome(): Home {
  const path = mkdtempSync(join(tmpdir(), 'gemma-provision-e2e-'));
  function start(args: readonly string[], options: RunOptions = {}) {
    const { PATH = '', HOME = '' } = process.env;
    const env = {
      PATH,
      HOME,
      GEMMA_PROVISION_HOME: path,
      GEMMA_PROVISION_GPU: 'off',
      ...environmentFor(args, options.env ?? {}),
    };
    const child = spawn(process.execPath, [join(ROOT, 'bin/run.js'), ...args], {
      env: { ...env, GEMMA_PROVISION_THREADS: '1', ...options.env },
      cwd: options.cwd ?? path,
      ...(options.user !== undefined && { uid: options.user, gid: options.user }),
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    return { child, ended: endOf(child) };
  }
  const run = (args: readonly string[], options?: RunOptions) => start(args, options).ended;
  return {
    path,
    start,
    run,
    async json(id, args, options) {
      const { code, stdout, stderr } = await run([...id.split(' '), ...args, '--json'], options);
      const envelope = envelopeOf(RESULTS[id]).parse(JSON.parse(stdout));
      const { ok, command, data, error = NO_ERROR, warnings } = envelope;
      // biome-ignore lint/suspicious/noExplicitAny: parsed by the schema of this id one line above
      return { code, ok, command, data: data as any, error, warnings, stderr };
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

export function endOf(child: ChildProcess): Promise<Ended> {
  const pieces = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    pieces.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    pieces.stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...pieces }));
  });
}

/** Fails when something takes longer than a person would wait. */
export async function within<Result>(ms: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
