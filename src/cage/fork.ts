import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import type { Readable } from 'node:stream';

/** A child process with an IPC channel, as its parent sees it. */
export interface ChildHandle<Message> {
  send(message: Message): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, also when it never started; `reason` in words: `exit code 1`, `signal SIGKILL`. */
  onEnd(listener: (reason: string) => void): void;
  /** The last lines it wrote to its output and error streams. */
  lastLines(): readonly string[];
  /** Whether this process waits for the child before it ends by itself. */
  keepAlive(on: boolean): void;
  /** Ends it at once. */
  kill(): void;
}

const MAX_LINES = 12;
const MAX_LINE_LENGTH = 300;

/** Starts the script at `path` in a child process of this Node. */
export function forkChild<Message extends object>(
  path: string,
  { execArgv = [], env, serialization = 'json' }: Pick<ForkOptions, 'execArgv' | 'env' | 'serialization'> = {},
): ChildHandle<Message> {
  const child = fork(path, [], {
    execArgv: [...execArgv],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization,
    ...(env !== undefined && { env }),
  });
  const lines: string[] = [];
  const ended = Promise.withResolvers<string>();
  keepLines(child.stdout, lines);
  keepLines(child.stderr, lines);
  // `close` comes after the last byte of its streams, so its last lines are there when its end is reported.
  child.once('close', (code, signal) => ended.resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  child.once('error', (error) => ended.resolve(error.message));
  return {
    // The callback keeps a send to a dying child from throwing: its end is reported by `onEnd`.
    send: (message) => void child.send(message, () => undefined),
    onMessage: (listener) => void child.on('message', listener),
    onEnd: (listener) => void ended.promise.then(listener),
    lastLines: () => lines,
    keepAlive: (on) => {
      for (const holder of holdersOf(child)) on ? holder.ref() : holder.unref();
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

function keepLines(stream: Readable | null, lines: string[]): void {
  let rest = '';
  stream?.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split(/\r?\n/);
    rest = (parts.pop() ?? '').slice(-MAX_LINE_LENGTH);
    for (const part of parts.filter(isTelling)) lines.push(part.slice(0, MAX_LINE_LENGTH));
    lines.splice(0, lines.length - MAX_LINES);
  });
}

/** Stack frames of a script error would push its message out. */
function isTelling(line: string): boolean {
  return line.trim() !== '' && !/^\s+at /.test(line);
}

interface Holder {
  ref(): void;
  unref(): void;
}

/** Child, channel and pipes each keep a process running. */
function holdersOf(child: ChildProcess): Holder[] {
  const things: readonly unknown[] = [child, child.channel, child.stdout, child.stderr];
  return things.filter(isHolder);
}

/** A pipe can be unreferenced as well, though the type of a stream does not show it. */
function isHolder(thing: unknown): thing is Holder {
  return thing instanceof Object && 'ref' in thing && 'unref' in thing;
}
