/**
 * The child process of the cage: runs programs of others with a small heap, without rights to write files or start
 * processes. Its parent kills it when a program takes too long; without a parent it ends by itself.
 */
import { Script } from 'node:vm';
import { CAGE_LIMITS } from './limits.ts';
import { perform } from './programs.ts';
import { type FromChild, type Outcome, Program } from './protocol.ts';

/** Only V8 can interrupt a program that never returns; needed when the parent has died and kills nobody any more. */
const ORPHAN_MS = 2 * CAGE_LIMITS.runMs;

let current: Program | undefined;

function say(message: FromChild): void {
  process.send?.(message);
}

function run(): Outcome | undefined {
  return current && perform(current);
}

Object.defineProperty(globalThis, 'runCaged', { value: run });
const script = new Script('runCaged()');

process.on('message', (message) => {
  current = Program.parse(message);
  say({ type: 'started' });
  say({ type: 'finished', outcome: script.runInThisContext({ timeout: ORPHAN_MS }) });
});
process.on('disconnect', () => process.exit(0));
// The parent decides when to end: Ctrl-C in a terminal reaches the whole process group.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
