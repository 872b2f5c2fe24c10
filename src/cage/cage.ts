import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ProvisionError } from '../core/errors.ts';
import { formatDuration } from '../core/units.ts';
import { type ChildHandle, forkChild } from './fork.ts';
import { CAGE_LIMITS } from './limits.ts';
import { FromChild, type Outcome, type Program } from './protocol.ts';

/**
 * Runs programs that somebody else wrote: chat templates of model files, JSON Schemas of suites. Each may loop for ever
 * or fill the memory, so they run in a child process that is killed. One child serves a whole run.
 */
export interface Cage {
  /** Throws `CageExceeded` for a program that was stopped, and the reason of the signal when that is aborted. */
  perform(program: Program, signal: AbortSignal): Promise<Outcome>;
  close(): Promise<void>;
}

/** Where a program of somebody else runs, and what stops it. */
export interface CageParts {
  readonly cage: Cage;
  readonly signal: AbortSignal;
}

/** A program used more than it may, or ended the process that it ran in. `message` completes "The program …". */
export class CageExceeded extends Error {
  override readonly name = 'CageExceeded';
}

export type CageLimits = Readonly<Record<keyof typeof CAGE_LIMITS, number>>;

export type StartCaged = () => ChildHandle<Program>;

/** The child as a process of this Node from the file at `path`: a small heap, no environment, no right to write or to start anything. */
export function forkCaged(path: string): StartCaged {
  const execArgv = [
    `--max-old-space-size=${CAGE_LIMITS.heapMiB}`,
    '--disallow-code-generation-from-strings',
    '--permission',
    '--allow-fs-read=*',
  ];
  return () => forkChild<Program>(path, { execArgv, env: {} });
}

/** The built script of the child, or its source when the sources run as they are. */
export function cagedFile(root: string): string {
  const source = join(root, 'src/cage/child.ts');
  return import.meta.filename.endsWith('.ts') && existsSync(source) ? source : join(root, 'dist/cage.js');
}

interface Child {
  readonly handle: ChildHandle<Program>;
  readonly ended: Promise<string>;
  /** Where messages go: to the program that runs at the moment. */
  listener: (message: unknown) => void;
}

/** Starts the child when it is first needed, and again after it ended. */
export function createCage(start: StartCaged, limits: CageLimits = CAGE_LIMITS): Cage {
  let running: Child | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  function launch(): Child {
    const handle = start();
    const { promise: ended, resolve } = Promise.withResolvers<string>();
    const child: Child = { handle, ended, listener: () => undefined };
    handle.onMessage((message) => child.listener(message));
    handle.onEnd((reason) => {
      if (running === child) running = undefined;
      resolve(reason);
    });
    handle.keepAlive(false);
    return child;
  }

  async function stop(child: Child): Promise<void> {
    if (running === child) running = undefined;
    child.handle.keepAlive(true);
    child.handle.kill();
    await child.ended;
  }

  async function run(program: Program, signal: AbortSignal): Promise<Outcome> {
    signal.throwIfAborted();
    running ??= launch();
    const child = running;
    child.handle.keepAlive(true);
    try {
      const outcome = await answerOf(child, program, limits, signal);
      child.handle.keepAlive(false);
      return outcome;
    } catch (error) {
      await stop(child);
      throw error;
    }
  }

  return {
    perform(program, signal) {
      const turn = queue.then(() => run(requireShort(program, limits), signal)).then(requireResult);
      queue = turn.catch(() => undefined);
      return turn;
    },
    async close() {
      if (running !== undefined) await stop(running);
    },
  };
}

async function answerOf(child: Child, program: Program, limits: CageLimits, signal: AbortSignal): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const onAbort = (): void => reject(signal.reason);
  let started = false;
  let timer = setTimeout(() => reject(notStarted('no answer from it')), limits.startMs);
  signal.addEventListener('abort', onAbort);
  void child.ended.then((reason) => {
    const words = [reason, ...child.handle.lastLines()].join('\n  ');
    reject(started ? new CageExceeded(endOf(reason, limits)) : notStarted(words));
  });
  child.listener = (message) => {
    const parsed = FromChild.safeParse(message);
    if (!parsed.success) return reject(new CageExceeded('wrote something that is not an answer'));
    if (parsed.data.type === 'finished') return resolve(parsed.data.outcome);
    started = true;
    clearTimeout(timer);
    timer = setTimeout(() => {
      reject(new CageExceeded(`ran for more than ${formatDuration(limits.runMs)} and was stopped`));
    }, limits.runMs);
  };
  try {
    child.handle.send(program);
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** V8 aborts when its heap is full; its own words about it are usually pushed out by the stack that it writes after them. */
const HEAP_IS_FULL = /SIGABRT|exit code 134/;

/** Why a child ended in the middle of a program. */
function endOf(reason: string, { heapMiB }: CageLimits): string {
  if (HEAP_IS_FULL.test(reason)) return `needed more than ${heapMiB} MiB of memory and was stopped`;
  return `ended the process that it ran in (${reason})`;
}

function requireShort(program: Program, { inputLength }: CageLimits): Program {
  if (JSON.stringify(program).length <= inputLength) return program;
  throw new CageExceeded(`has, with its input, more than ${inputLength} characters`);
}

function requireResult(outcome: Outcome): Outcome {
  if (outcome.type !== 'too-long') return outcome;
  throw new CageExceeded(`wrote more than ${CAGE_LIMITS.outputLength} characters`);
}

function notStarted(why: string): ProvisionError {
  return new ProvisionError('bug', `The process that runs chat templates and JSON Schemas did not start: ${why}`);
}
