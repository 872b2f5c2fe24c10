/** The bodies of `startOrigin`: what is sent, how fast, and where it breaks. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Behaviour } from './origin.ts';

/** A file that need not be in memory. */
export interface Content {
  readonly size: number;
  readonly etag: string;
  read(offset: number, length: number): Uint8Array;
}

const PIECE = 65_536;
/** How often a limited connection gets its share. */
const TICK_MS = 20;

export function contentOf(content: Uint8Array | Content): Content {
  if (!(content instanceof Uint8Array)) return content;
  const etag = `"${createHash('sha256').update(content).digest('hex')}"`;
  return { size: content.length, etag, read: (offset, length) => content.subarray(offset, offset + length) };
}

/** The pieces of a body, from `first` to before `end`. */
export function* bodyOf(content: Content, first: number, end: number, behaviour: Behaviour): Generator<Uint8Array> {
  const piece = behaviour.drip?.bytes ?? pieceFor(behaviour.bytesPerSecond);
  for (let offset = first; offset < end; offset += piece) {
    yield flipped(content.read(offset, Math.min(piece, end - offset)), offset, behaviour.flip ?? []);
  }
  while (behaviour.endless === true) yield new Uint8Array(piece);
}

function pieceFor(bytesPerSecond: number | undefined): number {
  return bytesPerSecond === undefined ? PIECE : Math.max(1, Math.round((bytesPerSecond * TICK_MS) / 1000));
}

function flipped(bytes: Uint8Array, offset: number, flips: readonly number[]): Uint8Array {
  const here = flips.filter((at) => at >= offset && at < offset + bytes.length);
  if (here.length === 0) return bytes;
  const copy = Uint8Array.from(bytes);
  for (const at of here) copy[at - offset] = (copy[at - offset] ?? 0) ^ 1;
  return copy;
}

/** Sends a body as the behaviour says; ends early when the client hangs up. */
export async function send(
  body: Iterable<Uint8Array>,
  behaviour: Behaviour,
  response: ServerResponse,
  count: (bytes: number) => void,
): Promise<void> {
  const pauseMs = behaviour.drip?.everyMs ?? (behaviour.bytesPerSecond === undefined ? 0 : TICK_MS);
  const until = Math.min(behaviour.cutAfter ?? Infinity, silentAfter(behaviour));
  let sent = 0;
  let due = performance.now();
  if (until === 0) return stop(behaviour, response);
  for (const piece of body) {
    if (response.destroyed) return;
    const part = piece.subarray(0, until - sent);
    const flowing = response.write(part);
    sent += part.length;
    count(part.length);
    if (sent >= until) return stop(behaviour, response);
    if (pauseMs > 0) {
      // By the clock: a busy machine must not make the limit lower than it is said to be.
      due += pauseMs;
      await sleep(Math.max(0, due - performance.now()));
    } else if (!flowing) await drained(response);
  }
  response.end();
}

function silentAfter({ silent }: Behaviour): number {
  if (silent === 'after-headers') return 0;
  return typeof silent === 'number' ? silent : Infinity;
}

/** Cuts the connection, once what was written before is on its way; or says nothing more. */
async function stop(behaviour: Behaviour, response: ServerResponse): Promise<void> {
  if (behaviour.cutAfter === undefined) return;
  await new Promise<void>((resolve) => response.write('', () => resolve()));
  response.socket?.destroy();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
